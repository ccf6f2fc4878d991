// Follows an issue on its way: by the server's events, or by asking where they don't come through.
const live = document.querySelector("[data-live]");
const issue = live.dataset.live;
const at = (name) => document.querySelector(`[data-${name}]`);
const number = (name, value) => { document.querySelector(`[data-number=${name}]`).textContent = value.toLocaleString(); };
// As the server's pages word a span.
function span(seconds) {
  const whole = Math.round(seconds), pair = (large, one, small, least) => small ? `${large} ${one} ${small} ${least}` : `${large} ${one}`;
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 9.95) return `${seconds.toFixed(1).replace(".0", "")} s`;
  if (whole < 60) return `${whole} s`;
  return whole < 3600 ? pair(Math.floor(whole / 60), "min", whole % 60, "s") : pair(Math.floor(whole / 3600), "h", Math.floor(whole % 3600 / 60), "min");
}
const seen = [];
let until = null, ahead = 0;

function pace(progress) {
  const now = Date.parse(progress.now) / 1000;
  seen.push([now, progress.accepted]);
  const [from, before] = seen.find(([when]) => now - when <= 10) ?? seen[0];
  const rate = now > from ? (progress.accepted - before) / (now - from) : 0;
  const words = [];
  if (rate > 0 && !progress.ended_at) words.push(`${Math.round(rate).toLocaleString()} a second`);
  if (rate > 0 && progress.waiting > 0 && !progress.paused_at) words.push(`about ${span(Math.max(1, Math.ceil(progress.waiting / rate)))} left`);
  if (progress.ended_at) {
    const took = (Date.parse(progress.ended_at) - Date.parse(progress.since)) / 1000;
    words.push(`took ${span(took)}`);
    if (took >= 1) words.push(`${Math.round(progress.accepted / took).toLocaleString()} a second`);
  }
  at("pace").textContent = words.join(", ");
}

// How many had it after how many seconds, from the release on; the page brings what was before it was opened.
let curve = JSON.parse(at("curve").dataset.points);
function draws(progress) {
  const until = Math.max(0.1, (Date.parse(progress.ended_at ?? progress.now) - Date.parse(progress.since)) / 1000);
  curve = curve.filter(([when], n) => when < until && (curve.length < 1000 || n % 2 === 0));
  curve.push([until, progress.accepted]);
  if (progress.accepted === 0) return;
  const points = curve.map(([when, count]) => `${when / until * 600},${118 - count / progress.audience * 114}`);
  // A picture has no property of that name.
  at("curve").removeAttribute("hidden");
  at("curve").firstElementChild.setAttribute("points", points.join(" "));
}

const after = (progress, at) => span((Date.parse(at) - Date.parse(progress.since)) / 1000);

function part(count, word, look) {
  const shown = document.createElement("span"), bold = document.createElement("b");
  if (count > 0 && look) shown.className = look;
  bold.textContent = count.toLocaleString();
  shown.append(bold, ` ${word}`);
  return shown;
}

// One relay or mail domain, as the page has it that the server makes.
function row(place, slowest) {
  const item = document.createElement("li"), title = document.createElement("span"), name = document.createElement("strong");
  name.textContent = place.name;
  title.append(name);
  if (place.name === slowest) {
    const tag = document.createElement("span");
    tag.className = "tag warn";
    tag.textContent = "slowest";
    title.append(" ", tag);
  }
  const svg = (kind, values) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", kind);
    for (const [key, value] of Object.entries(values)) made.setAttribute(key, value);
    return made;
  };
  const bar = svg("svg", { class: "share", viewBox: "0 0 1000 10", preserveAspectRatio: "none", "aria-hidden": "true" });
  let x = 0;
  for (const [count, look] of [[place.accepted, "good"], [place.waiting, "warn"], [place.bounced, "bad"]]) {
    const width = count / Math.max(1, place.audience) * 1000;
    bar.append(svg("rect", { class: look, x, y: 0, width, height: 10 }));
    x += width;
  }
  const figures = document.createElement("span");
  figures.className = "figures";
  figures.append(part(place.accepted, "accepted"), " ", part(place.waiting, "waiting", "warn"), " ", part(place.bounced, "bounced", "bad"));
  item.append(title, bar, figures);
  return item;
}

// First and slowest; the server counts these every few seconds where there are many.
let counted = null;
function places(progress) {
  const { spread } = progress;
  if (counted === spread.counted_at) return;
  counted = spread.counted_at;
  const soFar = progress.waiting > 0 ? " so far" : "";
  at("reached").textContent = spread.first_accepted_at
    ? `The first had it after ${after(progress, spread.first_accepted_at)}, the last${soFar} after ${after(progress, spread.last_accepted_at)}.`
    : "";
  for (const word of ["relays", "domains"]) {
    const panel = document.querySelector(`[data-places=${word}]`);
    const slowest = word === "relays" ? spread.slowest_relay : spread.slowest_domain;
    panel.hidden = spread[word].length === 0;
    panel.querySelector("ul").replaceChildren(...spread[word].map((place) => row(place, slowest)));
  }
}

function shows(progress) {
  live.dataset.state = progress.state;
  const held = progress.state === "held";
  ahead = Date.parse(progress.now) - Date.now();
  until = held ? Date.parse(progress.held_until) : null;
  at("held").hidden = !held;
  at("going").hidden = held;
  if (at("correct")) at("correct").hidden = held || progress.undone;
  at("links").hidden = held || progress.undone;
  at("counts").hidden = progress.undone;
  if (held) return false;
  for (const name of ["accepted", "waiting", "bounced", "called_off", "uncertain", "audience"]) number(name, progress[name]);
  at("off").hidden = progress.called_off === 0;
  at("doubt").hidden = progress.uncertain === 0;
  if (at("has")) at("has").textContent = `${progress.accepted.toLocaleString()} reader${progress.accepted === 1 ? "" : "s"}`;
  at("bar").max = progress.audience;
  at("bar").value = progress.accepted;
  const stopped = progress.state === "cancelled";
  const over = progress.state === "sent" || (stopped && progress.waiting === 0);
  at("headline").textContent = progress.undone ? "Undone. Nobody got it." : stopped ? `Stopped. ${progress.accepted.toLocaleString()} have it, nobody more gets it.` : over ? "Everybody has it." : progress.paused_at ? "Paused. Nobody more gets it." : "On its way.";
  live.toggleAttribute("data-paused", !over && progress.paused_at !== null);
  const hides = (name, hidden) => { if (at(name)) at(name).hidden = hidden; };
  hides("stop", over || stopped);
  hides("stops", over || stopped);
  hides("pause", over || stopped || progress.paused_at !== null);
  hides("resume", over || stopped || progress.paused_at === null);
  pace(progress);
  draws(progress);
  places(progress);
  return over;
}

setInterval(() => {
  if (until === null || !at("left")) return;
  const left = Math.max(0, Math.ceil((until - Date.now() - ahead) / 1000));
  at("left").textContent = left;
  at("seconds").textContent = left === 1 ? "second" : "seconds";
}, 200);

async function ask() {
  let over = false;
  try {
    const answer = await fetch(`/admin/live/${issue}/state`);
    // Signed out: the way in leads back here. A correction that is begun stays.
    const begun = [...document.querySelectorAll("[data-correct] input, [data-correct] textarea")].some((it) => it.value !== it.defaultValue);
    if ((answer.status === 401 || answer.redirected) && begun) at("pace").textContent = "You are signed out. Copy what you wrote, then reload this page and sign in.";
    else if (answer.status === 401 || answer.redirected) location.reload();
    else if (answer.ok) over = shows(await answer.json());
  } catch {
    at("pace").textContent = "No connection. Trying again.";
  }
  if (!over) setTimeout(ask, 1000);
}

const events = new EventSource(`/admin/live/${issue}/events`);
let told = false;
events.onmessage = (event) => {
  told = true;
  if (shows(JSON.parse(event.data))) events.close();
};
events.onerror = () => {
  events.close();
  setTimeout(ask, told ? 1000 : 0);
};
