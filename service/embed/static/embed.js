// Winnow's thread and comment form, under any article: docs/guides/website.md, "Put it under your
// articles". One classic script that makes every node itself (no innerHTML, no style attribute, no
// eval), so that it runs under a host's strict CSP and Trusted Types.
(() => {
"use strict";

const CSS = "@css";
const script = document.currentScript ?? document.querySelector("script[data-key][src*='embed.js']");
const { site = "", key = "", order = "oldest", theme = "", target = "" } = script.dataset;
const base = script.src.replace(/\/embed\.js.*$/, "");
const canonical = document.querySelector("link[rel=canonical]")?.href;
const page = new URL(script.dataset.page || canonical || "", location.href).href.split("#")[0];

// ------------------------------------------------------------------------------------- language

const LANGUAGES = ["en", "de", "es", "fr", "pt", "tr", "ur"];
const wanted = script.dataset.lang || document.documentElement.lang;
const spoken = (wanted ? [wanted] : navigator.languages).map((tag) => tag.toLowerCase().split("-")[0]);
const language = spoken.find((tag) => LANGUAGES.includes(tag)) ?? "en";
const relative = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
const dates = new Intl.DateTimeFormat(language, { dateStyle: "long" });
const moments = new Intl.DateTimeFormat(language, { dateStyle: "long", timeStyle: "short" });
const numbers = new Intl.NumberFormat(language);
const plurals = new Intl.PluralRules(language);
let words = {};

/** A sentence in the reader's language; English is its own key. */
const t = (text, filled = {}) => (words[text] ?? text).replace(/\{(\w+)\}/g, (_, name) => filled[name]);
const count = (one, many, n) => t(plurals.select(n) === "one" ? one : many, { n: numbers.format(n) });

const UNITS = [["day", 864e5], ["hour", 36e5], ["minute", 6e4]];

function ago(ms) {
  const passed = Math.max(0, Date.now() - ms);
  if (passed > 30 * 864e5) return dates.format(ms);
  const [unit, size] = UNITS.find(([, size]) => passed >= size) ?? ["second", Infinity];
  return relative.format(-Math.floor(passed / size), unit);
}

const soon = (seconds) => (seconds > 90 ? relative.format(Math.ceil(seconds / 60), "minute") : relative.format(seconds, "second"));

// What draws nothing or turns text around is not shown (service/pipeline/shown.py).
const UNSEEN = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb]|[\u{e0000}-\u{e0fff}]/gu;
const plain = (text) => text.replace(UNSEEN, "");

// ----------------------------------------------------------------------------------------- nodes

/** An element: functions become listeners, everything else attributes. */
function el(name, given = {}, ...children) {
  const node = document.createElement(name);
  for (const [attribute, value] of Object.entries(given)) {
    if (typeof value === "function") node.addEventListener(attribute, value);
    else if (value !== false && value !== undefined) node.setAttribute(attribute, value === true ? "" : value);
  }
  node.append(...children.filter(Boolean));
  return node;
}

const host = el("winnow-comments");
const shadow = host.attachShadow({ mode: "open" });
const heading = el("h2", { id: "comments" });
const list = el("ol", { class: "thread" });
const empty = el("p", { class: "quiet", hidden: true });
const more = el("button", { type: "button", hidden: true, click: () => loadMore() });
const fresh = el("button", { type: "button", hidden: true, class: "main", click: () => showFresh() });
const said = el("p", { class: "unseen", role: "status" });
const news = el("div", { class: "fresh" }, fresh);
const parts = order === "newest" ? [news, empty, list, more] : [empty, list, more, news];
const thread = el("section", { "aria-labelledby": "comments" }, heading, ...parts);
const root = el("div", { class: theme ? "winnow set" : "winnow", lang: language, dir: language === "ur" ? "rtl" : "ltr" }, said);

function style() {
  if ("adoptedStyleSheets" in shadow) {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(CSS);
    shadow.adoptedStyleSheets = [sheet];
  } else {
    shadow.append(el("style", { nonce: script.dataset.nonce || script.nonce || false }, CSS));
  }
}

/** Light or dark as the page's text colour says: a page may be dark where its reader's system is not. */
function paint() {
  const { color } = getComputedStyle(host);
  const [r, g, b] = color.match(/[\d.]+/g).map(Number);
  // rgb(0 … 255); color(srgb 0 … 1); or a lightness first: oklch(0 … 1), lab(0 … 100).
  const mixed = r * 0.3 + g * 0.59 + b * 0.11;
  const bright = color.startsWith("rgb") ? mixed / 255 : color.startsWith("color") ? mixed : r > 1 ? r / 100 : r;
  root.dataset.theme = theme || (bright > 0.55 ? "dark" : "light");
}

// --------------------------------------------------------------------------------------- the API

/** A request to the API; one that hangs fails after 20 seconds. */
const reach = (path, given) => fetch(base + path, { credentials: "omit", signal: AbortSignal.timeout(2e4), ...given });
const ask = (path, given = {}) => reach(path, { ...given, headers: { Authorization: `Bearer ${key}`, ...given.headers } });
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const waitOf = (response) => Number(response.headers.get("Retry-After")) || 30;

/** Something kept in this browser; a browser that keeps nothing is fine, too. */
const kept = (area, name) => ({
  read() { try { return JSON.parse(window[area].getItem(name)); } catch { return null; } },
  write(value) {
    try {
      if (value) window[area].setItem(name, JSON.stringify(value));
      else window[area].removeItem(name);
    } catch { /* full, or forbidden */ }
  },
});
const draft = kept("sessionStorage", `winnow:draft:${site}:${page}`);
const who = kept("sessionStorage", `winnow:who:${site}`);
const own = kept("localStorage", `winnow:own:${site}:${page}`);

// ------------------------------------------------------------------------------------ the thread

const shown = new Map();
const answers = (parent) => [...shown.values()].filter((entry) => entry.comment.parent === parent);
let total = 0;
let next = null;
let watched = null;
let arrived = [];
let broken = false;
let forbidden = false;

const threadAt = (cursor) =>
  `/v1/pages/comments?${new URLSearchParams({ ...(site && { site }), page, order, limit: 50, ...(cursor && { cursor }) })}`;

/** Puts a comment where it belongs among its siblings: roots by the page's order, replies oldest first. */
function insert(entry) {
  const parent = shown.get(entry.comment.parent);
  const into = parent ? parent.replies : list;
  const turned = !parent && order === "newest" ? -1 : 1;
  const rank = ({ comment }) => [comment.created_at, comment.id].join();
  const behind = [...into.children].find((node) => (rank(shown.get(node.dataset.id)) > rank(entry) ? 1 : -1) === turned);
  into.insertBefore(entry.node, behind ?? null);
  entry.to.replaceChildren(...(parent ? sentence("to {name}", plain(parent.comment.name)) : []));
}

/** A sentence with a name in it, the name kept apart from the sentence's direction. */
function sentence(text, name) {
  const [before, after] = t(text, { name: "\0" }).split("\0");
  return [before, el("bdi", {}, name), after];
}

function show(comment) {
  if (shown.has(comment.id)) return change(shown.get(comment.id), comment);
  const name = plain(comment.name);
  const entry = {
    comment,
    to: el("span", { class: "quiet" }),
    mark: el("span", { class: "mark", hidden: true }),
    words: el("div", { class: "words", dir: "auto" }, plain(comment.body)),
    told: el("p", { class: "told", hidden: true }),
    replies: el("ol"),
  };
  const by = el("bdi", { id: `by-${comment.id}` }, name);
  const safe = /^https?:\/\//i.test(comment.url ?? "");
  const at = Date.parse(comment.created_at);
  entry.time = el("time", { datetime: comment.created_at, title: moments.format(at) }, ago(at));
  const answer = { type: "button", class: "reply", "aria-label": t("Reply to {name}", { name }) };
  entry.reply = el("button", { ...answer, click: () => replyTo(entry) }, t("Reply"));
  const author = safe ? el("a", { href: comment.url, rel: "nofollow ugc noopener noreferrer" }, by) : by;
  const when = el("a", { class: "when", href: `#comment-${comment.id}` }, entry.time);
  entry.article = el("article", { id: `comment-${comment.id}`, tabindex: "-1", "aria-labelledby": by.id },
    el("header", {}, el("b", {}, author), " ", entry.to, " ", when, " ", entry.mark),
    entry.words, entry.told, entry.reply);
  entry.node = el("li", { "data-id": comment.id }, entry.article, entry.replies);
  shown.set(comment.id, entry);
  insert(entry);
  answers(comment.id).forEach(insert);
  return entry;
}

function change(entry, comment) {
  entry.comment = { ...entry.comment, ...comment };
  entry.words.textContent = plain(comment.body);
  return entry;
}

function head() {
  heading.textContent = total ? count("{n} comment", "{n} comments", total) : t("Comments");
  empty.textContent = t(broken ? "The comments could not be loaded." : "No comments yet. Be the first.");
  empty.hidden = !broken && (list.childElementCount > 0 || form.hidden);
  more.textContent = t(broken ? "Try again" : "More comments");
  more.hidden = broken ? forbidden : !next;
}

/** One page of the thread, or null where it is as we know it. */
async function read(cursor, tag) {
  const path = threadAt(cursor);
  const response = await ask(path, tag ? { headers: { "If-None-Match": tag } } : {});
  if (response.status === 304) return null;
  const answered = await response.json();
  if (!response.ok) throw Object.assign(new Error(answered.detail), { response, answered });
  if (order === "oldest" || !cursor) watched = { cursor, tag: response.headers.get("ETag") };
  return answered;
}

/** What a page of the thread says of all of it. */
function take(found) {
  ({ next, total } = found);
  form.hidden = title.hidden = found.closed;
  closed.hidden = !found.closed;
}

async function loadMore() {
  more.disabled = true;
  try {
    const found = await read(next);
    const entries = found.items.filter(({ id }) => !shown.get(id)?.published).map(publish);
    take(found);
    broken = false;
    head();
    entries[0]?.article.focus();
  } catch {
    say(t("The comments could not be loaded."), more);
  } finally {
    more.disabled = false;
  }
}

/** Shows a comment that everybody can read by now. */
function publish(comment) {
  const entry = show(comment);
  entry.published = true;
  if (entry.status !== "approved") mark(entry, "approved");
  return entry;
}

// ------------------------------------------------------------------------------- news by polling

const QUICK = 30e3;
const SLOW = 300e3;
let rest = QUICK;
let due = Date.now() + QUICK;

async function watch() {
  for (;;) {
    await pause(5e3);
    if (document.hidden || Date.now() < due || !watched) continue;
    try {
      const found = await read(watched.cursor, watched.tag);
      rest = found ? QUICK : Math.min(rest * 1.5, SLOW);
      if (found) announce(found);
    } catch (error) {
      rest = Math.min(Math.max(rest * 2, error.response ? waitOf(error.response) * 1e3 : 0), SLOW);
    }
    due = Date.now() + rest;
  }
}

/** Offers what is new by a button: nothing moves under a reader's eyes. */
function announce(found) {
  for (const comment of found.items.filter(({ id }) => shown.has(id))) publish(comment);
  arrived = found.items.filter(({ id }) => !shown.has(id));
  if (order === "oldest") next = found.next;
  ({ total } = found);
  if (!arrived.length) return head();
  fresh.textContent = count("{n} new comment", "{n} new comments", arrived.length);
  fresh.hidden = false;
  said.textContent = fresh.textContent;
}

function showFresh() {
  const entries = arrived.map(publish);
  fresh.hidden = true;
  head();
  for (const entry of entries) entry.article.classList.add("new");
  entries[0]?.article.focus();
}

// ---------------------------------------------------------------------------- one's own comments

const mine = () => [own.read() ?? []].flat();
const LABELS = { pending: "Awaiting moderation", rejected: "Not published", spam: "Not published" };

/** Marks one's own comment with how it stands and the way to its receipt. */
function mark(entry, status, token = "", text = "") {
  const label = LABELS[status] ?? (text && "Published");
  entry.status = status;
  entry.reply.hidden = status !== "approved";
  entry.mark.hidden = entry.told.hidden = !label;
  if (!label) return;
  entry.mark.textContent = t(label);
  entry.mark.className = `mark ${status}`;
  entry.told.replaceChildren(text, " ", el("a", { href: `${base}/r/${token}` }, t("See how it stands")));
}

/** One's own comments that others cannot see yet, so that a reload does not seem to lose them. */
async function recall() {
  const week = Date.now() - 7 * 864e5;
  const asked = await Promise.all(mine().slice(-10).map(async (entry) => {
    if (shown.get(entry.id)?.published) return null;
    try {
      const response = await reach(`/v1/receipts/${encodeURIComponent(entry.token)}`);
      if (response.status === 404) return null;
      if (response.ok) entry.status = (await response.json()).status;
    } catch { /* as it stood last */ }
    return LABELS[entry.status] && (entry.status === "pending" || Date.parse(entry.created_at) > week) ? entry : null;
  }));
  const left = asked.filter(Boolean);
  own.write(left.length && left);
  for (const entry of left) mark(show(entry), entry.status, entry.token);
  head();
}

// -------------------------------------------------------------------------------------- the form

const REQUIRED = ["body", "name", "email"];
const SAID = {
  required: "Please fill this in.",
  empty: "Please fill this in.",
  too_long: "This is too long.",
  invalid_email: "This is not an email address.",
  invalid_url: "This is not a web address.",
};
const inputs = {};
const errors = {};
const problem = el("div", { class: "problem", role: "alert", tabindex: "-1", hidden: true });
const title = el("h3", { id: "leave" });
const cancel = el("button", { type: "button", class: "reply", hidden: true, click: () => replyTo(null) });
const send = el("button", { class: "main" });
const trap = el("input", { id: "f-more", name: "more", tabindex: "-1", autocomplete: "off" });
const form = el("form", { novalidate: true, submit: (event) => submit(event), input: () => keep() });
const closed = el("p", { class: "quiet", hidden: true });
const leave = el("section", { class: "leave", "aria-labelledby": "leave" }, title, cancel, closed, form);
const home = el("div", {}, leave);
let parent = null;
let opened = performance.now();
let letter = null;

function field(name, label, kind, given) {
  const star = REQUIRED.includes(name);
  errors[name] = el("p", { class: "error", id: `e-${name}`, hidden: true });
  const described = `${name === "email" ? "note " : ""}e-${name}`;
  inputs[name] = el(kind, { id: `f-${name}`, name, required: star, "aria-describedby": described, ...given });
  const mark = star ? [" ", el("span", { class: "star", "aria-hidden": "true" }, "*")] : [];
  const text = el("label", { for: `f-${name}` }, t(label), ...mark);
  return el("div", { class: `field ${name}` }, text, inputs[name], errors[name]);
}

function build() {
  title.textContent = t("Leave a Comment");
  cancel.textContent = t("Cancel the reply");
  send.textContent = t("Post Comment");
  closed.textContent = t("Comments on this page are closed.");
  const note = t("Your email address will not be published. Required fields are marked *");
  form.append(
    el("p", { class: "quiet", id: "note" }, note.replace(" *", "\u00a0*")), // the star never alone on a line
    problem,
    field("body", "Comment", "textarea", { rows: "6", maxlength: "10000" }),
    field("name", "Name", "input", { maxlength: "80", autocomplete: "name" }),
    field("email", "Email", "input", { type: "email", dir: "ltr", maxlength: "254", autocomplete: "email" }),
    field("url", "Website", "input", { type: "url", dir: "ltr", maxlength: "2048", autocomplete: "url", placeholder: "https://" }),
    el("div", { class: "unseen", "aria-hidden": "true" }, el("label", { for: "f-more" }, t("Leave this field empty")), trap),
    el("p", { class: "send" }, send));
  const before = { ...who.read(), ...draft.read() };
  for (const name of Object.keys(inputs)) inputs[name].value = before[name] ?? "";
  letter = before.letter ?? null;
  if (shown.has(before.parent)) replyTo(shown.get(before.parent), false);
}

/** Keeps what is written, so that a reload loses nothing. */
function keep() {
  const { body, ...author } = values();
  draft.write(body || letter ? { body, parent, letter } : null);
  who.write(author);
}

const values = () => Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, input.value]));

/** The form moves below the comment that is answered, and back. */
function replyTo(entry, focus = true) {
  const left = shown.get(parent);
  parent = entry?.comment.id ?? null;
  (entry ? entry.article : home).append(leave);
  title.replaceChildren(...(entry ? sentence("Reply to {name}", plain(entry.comment.name)) : [t("Leave a Comment")]));
  cancel.hidden = !entry;
  if (!focus) return;
  keep();
  if (entry) inputs.body.focus();
  else left?.reply.focus();
}

function complain(name, text) {
  errors[name].textContent = text;
  errors[name].hidden = !text;
  if (text) inputs[name].setAttribute("aria-invalid", "true");
  else inputs[name].removeAttribute("aria-invalid");
}

/** Says what went wrong, in front of the form or behind another node. */
function say(text, behind) {
  problem.textContent = text;
  problem.hidden = false;
  if (behind) behind.after(problem);
  else form.firstChild.after(problem);
  problem.focus();
}

function clear() {
  problem.hidden = true;
  for (const name of Object.keys(inputs)) complain(name, "");
}

/** What the API said of single fields, beside them; the first one gets the focus. */
function refuse(found) {
  for (const { pointer, code, detail } of found) {
    const name = pointer.slice(1);
    const sizes = code === "too_long" ? ` (${detail.match(/\d+/g).join(" / ")})` : "";
    if (inputs[name]) complain(name, t(SAID[code] ?? "Please check this.") + sizes);
  }
  const first = Object.keys(inputs).find((name) => !errors[name].hidden);
  if (first) return inputs[first].focus();
  if (found.some(({ pointer }) => pointer === "/parent")) {
    replyTo(null, false);
    return say(t("The comment you answered is gone. Yours is still in the form."));
  }
  say(found[0]?.detail ?? t("Please check this."));
}

/** The request for what is written; the same words again are the same request, and never stored twice. */
function write(given) {
  const text = JSON.stringify([given, parent]);
  if (letter?.text === text) return letter;
  const url = given.url.trim();
  const comment = {
    ...given, page, parent, url: url && !/^[a-z]+:/i.test(url) ? `https://${url}` : url || null,
    ...(site && { site }), page_title: document.title.slice(0, 300) || null, locale: language,
    honeypot: trap.value.slice(0, 1000), elapsed_ms: Math.min(Math.round(performance.now() - opened), 6e8),
  };
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  letter = { text, key: [...bytes].map((byte) => byte.toString(36)).join(""), body: JSON.stringify(comment) };
  return letter;
}

/** Sends a request until it is answered: a connection that drops proves nothing either way. */
async function deliver({ key, body }) {
  for (let tries = 0; ; tries++) {
    try {
      const headers = { "Content-Type": "application/json", "Idempotency-Key": key };
      const response = await ask("/v1/comments", { method: "POST", headers, body });
      const answered = await response.json();
      if (response.status !== 409 || tries === 3) return { response, answered };
    } catch (error) {
      if (tries === 3) throw error;
    }
    await pause(1e3 * 2 ** tries);
  }
}

const WAIT = {
  429: "Too many comments from here. Please try again {when}.",
  503: "Comments cannot be stored at the moment. Please try again {when}.",
};

async function submit(event) {
  event.preventDefault();
  if (send.disabled) return;
  clear();
  const given = values();
  const missing = REQUIRED.filter((name) => !given[name].trim());
  if (missing.length) return refuse(missing.map((name) => ({ pointer: `/${name}`, code: "required" })));
  send.disabled = true;
  send.textContent = t("Sending…");
  const request = write(given);
  keep();
  try {
    const { response, answered } = await deliver(request);
    if (response.ok) accept(answered, JSON.parse(request.body));
    else if (answered.errors) refuse(answered.errors);
    else say(WAIT[response.status] ? t(WAIT[response.status], { when: soon(waitOf(response)) }) : answered.detail);
  } catch {
    say(t("The comment could not be sent. It is still in the form; please try again."));
  } finally {
    send.disabled = false;
    send.textContent = t("Post Comment");
  }
}

const TOLD = {
  approved: "Thank you. Your comment is published.",
  pending: "Thank you. Your comment awaits moderation: a moderator will read it before it appears.",
};

function accept({ id, status, created_at, receipt }, { name, body, url, parent: answered }) {
  const comment = { id, name, body: body.trim(), url, parent: answered, created_at, status, token: receipt.split("/").pop() };
  const text = t(TOLD[status] ?? "Your comment was not published.");
  if (LABELS[status]) own.write([...mine(), comment]);
  if (inputs.body.value === body) inputs.body.value = ""; // else they are writing the next one
  letter = null;
  opened = performance.now();
  replyTo(null, false);
  keep();
  const entry = show(comment);
  if (status === "approved") total += 1;
  mark(entry, status, comment.token, text);
  head();
  said.textContent = text;
  entry.article.focus();
}

// --------------------------------------------------------------------------------------- begin

const translation = async () =>
  language === "en" ? {} : (await reach(`/embed/words/${language}`)).json();

async function begin() {
  const place = target && document.querySelector(target);
  const plainForm = place?.childElementCount > 0;
  const [translated, found] = await Promise.allSettled([translation(), read()]);
  words = translated.value ?? {};
  if (!found.value) {
    console.warn(`Winnow: ${found.reason.message}`);
    if (plainForm) return; // it works without us
  }
  style();
  root.append(...(order === "newest" ? [home, thread] : [thread, home]));
  shadow.append(root);
  if (place) place.replaceChildren(host);
  else if (document.head.contains(script)) document.body.append(host);
  else script.after(host);
  paint();
  found.value?.items.forEach(publish);
  build();
  if (found.value) take(found.value);
  broken = !found.value;
  leave.hidden = forbidden = [401, 403].includes(found.reason?.response?.status);
  head();
  await recall();
  jump();
  watch();
}

/** To the comment that the address names. */
function jump() {
  const entry = shown.get(location.hash.replace("#comment-", ""));
  if (entry) entry.article.focus();
}

addEventListener("hashchange", jump);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
new MutationObserver(paint).observe(document.documentElement, { attributes: true });
setInterval(() => {
  for (const { comment, time } of shown.values()) time.textContent = ago(Date.parse(comment.created_at));
}, 6e4);

if (document.readyState === "loading") addEventListener("DOMContentLoaded", begin);
else begin();
})();
