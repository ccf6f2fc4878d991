// The desk: saves while one types, and shows what the mail will look like, whom it reaches and what stands in its way.
// Without this the form is saved by its button.
const form = document.querySelector("[data-desk]");
const at = (name) => document.querySelector(`[data-${name}]`);
const all = (name) => document.querySelectorAll(`[data-${name}]`);
const id = form.dataset.desk;
const frame = at("mail");
const PAUSE = 600, LOOK = 4000, AGAIN = 3000;

// The parts of a draft that this form has: how one is read, put there, and told to somebody.
const field = (name) => form.elements[name];
const chosen = (name, value) => [...form.querySelectorAll(`[name=${name}]`)].filter((it) => [value].flat().includes(it.value));
const shownIn = (name) => [...form.querySelectorAll(`[name=${name}]:checked`)].map((it) => it.value);
const named = (it) => it.closest("label").querySelector("strong").textContent;
const ARCHIVE = { "": null, yes: true, no: false };
const typed = { read: (name) => field(name).value, put: (name, value) => { field(name).value = value; }, tell: (name, value) => `“${value}”` };
const listed = (outward, inward) => ({
  read: (name) => outward(field(name).value),
  put: (name, value) => {
    if (![...field(name).options].some((it) => it.value === inward(value))) field(name).add(new Option(`For ${value} minutes`, value));
    field(name).value = inward(value);
  },
  tell: (name, value) => [...field(name).options].find((it) => it.value === inward(value))?.textContent ?? String(value),
});
const parts = {
  outcome: typed, subject: typed, preheader: typed, body: typed, link: typed, send_at: typed,
  // One stands there from the first; it is the draft's once there is a time.
  timezone: { ...typed, read: (name) => field("send_at").value && field(name).value, put: (name, value) => { if (value) typed.put(name, value); } },
  useful_for: listed(Number, String),
  public: listed((word) => ARCHIVE[word], (value) => Object.keys(ARCHIVE).find((word) => ARCHIVE[word] === value)),
  level: {
    read: (name) => shownIn(name)[0],
    put: (name, value) => { for (const it of chosen(name, value)) it.checked = true; },
    tell: (name, value) => chosen(name, value).map(named).join(),
  },
  topics: {
    read: () => shownIn("topic"),
    put: (name, value) => { for (const it of form.querySelectorAll("[name=topic]")) it.checked = value.includes(it.value); },
    tell: (name, value) => chosen("topic", value).map(named).join(", ") || "none",
  },
};
const words = JSON.parse(form.dataset.words);
const control = (name) => form.querySelector(`[name=${name === "topics" ? "topic" : name}]`);
const names = Object.keys(parts).filter(control);
const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
const read = () => Object.fromEntries(names.map((name) => [name, parts[name].read(name)]));

// `base` is the draft that one's own goes from, as it was saved, and `stood` how the form showed it then. Of what both
// changed the old one stays in both, until somebody decides.
let base = JSON.parse(field("base").value), stood = read();
let asked = "", shown = "", timer, saving = Promise.resolve(), busy = false, failed = false, closed = false, keeping = false;
// What one changed and nobody has saved yet: no look at the draft alone is a change of it.
const mine = (now = read()) => names.filter((name) => !same(now[name], stood[name]));
const undecided = () => all("conflict").length > 0;
const inUse = () => !form.querySelector("fieldset.plain").disabled;

function made(kind, look, text = "") {
  const element = document.createElement(kind);
  element.className = look;
  element.textContent = text;
  return element;
}

function counted() {
  const subject = field("subject");
  const count = [...subject.value].length, phone = Number(subject.dataset.phone);
  const hint = document.querySelector("[data-count=subject]");
  hint.textContent = count > phone
    ? `${count} characters: a phone cuts it to “${[...subject.value].slice(0, phone).join("")}…”`
    : `${count} characters; a phone shows about ${phone}.`;
  at("subject").textContent = subject.value || "No subject yet";
  const beginning = field("body").value.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").replace(/[*_`#>]+/g, "").replace(/\s+/g, " ");
  at("preheader").textContent = field("preheader").value || beginning.slice(0, 120);
}

function shows(standing) {
  const { look, version, others, plain } = standing;
  for (const place of all("audience")) place.textContent = look.audience;
  at("goes").hidden = !look.goes;
  at("goes").textContent = look.goes ? `It goes out on ${look.goes}.` : "";
  at("takes").textContent = look.takes ? `, the last of them after ${look.takes}` : "";
  at("size").textContent = look.kilobytes ? `${look.kilobytes} KB` : "";
  // A chosen reader's text comes with the page.
  if (!frame.dataset.reader) at("plain").textContent = plain || "";
  const warnings = undecided() ? [{ blocks: true, text: "Decide first about what two of you changed." }, ...look.warnings] : look.warnings;
  at("warnings").replaceChildren(...warnings.map(({ blocks, text }) => made("li", blocks ? "bad" : "warn", text)));
  const release = document.querySelector("form[action$='/release']");
  if (release) {
    at("go").disabled = look.blocked || undecided();
    // Only what stands here, all of it, is released from here.
    if (!undecided()) release.elements.version.value = version;
  }
  const there = at("others");
  there.hidden = others.length === 0;
  there.textContent = `${others.join(", ")} ${others.length > 1 ? "have" : "has"} it open as well. What each of you writes is kept.`;
}

// What somebody else wrote goes into the parts that one has not changed; what both changed is asked.
function takes(standing, sent) {
  const theirs = standing.text, changed = mine(sent), { conflicts } = standing;
  const next = { ...theirs }, came = [];
  for (const name of names) {
    const part = parts[name], typedSince = !same(part.read(name), sent[name]);
    if (conflicts.includes(name) || (!changed.includes(name) && typedSince)) {
      next[name] = base[name];
    } else if (changed.includes(name)) {
      stood[name] = sent[name];
    } else {
      if (!same(theirs[name], base[name])) {
        part.put(name, theirs[name]);
        came.push(words[name]);
      }
      stood[name] = part.read(name);
    }
  }
  goesFrom(next);
  asks(standing);
  if (came.length > 0) counted();
  // A number that was typed for other words is typed once more.
  const number = document.querySelector("#audience");
  if (came.length > 0 && number) {
    at("came").textContent = `Somebody else changed this: ${came.join(", ")}. Read it once more.`;
    at("came").hidden = false;
    number.value = "";
  }
}

function goesFrom(from) {
  base = from;
  field("base").value = JSON.stringify(from);
}

function asks({ text, conflicts }) {
  const question = JSON.stringify(conflicts.map((name) => [name, text[name]]));
  // A button that somebody is about to press stays where it is.
  if (question === asked) return;
  asked = question;
  for (const box of all("conflict")) box.remove();
  for (const name of conflicts.filter((name) => names.includes(name))) {
    const box = made("div", "notice warn"), choices = made("div", "actions");
    box.dataset.conflict = name;
    box.setAttribute("role", "alert");
    box.append(made("p", "", `Somebody else changed the ${words[name]} as well: ${parts[name].tell(name, text[name])}`), choices);
    const theirs = () => { parts[name].put(name, text[name]); stood[name] = parts[name].read(name); };
    for (const [label, choose] of [["Take theirs", theirs], ["Keep mine", () => {}]]) {
      const button = made("button", "second", label);
      button.type = "button";
      button.addEventListener("click", () => { choose(); goesFrom({ ...base, [name]: text[name] }); box.remove(); later(); });
      choices.append(button);
    }
    const beside = control(name);
    beside.closest("details")?.setAttribute("open", "");
    (beside.closest(".field") ?? beside.closest("fieldset")).after(box);
  }
}

// What isn't saved yet outlives a lost connection, a closed tab and a dead battery in this browser, and waits where the draft is
// closed: a release may be undone.
const kept = `draft ${id} ${form.dataset.me}`;
// Some browsers keep nothing.
function storage(use) {
  try { return use(localStorage); } catch { return null; }
}
function keeps() {
  const changed = mine();
  const of = (text) => Object.fromEntries(changed.map((name) => [name, text[name]]));
  if (changed.length > 0) storage((it) => it.setItem(kept, JSON.stringify({ base: of(base), mine: of(read()) })));
  // Another tab may keep something.
  else if (keeping) storage((it) => it.removeItem(kept));
  keeping = changed.length > 0;
}
function remembers() {
  const found = storage((it) => JSON.parse(it.getItem(kept)));
  if (!found) return;
  keeping = true;
  for (const name of names.filter((name) => name in found.mine)) parts[name].put(name, found.mine[name]);
  // What was saved on the way out goes from what stands there.
  goesFrom({ ...base, ...Object.fromEntries(mine().map((name) => [name, found.base[name]])) });
  later();
}

const request = (now) => ({
  method: "POST",
  headers: { "accept": "application/json", "content-type": "application/json", "x-csrf-token": field("csrf").value },
  body: JSON.stringify({ base, mine: { ...base, ...Object.fromEntries(mine(now).map((name) => [name, now[name]])) } }),
});

// Whoever signed in again, in another tab, has another token. What one wrote is saved in nobody else's name.
async function renews() {
  const page = new DOMParser().parseFromString(await (await fetch(`/admin/desk/${id}`)).text(), "text/html");
  const there = page.querySelector("[data-desk]"), token = there?.elements.csrf.value;
  if (there && there.dataset.me !== form.dataset.me) throw new NotSaved(`Not saved: ${there.dataset.me} is signed in here now. Sign in as ${form.dataset.me}.`);
  if (!token || token === field("csrf").value) return false;
  for (const input of document.querySelectorAll("[name=csrf]")) input.value = token;
  return true;
}

class NotSaved extends Error {}
async function sends(sent) {
  let answer = await fetch(`/admin/desk/${id}`, request(sent));
  if (answer.status === 403 && await renews()) answer = await fetch(`/admin/desk/${id}`, request(sent));
  if (answer.ok && !answer.redirected) {
    closed = false;
    return answer.json();
  }
  // A way to sign in, to the end.
  const status = answer.redirected ? 401 : answer.status;
  closed = status === 404 || status === 409;
  throw new NotSaved({
    401: "You are signed out. Sign in in another tab; what you wrote is still here.",
    403: "Not saved: you may not change this draft any more.",
    404: "Not saved: this draft is gone.",
    409: "Not saved: this draft was released or thrown away meanwhile. What you wrote since then is not in it; this browser keeps it.",
    413: "Not saved: the text is longer than can be kept. Cut it.",
  }[status] ?? "Not saved: the service can’t do it now. Trying again.");
}

async function once() {
  clearTimeout(timer);
  busy = true;
  const sent = read(), saved = at("saved");
  try {
    const standing = await sends(sent);
    failed = false;
    takes(standing, sent);
    shows(standing);
    // A race's moment has come, or the level asks for two people: the page's buttons are others now.
    if (standing.stands !== form.dataset.stands && mine().length === 0 && !undecided()) location.reload();
    const reader = frame.dataset.reader ? `&reader=${frame.dataset.reader}` : "";
    const mail = `/admin/desk/${id}/mail?v=${standing.version}${reader}`;
    if (mail !== shown) frame.src = shown = mail;
    // What was typed meanwhile is saved next.
    const now = mine().length > 0 ? "…" : "Saved.";
    saved.textContent = undecided() ? "Saved, but for what is asked above." : now;
    saved.classList.remove("bad");
  } catch (error) {
    failed = true;
    saved.textContent = error instanceof NotSaved ? error.message : "Not saved: no connection. Trying again.";
    saved.classList.add("bad");
    if (!closed) timer = setTimeout(save, AGAIN);
  } finally {
    busy = false;
    keeps();
  }
}
const save = () => (saving = saving.then(once));

function later() {
  counted();
  keeps();
  if (closed) return;
  at("saved").textContent = "…";
  clearTimeout(timer);
  timer = setTimeout(save, PAUSE);
}

// Of many topics one finds those with some letters in their name.
const many = form.querySelector("[data-topics] .many");
if (many) {
  const find = document.createElement("input");
  find.type = "search";
  find.placeholder = "Find a topic";
  find.setAttribute("aria-label", "Find a topic");
  find.addEventListener("input", (event) => {
    event.stopPropagation();
    for (const choice of many.children) choice.hidden = !choice.textContent.toLowerCase().includes(find.value.toLowerCase()) && !choice.querySelector("input").checked;
  });
  const place = document.createElement("div");
  place.className = "field";
  place.append(find);
  many.before(place);
}

counted();
if (inUse()) {
  remembers();
  form.addEventListener("input", later);
  document.querySelector("#audience")?.addEventListener("input", () => { at("came").hidden = true; });
  form.addEventListener("submit", (event) => { event.preventDefault(); save(); });
  // What is tested, asked for and released is what stands here.
  for (const other of all("saves-first")) {
    let waits = false;
    other.addEventListener("submit", async (event) => {
      if (mine().length === 0 && !busy) return;
      event.preventDefault();
      // Pressed once more, it is still one press.
      if (waits) return;
      waits = true;
      await save();
      waits = false;
      if (mine().length > 0 || failed) return (at("conflict") ?? at("saved")).scrollIntoView({ block: "center" });
      if (!event.submitter?.disabled) other.requestSubmit(event.submitter);
    });
  }
  addEventListener("pagehide", () => { if (mine().length > 0 && !closed) fetch(`/admin/desk/${id}`, { ...request(read()), keepalive: true }).catch(() => {}); });
  addEventListener("beforeunload", (event) => { if (failed && mine().length > 0) event.preventDefault(); });
  // Who else is here, and what they wrote.
  setInterval(() => { if (!document.hidden && !busy && !failed && at("saved").textContent !== "…") save(); }, LOOK);
}
for (const button of all("view")) {
  button.addEventListener("click", () => {
    for (const other of all("view")) other.setAttribute("aria-pressed", String(other === button));
    const view = button.dataset.view;
    frame.hidden = view === "text";
    at("plain").hidden = view !== "text";
    frame.style.colorScheme = view === "dark" ? "dark" : "light";
  });
}
frame.style.colorScheme = "light";
