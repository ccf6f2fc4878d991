// Follows an import: what it says, twice a second, and what came of it once it is over.
const bar = document.querySelector("[data-bar]"), says = document.querySelector("[data-says]");

async function ask() {
  try {
    const answer = await fetch(`${location.pathname}/state`);
    // Signed out: the way in leads back here.
    if (answer.status === 401 || answer.redirected) { location.reload(); return; }
    if (answer.ok) {
      const { state, percent, says: words } = await answer.json();
      bar.value = percent;
      says.textContent = words;
      if (state !== "running") { location.reload(); return; }
    }
  } catch {
    // No connection: once more.
  }
  setTimeout(ask, 500);
}

if (bar) ask();
