// A race's page follows what others do: it asks the server how it stands, by its events or by asking where these don't
// come through, and where that differs takes the page's middle anew. What one has typed stays.
const race = () => document.querySelector("[data-race]");
const id = race().dataset.race;
const BEAT = 2000;

// A number that was typed for a text that somebody changed since is typed once more.
function keep(old, made) {
  for (const details of old.querySelectorAll("details[open][id]")) {
    made.querySelector(`#${CSS.escape(details.id)}`)?.setAttribute("open", "");
  }
  for (const input of old.querySelectorAll("input[id]")) {
    const there = made.querySelector(`#${CSS.escape(input.id)}`);
    if (!there || there.dataset.version !== input.dataset.version) continue;
    if (input.value !== input.defaultValue) there.value = input.value;
    if (input.checked !== input.defaultChecked) there.checked = input.checked;
  }
}

async function follows(standing) {
  const old = race();
  if (standing.stands === old.dataset.stands) return;
  const answer = await fetch(`/admin/races/${id}`);
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const made = page.querySelector("[data-race]");
  if (!made || race() !== old) return;
  keep(old, made);
  const focused = document.activeElement?.id;
  old.replaceWith(made);
  if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  document.querySelector("[data-told]").textContent = made.querySelector("[data-headline]").textContent;
}

async function ask() {
  try {
    const answer = await fetch(`/admin/races/${id}/state`);
    // Signed out: the way in leads back here.
    if (answer.status === 401 || answer.redirected) location.reload();
    else if (answer.ok) await follows(await answer.json());
  } catch {
    // No connection: once more.
  }
  setTimeout(ask, BEAT);
}

const events = new EventSource(`/admin/races/${id}/events`);
events.onmessage = (event) => { follows(JSON.parse(event.data)).catch(() => {}); };
events.onerror = () => { events.close(); ask(); };
