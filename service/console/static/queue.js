// The queue by keys and in place. Without this file every button still works as a plain form.

import { all, current, decide, dress, goTo, many, move, more, nameOf, picked, prefetch, say, undo, undoCard } from "./queue-cards.js";
import { banAuthor, open, reason } from "./queue-drawer.js";
import { live } from "./queue-live.js";

const main = document.getElementById("main");
const help = document.getElementById("help");
const bulk = document.getElementById("bulk");
const whole = bulk?.querySelector("[name=all]");

// ------------------------------------------------------------------------------ decisions

const offers = (card, action) => card?.querySelector(`.actions button[value=${action}]:not([hidden])`);

/** Decides on a card, if that is offered; a rejection asks for its reason. */
async function press(action, card = current()) {
  if (!offers(card, action)) return;
  const why = action === "reject" ? await reason() : "";
  if (why !== null && offers(card, action)) decide(card, action, why);
}

async function pressMany(action) {
  const button = bulk?.querySelector(`button[value=${action}]`);
  const cards = whole?.checked ? all().filter((card) => !card.classList.contains("campaign")) : picked();
  if (!button || !cards.length) return say("No comment is selected.");
  const why = action === "reject" ? await reason() : "";
  if (why === null) return undefined;
  const fields = whole.checked ? [["all", "1"]] : cards.map((card) => ["chosen", card.querySelector("[name=chosen]").value]);
  whole.checked = false;
  const done = many(action, why, cards, fields);
  selected();
  return done;
}

function selected() {
  if (!bulk) return;
  const count = picked().length;
  bulk.hidden = !count && !whole.checked;
  document.body.classList.toggle("picking", !bulk.hidden);
  document.getElementById("picked").textContent = whole.checked ? "Selected:" : `${count} selected`;
  for (const card of all()) card.classList.toggle("picked", card.querySelector("[name=chosen]")?.checked ?? false);
}

function pick() {
  const box = current()?.querySelector("[name=chosen]");
  if (!box || box.disabled) return;
  box.checked = !box.checked;
  selected();
  say(`${box.checked ? "Selected" : "Not selected"}: ${nameOf(current())}. ${picked().length} selected.`);
}

// ----------------------------------------------------------------------------------- keys

const follow = (selector) => document.querySelector(selector)?.click();

function single() {
  const on = document.body.classList.toggle("single");
  document.getElementById("single").setAttribute("aria-pressed", on);
  const card = current() ?? all()[0];
  if (card) goTo(card, 0);
}

const keys = {
  j: () => move(1),
  k: () => move(-1),
  a: () => press("approve"),
  d: () => press("reject"),
  s: () => press("spam"),
  A: () => pressMany("approve"),
  D: () => pressMany("reject"),
  S: () => pressMany("spam"),
  z: undo,
  x: pick,
  b: () => current()?.querySelector("[data-ban]") && banAuthor(current()),
  n: () => { const link = current()?.querySelector(".when[data-drawer]"); if (link) open(link.href, true); },
  v: single,
  "/": () => document.querySelector(".find [type=search]").focus(),
  "?": () => help.showModal(),
};
for (const number of [1, 2, 3, 4]) keys[number] = () => follow(`.tabs a:nth-child(${number})`);

const switchedOn = document.getElementById("keys");

document.addEventListener("keydown", (event) => {
  if (event.target.closest?.("select, textarea, input:not([type=checkbox]), dialog") || event.altKey || event.repeat) {
    if (event.key === "Escape" && event.target.type === "search") (current() ?? all()[0])?.focus();
    if (!(event.repeat && /^[jk]$/.test(event.key))) return;
  }
  const meant = event.ctrlKey || event.metaKey ? event.key === "z" && !event.shiftKey : switchedOn.checked;
  if (!meant || !Object.hasOwn(keys, event.key)) return;
  event.preventDefault();
  keys[event.key]();
});

// --------------------------------------------------------------------------------- clicks

main.addEventListener("click", (event) => {
  if (event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  const card = event.target.closest(".card");
  const ban = event.target.closest("[data-ban]");
  const link = event.target.closest("a[data-drawer]");
  if (ban) { event.preventDefault(); goTo(card); banAuthor(card); }
  else if (link) { event.preventDefault(); open(link.href.replace(/#.*/, ""), link.hash === "#note"); }
});

main.addEventListener("click", (event) => {
  const button = event.target.closest(".actions button, #bulk button");
  if (!button) return;
  event.preventDefault();
  const card = button.closest(".card");
  if (!card) pressMany(button.value);
  else if (button.value === "undo") undoCard(card);
  else press(button.value, card);
});
document.querySelector("#toast button").addEventListener("click", undo);
document.getElementById("single").addEventListener("click", single);
document.getElementById("help-open").addEventListener("click", () => help.showModal());
main.addEventListener("change", (event) => { if (event.target.matches("[name=chosen], [name=all]")) selected(); });

/** An address says what was asked for, and no more. */
document.querySelector(".find").addEventListener("submit", (event) => {
  for (const field of event.target.elements) field.disabled = field.name && !field.value;
});
document.querySelector(".find [name=sort]").addEventListener("change", (event) => event.target.form.requestSubmit());

// --------------------------------------------------------------------------------- comfort

for (const name of ["keys", "blur", "grey"]) {
  const box = document.getElementById(name);
  const kept = localStorage.getItem(name);
  if (kept) box.checked = kept === "on";
  const apply = () => { document.documentElement.classList.toggle(`${name}-on`, box.checked); all().forEach(dress); };
  box.addEventListener("change", () => { localStorage.setItem(name, box.checked ? "on" : "off"); apply(); });
  apply();
}

document.querySelector(".tools").hidden = false;
selected();
live();
new IntersectionObserver((seen) => { if (seen.some((one) => one.isIntersecting)) more(); }, { rootMargin: "600px" }).observe(document.getElementById("end"));
(window.requestIdleCallback ?? setTimeout)(prefetch);
if (document.activeElement === document.body) all()[0]?.focus({ preventScroll: true });
