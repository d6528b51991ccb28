// What an assistive technology would stumble over inside a shadow root.
root => {
  const found = [];
  const byId = (id) => root.getElementById(id);
  const name = (node) => node.getAttribute("aria-label")
    || (node.getAttribute("aria-labelledby") ?? "").split(" ").map((id) => byId(id)?.textContent).join(" ").trim()
    || (node.labels?.length ? node.labels[0].textContent : node.textContent).trim();
  const ids = [...root.querySelectorAll("[id]")].map((node) => node.id);
  if (new Set(ids).size !== ids.length) found.push("an id twice");
  for (const node of root.querySelectorAll("a, button, input, textarea, section, article")) {
    if (node.checkVisibility() && !name(node)) found.push(`no name: ${node.outerHTML.slice(0, 80)}`);
  }
  for (const attribute of ["aria-describedby", "aria-labelledby", "for"]) {
    for (const node of root.querySelectorAll(`[${attribute}]`)) {
      for (const id of node.getAttribute(attribute).split(" ")) if (!byId(id)) found.push(`${attribute} of nothing: ${id}`);
    }
  }
  for (const node of root.querySelectorAll("button")) {
    const visible = node.checkVisibility();
    const said = node.getAttribute("aria-label");
    if (visible && node.getBoundingClientRect().height < 24) found.push(`small: ${node.textContent}`);
    if (said && !said.includes(node.textContent)) found.push(`label without its text: ${said}`);
    if (!["submit", "button"].includes(node.type)) found.push("a button without a type");
  }
  if (!root.querySelector("[role=status]") || !root.querySelector("[role=alert]")) found.push("no live region");
  const levels = [...root.querySelectorAll("h1,h2,h3,h4")].map((node) => Number(node.tagName[1]));
  if (levels.some((level, i) => i && level > levels[i - 1] + 1)) found.push(`headings ${levels}`);
  for (const node of root.querySelectorAll("[required]")) if (!node.labels[0].textContent.includes("*")) found.push("no star");
  return found;
}
