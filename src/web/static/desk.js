// The desk: saves while one types, and shows what the mail will look like, whom it reaches and what stands in its way.
// Without this the form is saved by its button.
const form = document.querySelector("[data-desk]");
const at = (name) => document.querySelector(`[data-${name}]`);
const all = (name) => document.querySelectorAll(`[data-${name}]`);
const id = form.dataset.desk;
const frame = at("mail");
const PAUSE = 600, LOOK = 4000;
// What is typed; a newsletter has no link of its own.
const typed = ["subject", "preheader", "body", "link", "outcome", "send_at", "zone"].filter((name) => form.elements[name]);
// The text that one's own goes from: of what both changed it stays the old one, until somebody decides.
let base = JSON.parse(form.elements.base.value), shown = "", timer, saving = false, again = false, changed = false;

const inUse = () => !form.querySelector("fieldset.plain").disabled;

function counted() {
  const subject = form.elements.subject;
  const count = [...subject.value].length, phone = Number(subject.dataset.phone);
  const hint = document.querySelector("[data-count=subject]");
  hint.textContent = count > phone
    ? `${count} characters: a phone cuts it to “${[...subject.value].slice(0, phone).join("")}…”`
    : `${count} characters; a phone shows about ${phone}.`;
  at("subject").textContent = subject.value || "No subject yet";
  const words = form.elements.body.value.replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").replace(/[*_`#>]+/g, "").replace(/\s+/g, " ");
  at("preheader").textContent = form.elements.preheader.value || words.slice(0, 120);
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
  at("warnings").replaceChildren(...look.warnings.map((warning) => {
    const item = document.createElement("li");
    item.className = warning.blocks ? "bad" : "warn";
    item.textContent = warning.text;
    return item;
  }));
  const release = document.querySelector("form[action$='/release']");
  if (release) {
    release.elements.version.value = version;
    at("go").disabled = look.blocked;
  }
  const there = at("others");
  there.hidden = others.length === 0;
  there.textContent = `${others.join(", ")} ${others.length > 1 ? "have" : "has"} it open as well. What each of you writes is kept.`;
}

// What somebody else wrote goes into the fields that one has not changed; what both changed is asked.
function takes(standing, sent) {
  const theirs = standing.text;
  for (const name of typed) {
    const input = form.elements[name];
    if (input.value === sent[name] && !standing.conflicts.includes(name) && input.value !== theirs[name]) input.value = theirs[name];
  }
  const asked = standing.conflicts.filter((name) => typed.includes(name));
  const goesFrom = (from) => { base = from; form.elements.base.value = JSON.stringify(base); };
  at("conflicts").replaceChildren(...asked.map((name) => {
    const box = document.createElement("p");
    box.className = "notice warn";
    box.append(`${standing.by} changed the ${name} as well: “${theirs[name]}” `);
    const choices = [["Take theirs", () => { form.elements[name].value = theirs[name]; }], ["Keep mine", () => {}]];
    for (const [words, choose] of choices) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "second";
      button.textContent = words;
      button.addEventListener("click", () => { choose(); goesFrom({ ...base, [name]: theirs[name] }); box.remove(); form.elements[name].focus(); later(); });
      box.append(button, " ");
    }
    return box;
  }));
  goesFrom({ ...theirs, ...Object.fromEntries(asked.map((name) => [name, base[name]])) });
}

const written = () => ({ ...Object.fromEntries(typed.map((name) => [name, form.elements[name].value])) });

async function save() {
  if (saving) { again = true; return; }
  saving = true;
  changed = false;
  const sent = written();
  const saved = at("saved");
  try {
    const answer = await fetch(`/admin/desk/${id}`, {
      method: "POST",
      headers: { accept: "application/json" },
      body: new URLSearchParams(new FormData(form)),
    });
    if (answer.status === 401) throw new Error("You are signed out. Sign in in another tab; what you wrote is still here.");
    if (!answer.ok) throw new Error("Not saved: the draft was released or thrown away, or the service can’t be reached.");
    const standing = await answer.json();
    takes(standing, sent);
    shows(standing);
    // A race's moment has come, or the level asks for two people: the page's buttons are others now.
    const still = JSON.stringify(written()) === JSON.stringify(sent) && at("conflicts").children.length === 0;
    if (standing.stands !== form.dataset.stands && still) location.reload();
    const reader = frame.dataset.reader ? `&reader=${frame.dataset.reader}` : "";
    const mail = `/admin/desk/${id}/mail?v=${standing.version}${reader}`;
    if (mail !== shown) frame.src = shown = mail;
    // What was typed meanwhile isn't, and is sent when the page is left before its turn.
    if (!changed) saved.textContent = at("conflicts").children.length > 0 ? "Saved, but for what is asked above." : "Saved.";
    saved.classList.remove("bad");
  } catch (error) {
    saved.textContent = error instanceof TypeError ? "Not saved: no connection. Trying again." : error.message;
    saved.classList.add("bad");
    timer = setTimeout(save, 3000);
  } finally {
    saving = false;
    if (again) { again = false; save(); }
  }
}

function later() {
  changed = true;
  counted();
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
  form.addEventListener("input", later);
  form.addEventListener("submit", (event) => { event.preventDefault(); clearTimeout(timer); save(); });
  addEventListener("pagehide", () => { if (at("saved").textContent === "…") navigator.sendBeacon(`/admin/desk/${id}`, new URLSearchParams(new FormData(form))); });
  // Who else is here, and what they wrote.
  setInterval(() => { if (!document.hidden && !saving && at("saved").textContent !== "…") save(); }, LOOK);
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
