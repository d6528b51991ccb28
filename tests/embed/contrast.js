// The contrast of every text, border and placeholder inside a shadow root (WCAG 2.2, 1.4.3 and
// 1.4.11); a border needs 3 : 1, so its ratio counts one and a half times.
root => {
  const parse = (text) => text.match(/[\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement ?? at.getRootNode().host) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
  const found = {};
  for (const node of root.querySelectorAll("*")) {
    if (!node.checkVisibility() || node.closest(".unseen")) continue;
    const style = getComputedStyle(node);
    const written = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
    const name = `${node.localName}.${node.className}`;
    if (written) found[name] = Math.min(found[name] ?? 99, ratio(parse(style.color), behind(node)));
    if (["INPUT", "TEXTAREA"].includes(node.tagName)) found[`border of ${name}`] = 1.5 * ratio(parse(style.borderTopColor), behind(node.parentElement));
    if (node.tagName === "INPUT") found[`placeholder of ${name}`] = ratio(parse(getComputedStyle(node, "::placeholder").color), behind(node));
  }
  return found;
}
