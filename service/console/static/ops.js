// Keeps the page fresh while somebody looks at it, if they ask for that.

const EVERY_MS = 60_000;
const KEPT = "winnow-ops-again";
const box = document.getElementById("again");

box.closest("label").hidden = false;
box.checked = sessionStorage.getItem(KEPT) === "yes";
box.addEventListener("change", () => sessionStorage.setItem(KEPT, box.checked ? "yes" : "no"));

setInterval(() => {
  if (box.checked && document.visibilityState === "visible") location.reload();
}, EVERY_MS);
