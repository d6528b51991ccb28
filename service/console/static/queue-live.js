// What happens meanwhile: others' decisions in place, arrivals counted, who looks at what, counts.

import { adopt, byId, count, current, goTo, idOf, isBusy, overtaken, say } from "./queue-cards.js";
import { outbox, page, tell } from "./queue-send.js";

const main = document.getElementById("main");
const news = document.getElementById("news");
const list = document.getElementById("cards");
const tab = main.dataset.status;
const arrived = new Set();
const REST = 15 * 60 * 1000;
const LOOK = 600;
const RENEW = 40000;

let stream = null;
let cursor = main.dataset.cursor;
let looking = {};
let used = Date.now();

function open() {
  if (stream || document.hidden) return;
  const query = new URLSearchParams({ site: main.dataset.site, after: cursor });
  stream = new EventSource(`/console/events?${query}`);
  stream.addEventListener("moved", (event) => { cursor = event.lastEventId; moved(JSON.parse(event.data)); });
  stream.addEventListener("standing", (event) => standing(JSON.parse(event.data)));
}

/** A browser opens six connections to a service at most: only the tab that is seen keeps one, and
 * one that nobody uses lets its session end. */
function close() {
  stream?.close();
  stream = null;
}

function moved(event) {
  const card = byId(event.id);
  if (card) {
    if (event.version > Number(card.dataset.version) && !isBusy(card)) overtaken(card, event);
    return;
  }
  if (event.status === tab && !event.mine) arrived.add(event.id);
  else arrived.delete(event.id);
  counted();
}

function counted() {
  news.hidden = !arrived.size;
  const what = main.dataset.narrowed ? "new here; some may match" : "new";
  news.querySelector("button").textContent = `View ${arrived.size.toLocaleString("en")} ${what}`;
}

function standing(now) {
  if (!outbox.open) for (const [status, number] of Object.entries(now.counts)) count(status, 0, number);
  for (const id of new Set([...Object.keys(looking), ...Object.keys(now.looking)])) {
    const line = byId(id)?.querySelector(".looking");
    if (!line) continue;
    line.hidden = !now.looking[id];
    line.querySelector("bdi").textContent = now.looking[id] ?? "";
  }
  looking = now.looking;
}

/** Puts what came in front, on request only: nothing ever moves the card somebody reads. */
async function view() {
  const here = new URL(location.href);
  here.searchParams.delete("after");
  const found = await page(here.href).catch(() => null);
  if (!found) return say("The service does not answer. Try again.");
  arrived.clear();
  counted();
  const fresh = adopt(found.querySelectorAll("#cards .card"), list.firstElementChild);
  if (fresh.length) goTo(fresh[0]);
  return say(fresh.length ? `${fresh.length} new` : "They stand further down in this order.");
}

// ------------------------------------------------------------------------------- presence

let timer;
let mine = "";

function look() {
  clearTimeout(timer);
  const card = current();
  if (!card || card.dataset.status !== "pending" || card.classList.contains("campaign") || document.hidden) return;
  timer = setTimeout(async () => {
    const id = idOf(card);
    const left = mine === id ? "" : mine;
    mine = id;
    await tell(`/console/comments/${id}/look`, [["left", left]]);
    timer = setTimeout(look, RENEW);
  }, mine === idOf(card) ? RENEW : LOOK);
}

function leave() {
  clearTimeout(timer);
  if (mine) tell(`/console/comments/${mine}/look`, [["left", mine]]);
  mine = "";
}

export function live() {
  news.querySelector("button").addEventListener("click", view);
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  for (const kind of ["keydown", "pointerdown"]) addEventListener(kind, () => { used = Date.now(); open(); });
  setInterval(() => { if (Date.now() - used > REST) close(); }, 60000);
  if (document.getElementById("why")) {
    main.addEventListener("focusin", look);
    document.addEventListener("visibilitychange", () => (document.hidden ? leave() : look()));
    addEventListener("pagehide", leave);
  }
  open();
}
