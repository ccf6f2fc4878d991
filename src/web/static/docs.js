// Opens the call or type that an address leads to, and puts a button before the calls that opens all of them. Without this
// each is opened by its own line.
const open = () => {
  const found = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (found instanceof HTMLDetailsElement) found.open = true;
};
addEventListener("hashchange", open);
open();
const all = document.createElement("button");
all.type = "button";
all.className = "copy";
all.textContent = "Open all";
all.addEventListener("click", () => {
  const closed = [...document.querySelectorAll("details.call")].some((it) => !it.open);
  for (const it of document.querySelectorAll("details.call")) it.open = closed;
  all.textContent = closed ? "Close all" : "Open all";
});
document.querySelector("nav.calls").after(all);
