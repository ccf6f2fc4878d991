// Two comforts: times in the reader's own zone, and a list that follows what comes.
function localTimes(root) {
  for (const time of root.querySelectorAll("time")) {
    const at = new Date(time.dateTime);
    const today = at.toDateString() === new Date().toDateString();
    time.textContent = today ? at.toLocaleTimeString() : at.toLocaleString();
    time.title = at.toString();
  }
}

localTimes(document);

if (document.querySelector("[data-live]")) {
  let loading = false;
  let stale = false;

  // One request at a time, and a pause between two, however fast the mail comes.
  async function follow() {
    stale = true;
    if (loading) return;
    loading = true;
    while (stale) {
      stale = false;
      try {
        const response = await fetch(location.href);
        if (response.ok) show(new DOMParser().parseFromString(await response.text(), "text/html"));
      } catch { /* the demo is restarting: its next event brings the list up to date */ }
      await new Promise((resume) => setTimeout(resume, 500));
    }
    loading = false;
  }

  function show(page) {
    const main = document.getElementById("main");
    const next = page.getElementById("main");
    const known = new Set([...main.querySelectorAll("[data-id]")].map((item) => item.dataset.id));
    for (const item of next.querySelectorAll("[data-id]")) item.classList.toggle("new", !known.has(item.dataset.id));
    localTimes(next);
    const focused = document.activeElement;
    const href = focused?.closest("[data-live]") && focused.getAttribute("href");
    const typed = document.getElementById("to");
    const typing = typed === focused;
    const replaced = typing ? "[data-live]" : null;
    if (replaced && main.querySelector(replaced) && next.querySelector(replaced)) {
      main.querySelector(replaced).replaceWith(next.querySelector(replaced)); // leaves the field being typed in alone
    } else {
      main.replaceChildren(...next.childNodes);
    }
    if (href) main.querySelector(`a[href="${CSS.escape(href)}"]`)?.focus({ preventScroll: true });
    document.title = page.title;
  }

  const events = new EventSource("/changes");
  events.onmessage = follow;
  events.onopen = follow; // also after a lost connection: something may have come meanwhile
}
