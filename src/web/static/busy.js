// A form that takes a while says so, for how long it has, and isn't sent twice.
for (const form of document.querySelectorAll("form[data-busy]")) {
  const says = document.createElement("p");
  says.className = "soft";
  says.setAttribute("role", "status");
  form.append(says);
  let since = 0;
  form.addEventListener("submit", (event) => {
    if (since) { event.preventDefault(); return; }
    since = Date.now();
    says.textContent = form.dataset.busy;
    form.querySelector("[type=submit]").setAttribute("aria-disabled", "true");
    const clock = document.createElement("span");
    clock.setAttribute("aria-hidden", "true");
    says.append(" ", clock);
    setInterval(() => { clock.textContent = `${Math.round((Date.now() - since) / 1000)} s`; }, 1000);
  });
  // Who goes back to the page may send it again.
  addEventListener("pageshow", () => { since = 0; });
}
