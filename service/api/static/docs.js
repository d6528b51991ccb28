// The API documentation, drawn from /openapi.json. The key never leaves this page's memory.

const place = document.getElementById("operations");
const groups = document.getElementById("groups");
const find = document.getElementById("find");
const key = document.getElementById("key");
const METHODS = ["get", "post", "put", "patch", "delete"];
const ORDER = ["Websites", "Moderators", "Site owners", "Ops"];
let spec;

/** An element with attributes and children; strings become text, never markup. */
function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(attribute, "");
    else if (value !== false && value != null) made.setAttribute(attribute, value);
  }
  made.append(...children.flat().filter((child) => child != null && child !== ""));
  return made;
}

// ------------------------------------------------------------------------- schemas

function resolve(schema) {
  if (!schema?.$ref) return schema ?? {};
  return spec.components.schemas[schema.$ref.split("/").pop()] ?? {};
}

const variants = (schema) => schema.anyOf ?? schema.oneOf ?? schema.allOf;

/** A type in a few words: `text`, `list of Comment`, `one of a, b`. */
function typeName(schema) {
  if (schema.$ref) return schema.$ref.split("/").pop();
  const several = variants(schema);
  if (several) return several.map(typeName).join(" or ");
  if (schema.enum) return `one of ${schema.enum.map((value) => JSON.stringify(value)).join(", ")}`;
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.type === "array") return `list of ${schema.items ? typeName(schema.items) : "anything"}`;
  if (schema.type === "null") return "null";
  if (schema.type === "object" && schema.additionalProperties) return `object of ${typeName(schema.additionalProperties)}`;
  return { string: "text", integer: "whole number", boolean: "true or false" }[schema.type] ?? schema.type ?? "anything";
}

function between(low, high) {
  if (low != null && high != null) return `${low} to ${high}`;
  if (low != null) return `at least ${low}`;
  return high != null ? `at most ${high}` : "";
}

function limits(schema) {
  const said = [];
  const range = between(schema.minimum ?? schema.exclusiveMinimum, schema.maximum ?? schema.exclusiveMaximum);
  const length = between(schema.minLength, schema.maxLength);
  if (range) said.push(range);
  if (length) said.push(`${length} characters`);
  if (schema.pattern) said.push(`like ${schema.pattern}`);
  if (schema.default != null && typeof schema.default !== "object") said.push(`default ${JSON.stringify(schema.default)}`);
  return said.join(", ");
}

/** The parts of a schema that have fields of their own. */
function structures(schema) {
  const here = resolve(schema);
  const several = variants(here);
  if (several) return several.flatMap(structures);
  if (here.type === "array" && here.items) return structures(here.items);
  if (here.properties) return [here];
  if (here.additionalProperties && typeof here.additionalProperties === "object") return structures(here.additionalProperties);
  return [];
}

function fieldRow(name, schema, required, seen) {
  const note = [limits(schema), schema.description].filter(Boolean).join(". ");
  const row = el("li", {}, el("code", {}, name), " ", el("span", { class: "quiet" }, typeName(schema)), required ? el("span", { class: "must" }, " required") : "", note ? ` — ${note}` : "");
  for (const inner of structures(schema)) if (!seen.includes(inner)) row.append(tree(inner, typeName(schema), [...seen, inner], false));
  return row;
}

function tree(schema, title, seen = [schema], open = true) {
  const rows = Object.entries(schema.properties ?? {}).map(([name, field]) => fieldRow(name, field, schema.required?.includes(name), seen));
  return el("details", { class: "schema", open }, el("summary", {}, schema.title ?? title), el("ul", {}, rows));
}

function schemaView(schema, open) {
  const found = structures(schema);
  if (!found.length) return el("p", { class: "schema quiet" }, typeName(schema));
  return el("div", {}, found.map((part) => tree(part, typeName(schema), [part], open)));
}

/** A small value that fits a schema: what must be there, and little else. */
function sample(schema, depth = 0) {
  const here = resolve(schema);
  if (here.default != null) return here.default;
  if (here.const !== undefined) return here.const;
  if (here.enum) return here.enum[0];
  const several = variants(here);
  if (several) return sample(several.find((part) => part.type !== "null") ?? several[0], depth);
  if (here.type === "array") return depth < 4 && here.items && (here.minItems || depth < 2) ? [sample(here.items, depth + 1)] : [];
  if (here.properties && depth < 5) return Object.fromEntries(wanted(here).map((name) => [name, KNOWN[name] ?? sample(here.properties[name], depth + 1)]));
  return { string: "", integer: here.minimum ?? 1, number: here.minimum ?? 0, boolean: false, object: {} }[here.type] ?? {};
}

/** The fields a sample shows: the required ones, else the first we have a good value for. */
const wanted = (schema) => (schema.required?.length ? schema.required : Object.keys(schema.properties).filter((name) => name in KNOWN).slice(0, 1));

const KNOWN = {
  page: "https://news.example/a/1", name: "A reader", email: "reader@example.org",
  body: "I agree with the second point.", text: "I agree with the second point.",
};

// ----------------------------------------------------------------------- operations

function parameterTable(parameters) {
  const rows = parameters.map((parameter) => el("tr", {},
    el("td", {}, el("code", {}, parameter.name), parameter.required ? el("span", { class: "must" }, " required") : ""),
    el("td", {}, parameter.in), el("td", {}, typeName(parameter.schema)),
    el("td", {}, [parameter.description, limits(parameter.schema)].filter(Boolean).join(" "))));
  const head = el("tr", {}, ["Name", "In", "Type", "Meaning"].map((name) => el("th", { scope: "col" }, name)));
  return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Parameters" }, el("table", {}, el("thead", {}, head), el("tbody", {}, rows)));
}

function answerRow([status, answer]) {
  const content = Object.entries(answer.content ?? {});
  const row = el("li", {}, el("span", { class: `status s${status[0]}` }, status), " ", answer.description, content.length ? el("span", { class: "quiet" }, ` · ${content.map(([type]) => type).join(", ")}`) : "");
  for (const [, media] of content) row.append(schemaView(media.schema, false));
  return row;
}

/** What an operation answers: each success by itself, all problems in one row. */
function answerList(responses) {
  const every = Object.entries(responses);
  const isProblem = ([, answer]) => "application/problem+json" in (answer.content ?? {});
  const problems = every.filter(isProblem).map(([status, answer]) => el("span", { class: `status s${status[0]}`, title: answer.description }, status));
  const last = problems.length ? el("li", {}, problems.flatMap((badge) => [badge, " "]), el("a", { href: "/docs/problems" }, "problem documents")) : null;
  return el("ul", { class: "answers" }, every.filter((one) => !isProblem(one)).map(answerRow), last);
}

/** A sentence whose `words in backticks` are code. */
const prose = (text) => text.split("`").map((part, at) => (at % 2 ? el("code", {}, part) : part));

const section = (title, ...content) => el("section", {}, el("h3", {}, title), ...content);

/** What is inside an operation; built when it is first opened. */
function inside({ path, method, operation }) {
  const parameters = operation.parameters ?? [];
  const body = operation.requestBody?.content?.["application/json"]?.schema;
  const scope = operation.security?.[0]?.key?.[0];
  return el("div", { class: "inside" },
    operation.description ? el("p", {}, prose(operation.description)) : null,
    el("p", { class: "quiet" }, scope ? `Needs a key with the scope “${scope}”.` : "Needs no key."),
    parameters.length ? section("Parameters", parameterTable(parameters)) : null,
    body ? section("Body", schemaView(body, true)) : null,
    section("Answers", answerList(operation.responses)),
    section("Try it", tryPanel(path, method, operation, parameters, body)));
}

function entry(row) {
  const { path, method, operation } = row;
  const made = el("details", { class: "op", id: operation.operationId },
    el("summary", {}, el("span", { class: `method ${method}` }, method.toUpperCase()), el("code", {}, path), el("span", { class: "summary" }, operation.summary)));
  made.addEventListener("toggle", () => {
    if (!made.open) return;
    if (!made.querySelector(".inside")) made.append(inside(row));
    if (location.hash.slice(1) !== made.id) history.replaceState(null, "", `#${made.id}`);
  });
  return made;
}

// --------------------------------------------------------------------------- try it

function control(parameter) {
  const name = `${parameter.in} ${parameter.name}`;
  if (parameter.schema?.enum) return el("select", { name }, el("option", { value: "" }, "—"), parameter.schema.enum.map((value) => el("option", { value }, value)));
  return el("input", { name, required: parameter.required, placeholder: parameter.schema?.default, autocomplete: "off" });
}

function tryPanel(path, method, operation, parameters, body) {
  const result = el("div", { class: "result", role: "status", "aria-live": "polite" });
  const stop = el("button", { type: "button", hidden: true }, "Stop");
  const form = el("form", { class: "try" },
    parameters.map((parameter) => el("label", {}, el("span", {}, el("code", {}, parameter.name), parameter.required ? el("span", { class: "must" }, " required") : ""), control(parameter))),
    body ? el("label", { class: "tall" }, "Body", el("textarea", { name: "body", rows: 10, spellcheck: "false" }, JSON.stringify(sample(body), null, 2))) : null,
    el("p", { class: "send" }, el("button", { class: "main" }, "Send"), stop, el("span", { class: "quiet" }, `${method.toUpperCase()} ${path}`)),
    result);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form, path, method, result, stop);
  });
  return form;
}

function request(form, path, method) {
  const headers = new Headers();
  const query = new URLSearchParams();
  let address = path;
  for (const [name, value] of new FormData(form)) {
    const [where, what] = name.split(" ");
    if (where === "path") address = address.replace(`{${what}}`, encodeURIComponent(value));
    else if (value !== "" && where === "query") query.set(what, value);
    else if (value !== "" && where === "header") headers.set(what, value);
  }
  if (key.value) headers.set("Authorization", `Bearer ${key.value.trim()}`);
  const body = form.elements.namedItem("body")?.value;
  if (body != null) headers.set("Content-Type", "application/json");
  const text = query.toString();
  return [text ? `${address}?${text}` : address, { method: method.toUpperCase(), headers, body: body ?? undefined, cache: "no-store" }];
}

async function send(form, path, method, result, stop) {
  const aborting = new AbortController();
  const output = el("pre", { tabindex: 0 });
  const line = el("p", {}, "Sending…");
  result.replaceChildren(line);
  stop.hidden = false;
  stop.onclick = () => aborting.abort();
  const began = performance.now();
  try {
    const [address, options] = request(form, path, method);
    const response = await fetch(address, { ...options, signal: aborting.signal });
    const head = [...response.headers].map(([name, value]) => `${name}: ${value}`).join("\n");
    line.replaceChildren(el("span", { class: `status s${Math.floor(response.status / 100)}` }, `${response.status}`), ` ${response.statusText} in ${Math.round(performance.now() - began)} ms · `, el("code", {}, address));
    result.append(el("details", {}, el("summary", {}, "Headers"), el("pre", { tabindex: 0 }, head)), output);
    await read(response, output);
  } catch (error) {
    if (error.name !== "AbortError") line.textContent = `No answer: ${error.message}`;
    else line.append(" (stopped)");
  } finally {
    stop.hidden = true;
  }
}

/** Shows a body as it comes in; JSON is laid out once it is whole. */
async function read(response, output) {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (let part = await reader?.read(); part && !part.done; part = await reader.read()) {
    text = (text + part.value).slice(-200000);
    output.textContent = text;
  }
  if ((response.headers.get("content-type") ?? "").includes("json")) output.textContent = JSON.stringify(JSON.parse(text), null, 2);
  if (!text) output.textContent = "(no body)";
}

// ------------------------------------------------------------------------ the page

function rows() {
  return Object.entries(spec.paths).flatMap(([path, methods]) => METHODS.filter((method) => methods[method]).map((method) => ({ path, method, operation: methods[method] })));
}

function draw() {
  const tags = new Map();
  for (const row of rows()) {
    const tag = row.operation.tags?.[0] ?? "Other";
    tags.set(tag, [...(tags.get(tag) ?? []), row]);
  }
  const rank = (tag) => (ORDER.includes(tag) ? ORDER.indexOf(tag) : ORDER.length);
  for (const [tag, members] of [...tags].sort((a, b) => rank(a[0]) - rank(b[0]))) {
    place.append(el("section", { class: "group" }, el("h2", {}, tag), members.map(entry)));
    groups.append(el("div", {}, el("h2", {}, tag), el("ul", {}, members.map(({ path, method, operation }) => el("li", {}, el("a", { href: `#${operation.operationId}`, "data-text": `${method} ${path} ${operation.summary}`.toLowerCase() }, operation.summary))))));
  }
}

function reveal() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target?.classList.contains("op")) return;
  target.open = true;
  target.scrollIntoView();
  target.querySelector("summary").focus({ preventScroll: true });
}

function narrow() {
  const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
  document.getElementById("index").classList.toggle("finding", words.length > 0);
  for (const link of groups.querySelectorAll("a")) link.parentElement.hidden = !words.every((word) => link.dataset.text.includes(word));
  for (const group of groups.children) group.hidden = !group.querySelector("li:not([hidden])");
}

document.getElementById("key-form").addEventListener("submit", (event) => event.preventDefault());
find.addEventListener("input", narrow);
addEventListener("hashchange", reveal);
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target.closest("input, textarea, select")) return;
  event.preventDefault();
  find.focus();
});

try {
  spec = await (await fetch("/openapi.json")).json();
  draw();
  reveal();
} catch (error) {
  const failure = document.getElementById("failure");
  failure.hidden = false;
  failure.textContent = `The API's document could not be read: ${error.message}`;
}
place.removeAttribute("aria-busy");
