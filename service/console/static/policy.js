// Sliders beside the figures, and a band that shows which score leads where.
// Without this file the figures alone fill the form.

/** The steps of one row that are set, mildest first: [class, from]. */
function steps(row) {
  const names = ["hold", "spam", "reject"];
  const figures = [...row.querySelectorAll("input[type=number]")];
  return names.map((name, i) => [name, Number.parseFloat(figures[i].value)])
    .filter(([, from]) => Number.isFinite(from));
}

function band(row) {
  const drawing = row.querySelector("[data-band]");
  const set = steps(row);
  const strictest = (score) => set.filter(([, from]) => score >= from).at(-1)?.[0] ?? "publish";
  const edges = [0, ...set.map(([, from]) => Math.min(1, Math.max(0, from))), 1].sort((a, b) => a - b);
  const wide = { publish: [0, 0], hold: [0, 0], spam: [0, 0], reject: [0, 0] };
  for (let i = 0; i + 1 < edges.length; i++) {
    if (edges[i] < edges[i + 1]) wide[strictest(edges[i])] = [edges[i], edges[i + 1]];
  }
  for (const [name, [from, to]] of Object.entries(wide)) {
    const part = drawing.querySelector(`.${name}`);
    part.setAttribute("x", String(100 * from));
    part.setAttribute("width", String(100 * (to - from)));
  }
  drawing.removeAttribute("hidden");
}

for (const row of document.querySelectorAll("[data-levels]")) {
  for (const level of row.querySelectorAll("[data-level]")) {
    const figure = level.querySelector("input[type=number]");
    const slider = level.querySelector("[data-slider]");
    const follow = () => {
      level.classList.toggle("never", figure.value === "");
      slider.value = figure.value === "" ? "1" : figure.value;
      slider.setAttribute("aria-valuetext", figure.value === "" ? "never" : figure.value);
      band(row);
    };
    figure.addEventListener("input", follow);
    slider.addEventListener("input", () => { figure.value = slider.value; follow(); });
    slider.hidden = false;
    follow();
  }
}

const preview = document.getElementById("preview");
if (preview) preview.focus();
