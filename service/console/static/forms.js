// Comfort for forms: copying what is shown once.

for (const box of document.querySelectorAll("[data-copy]")) {
  const value = box.querySelector("input");
  const button = box.querySelector("[data-copy-button]");
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(value.value);
    button.textContent = "Copied";
    box.querySelector("[data-copied]").textContent = "Copied";
  });
  value.addEventListener("focus", () => value.select());
}
