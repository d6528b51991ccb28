// Cards: how each stands, moving between them, decisions that show at once and are sent behind.

import { outbox, page, send } from "./queue-send.js";

const DONE = { approve: "Approved", reject: "Rejected", spam: "Marked as spam" };
const STATUS = { approve: "approved", reject: "rejected", spam: "spam" };
const AHEAD = 6;

const main = document.getElementById("main");
const list = document.getElementById("cards");
const allDone = document.getElementById("all-done");
const toast = document.getElementById("toast");
const said = document.getElementById("said");
const tab = main.dataset.status;
const undos = [];
/** What is being sent, by card or by decision on many. */
const lines = new Map();

export const say = (text) => { said.textContent = text; };
export const all = () => [...main.querySelectorAll(".card")];
export const byId = (id) => document.getElementById(`c-${id}`);
export const idOf = (card) => card.id.slice(2);
export const nameOf = (card) => card.querySelector("h2 bdi")?.textContent ?? card.querySelector("h2").textContent;
export const picked = () => [...list.querySelectorAll("[name=chosen]:checked")].map((box) => box.closest(".card"));
/** The card that has the focus, or holds what has it; else the one that had it last. */
let last = null;
export const current = () => document.activeElement?.closest?.(".card") ?? (last?.isConnected ? last : null);

// ------------------------------------------------------------------------------ moving

const isOpen = (card) => !card.classList.contains("done");

/** Focuses a card, its top at `top` where that is given: where the eye already is. */
export function goTo(card, top) {
  become(card);
  card.focus({ preventScroll: true });
  const least = document.querySelector(".tabs").getBoundingClientRect().bottom + 12;
  const at = card.getBoundingClientRect();
  const hidden = at.top < least || at.bottom > innerHeight - 24;
  if (top !== undefined || hidden) {
    const aim = Math.min(Math.max(least, innerHeight * 0.4), Math.max(least, top ?? least));
    scrollBy({ top: at.top - aim, behavior: "instant" });
  }
  ahead(card);
}

function become(card) {
  last?.classList.remove("current");
  last = card;
  card.classList.add("current");
}

export function move(step) {
  const cards = all();
  const at = cards.indexOf(current());
  const next = cards[at < 0 ? 0 : Math.min(cards.length - 1, Math.max(0, at + step))];
  if (next) goTo(next);
}

/** On to the next card nobody has decided on, behind this one; then those before it. */
async function advance(card, top) {
  const behind = (cards) => cards.find((other) => card.compareDocumentPosition(other) & Node.DOCUMENT_POSITION_FOLLOWING);
  do {
    const next = behind(all().filter(isOpen));
    if (next) return goTo(next, top);
  } while (await more());
  const skipped = all().find(isOpen);
  if (skipped) return goTo(skipped, top);
  if (nextLink()) {
    nextLink().focus();
    return announce("The next page did not come. Try again.");
  }
  await Promise.all(lines.values());
  if (await refresh()) return undefined;
  allDone.tabIndex = -1;
  return allDone.focus();
}

// ------------------------------------------------------------------------- further pages

let coming = null;
const nextLink = () => main.querySelector("a[rel=next]");

/** Takes cards of another page over, those that are not here yet. */
export function adopt(cards, before = null) {
  const fresh = [...cards].filter((card) => !document.getElementById(card.id)).map((card) => document.adoptNode(card));
  if (!fresh.length) return fresh;
  fresh.forEach(dress);
  const batch = document.createElement("div");
  batch.className = "batch";
  batch.append(...fresh);
  list.insertBefore(batch, before);
  allDone.hidden = true;
  return fresh;
}

/** What a script adds to a card: the hour in the reader's own time zone, a way to unblur. The way
 * to the form is for pages without a script: with thousands of fields a form makes inserting slow. */
export function dress(card) {
  for (const field of card.querySelectorAll("[form]")) field.removeAttribute("form");
  for (const time of card.querySelectorAll("time")) time.title = new Date(time.dateTime).toLocaleString();
  if (document.documentElement.classList.contains("blur-on") && card.querySelector("mark")) card.querySelector(".text").tabIndex = 0;
}

/** Fetches the next page, once. */
export function prefetch() {
  const link = nextLink();
  if (link && !coming) coming = page(link.href).catch(() => { coming = null; });
  return coming;
}

/** Appends the next page; whether there was one. */
export async function more() {
  const link = nextLink();
  const found = await prefetch();
  if (!found || link !== nextLink()) return Boolean(found);
  const following = found.querySelector("a[rel=next]");
  if (following) link.href = following.href;
  else link.remove();
  coming = null;
  adopt(found.querySelectorAll("#cards .card"));
  return true;
}

/** Loads ahead when few cards are left behind this one. */
function ahead(card) {
  if (!nextLink() || card.parentElement !== list.lastElementChild) return;
  const cards = [...card.parentElement.children];
  if (cards.length - cards.indexOf(card) <= AHEAD) setTimeout(more, 0);
}

// ------------------------------------------------------------------------ how a card stands

const stateOf = (card) => {
  const outcome = card.querySelector(".outcome");
  return { status: card.dataset.status, done: !isOpen(card), text: outcome.hidden ? "" : outcome.textContent, undoable: !card.querySelector(".undo")?.hidden };
};

/** Shows a state; the counts above follow. */
export function show(card, state, kind = "") {
  const outcome = card.querySelector(".outcome");
  const size = Number(card.dataset.size ?? 1);
  count(card.dataset.status, -size);
  count(state.status, size);
  card.dataset.status = state.status;
  card.classList.toggle("done", state.done);
  card.classList.toggle("lost", kind === "lost");
  card.classList.toggle("failed", kind === "failed");
  outcome.hidden = !state.text;
  if (outcome.textContent !== state.text) outcome.textContent = state.text;
  for (const button of card.querySelectorAll(".actions button")) {
    const undo = button.value === "undo";
    button.hidden = undo ? !state.undoable : state.done || STATUS[button.value] === state.status;
  }
  const box = card.querySelector("[name=chosen]");
  if (box) { box.disabled = state.done; if (state.done) box.checked = false; }
}

/** The version a card now has, of which answers and events tell: its forms name it, too. */
function renew(card, version) {
  if (version <= Number(card.dataset.version)) return;
  card.dataset.version = version;
  const box = card.querySelector("[name=chosen]");
  if (box) box.value = `${idOf(card)}.${version}`;
}

export function count(status, change, from = null) {
  const place = document.querySelector(`[data-count="${status}"]`);
  const now = from ?? Number(place?.textContent.replace(/\D/g, ""));
  if (place) place.textContent = Math.max(0, now + change).toLocaleString("en");
}

/** One thing after another for each card. */
function inLine(card, work) {
  const line = (lines.get(card) ?? Promise.resolve()).then(work);
  lines.set(card, line);
  line.then(() => { if (lines.get(card) === line) lines.delete(card); });
}
export const isBusy = (card) => lines.has(card);

// ------------------------------------------------------------------------------ decisions

export function decide(card, action, reason = "") {
  if (card.classList.contains("campaign")) return many(action, reason, [card], [], `?campaign=${idOf(card)}`);
  const before = stateOf(card);
  const top = card.getBoundingClientRect().top;
  show(card, { status: STATUS[action], done: true, text: DONE[action] + (reason ? ` (${reason})` : ""), undoable: true });
  remember(`${DONE[action]}: ${nameOf(card)}`, () => undoOne(card, before), card);
  inLine(card, async () => settle(card, before, await send(`/console/comments/${idOf(card)}`, [["action", action], ["version", card.dataset.version], ["reason", reason]])));
  return advance(card, top);
}

function undoOne(card, back) {
  const before = stateOf(card);
  if (!card.isConnected) list.prepend(card);
  allDone.hidden = true;
  show(card, back);
  goTo(card);
  say(`Put back: ${nameOf(card)}`);
  inLine(card, async () => settle(card, before, await send(`/console/comments/${idOf(card)}`, [["action", "undo"], ["version", card.dataset.version]]), back));
}

/** What the service said of one decision; a refused one is rolled back where all can see it. */
function settle(card, before, answer, undone = null) {
  if (answer.outcome === "failed") {
    forget(card);
    show(card, { ...before, text: `Not applied: ${answer.text}` }, "failed");
    return say(`Not applied: ${answer.text} Comment by ${nameOf(card)}`);
  }
  renew(card, answer.version);
  if (answer.outcome === "lost") return lose(card, answer);
  if (undone && answer.status !== undone.status) show(card, { status: answer.status, done: answer.status !== tab, text: undone.text, undoable: undone.undoable });
  return undefined;
}

/** Somebody was faster: their decision, in place. */
function lose(card, answer) {
  forget(card);
  const text = `Somebody was faster: ${answer.text}. Your decision was not applied.`;
  show(card, { status: answer.status, done: answer.status !== tab, text, undoable: answer.undoable }, "lost");
  say(`${text} Comment by ${nameOf(card)}`);
}

/** Another's decision, as the events tell it. */
export function overtaken(card, event) {
  renew(card, event.version);
  if (event.mine && event.status === card.dataset.status) return;
  show(card, { status: event.status, done: event.status !== tab, text: event.status === tab ? "" : event.text, undoable: event.status !== tab });
  if (card === current()) say(`${event.text}: ${nameOf(card)}`);
}

// ---------------------------------------------------------------------------- many at once

/** One decision on many comments: those picked, a campaign, or all that match. */
export async function many(action, reason, cards, fields, query = "") {
  const before = new Map(cards.map((card) => [card, { ...stateOf(card), version: Number(card.dataset.version) }]));
  const top = cards[0]?.getBoundingClientRect().top ?? 0;
  for (const card of cards) show(card, { status: STATUS[action], done: true, text: DONE[action], undoable: false });
  const entry = remember(`${DONE[action]} …`, null);
  if (cards.length) advance(cards.at(-1), top);
  const back = document.getElementById("act").elements.back.value;
  const sending = send(`/console/decisions${query}`, [["action", action], ["reason", reason], ["back", back], ...fields]);
  lines.set(entry, sending);
  const answer = await sending;
  lines.delete(entry);
  if (answer.outcome !== "done") {
    undos.splice(undos.indexOf(entry), 1);
    for (const [card, state] of before) show(card, { ...state, text: `Not applied: ${answer.text}` }, "failed");
    return announce(`Not applied: ${answer.text}`);
  }
  const lost = new Map(answer.lost.map((each) => [each.id, each]));
  for (const card of cards.filter((one) => !one.classList.contains("campaign"))) {
    const other = lost.get(idOf(card));
    if (other?.version) { renew(card, other.version); lose(card, other); }
    else renew(card, before.get(card).version + 1);
  }
  entry.label = answer.text + (answer.left ? `; ${answer.left} were changed by others first` : "") + (answer.more ? "; more match" : "");
  entry.undo = () => undoMany(answer, before);
  if (undos.at(-1) === entry) tell(entry);
  say(entry.label);
  if (fields.some(([name]) => name === "all")) await refresh();
  return undefined;
}

async function undoMany(done, before) {
  announce("Putting back …");
  const answer = await send(`/console/operations/${done.operation}/undo`, []);
  if (answer.outcome !== "done") return announce(`Not undone: ${answer.text}`);
  announce(answer.text + (answer.left ? `; ${answer.left} were changed by others since` : ""));
  const lost = new Set(answer.lost.map((each) => each.id));
  const here = [...before].filter(([card]) => card.isConnected && !lost.has(idOf(card)) && !card.classList.contains("lost"));
  for (const [card, state] of here) {
    if (!card.classList.contains("campaign")) renew(card, state.version + 2);
    show(card, state);
  }
  if (here.length) goTo(here[0][0]);
  else await refresh();
  return undefined;
}

/** The first page of this view, anew: others' decisions and new comments are in it, too. Whether
 * there is any; where there is none, what was decided stays. */
export async function refresh() {
  const here = new URL(location.href);
  for (const name of ["after", "done", "lost", "operation", "action"]) here.searchParams.delete(name);
  const found = await page(here.href).catch(() => null);
  if (!found) return announce("The service does not answer. Reload the page.");
  const cards = found.querySelectorAll("#cards .card");
  const campaigns = found.getElementById("campaigns");
  const any = Boolean(cards.length || campaigns);
  if (any) {
    list.replaceChildren();
    document.getElementById("campaigns")?.remove();
    main.querySelector(".paging")?.remove();
    coming = null;
    if (campaigns) list.before(document.adoptNode(campaigns));
    adopt(cards);
    const paging = found.querySelector(".paging");
    if (paging) list.after(document.adoptNode(paging));
    all().forEach(dress);
    goTo(all()[0], 0);
  }
  allDone.replaceChildren(...found.getElementById("all-done").childNodes);
  allDone.hidden = any;
  return any;
}

// ----------------------------------------------------------------------------------- undo

let timer;

/** Keeps the way back of what was done, and offers it. */
export function remember(label, undo, card = null) {
  const entry = { label, undo, card };
  undos.push(entry);
  tell(entry);
  return entry;
}

function forget(card) {
  const at = undos.findLastIndex((entry) => entry.card === card);
  if (at >= 0) undos.splice(at, 1);
  toast.hidden = true;
}

function tell(entry) {
  announce(entry.label, Boolean(entry.undo));
}

export function announce(text, undoable = false) {
  toast.querySelector("p").textContent = text;
  toast.querySelector("button").hidden = !undoable;
  toast.hidden = false;
  say(text);
  clearTimeout(timer);
  timer = setTimeout(() => { toast.hidden = true; }, 8000);
}

/** Undoes what was done to the focused card, if it is decided, else what was done last. */
export function undo() {
  const here = document.activeElement?.closest?.(".card");
  const entry = (here && !isOpen(here) && ownOf(here)) || undos.at(-1);
  if (entry) return take(entry);
  if (here?.querySelector(".undo:not([hidden])")) return undoCard(here);
  const told = document.querySelector(".told button");
  return told ? told.click() : say("There is nothing to undo.");
}

const ownOf = (card) => undos.findLast((entry) => entry.card === card);

/** A card's own Undo button. */
export function undoCard(card) {
  const own = ownOf(card);
  return own ? take(own) : undoOne(card, { status: "pending", done: tab !== "pending", text: "Put back", undoable: false });
}

function take(entry) {
  if (!entry.undo) return say("This is still being done.");
  undos.splice(undos.indexOf(entry), 1);
  toast.hidden = true;
  return entry.undo();
}

outbox.changed = () => {
  const note = document.getElementById("stuck") ?? document.body.appendChild(Object.assign(document.createElement("p"), { id: "stuck", className: "stuck" }));
  note.hidden = !outbox.stuck;
  if (outbox.stuck) note.textContent = `The service does not answer. ${outbox.stuck} not sent yet; trying again.`;
};

main.addEventListener("focusin", (event) => {
  const card = event.target.closest(".card");
  if (card && card !== last) become(card);
});
