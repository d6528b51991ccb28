// Keys and decisions in place. Without this file every button still works as a plain form.

const said = document.getElementById("said");
const toggle = document.getElementById("keys");
const cards = () => [...document.querySelectorAll(".card")];
const decided = [];

const say = (text) => { said.textContent = text; };

/** The card that has the focus, or holds what has it. */
const current = () => document.activeElement?.closest(".card");

function move(step) {
  const all = cards();
  const at = all.indexOf(current());
  const next = all[at < 0 ? 0 : Math.min(all.length - 1, Math.max(0, at + step))];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

/** The next card nobody has decided on, behind this one. */
function advance(card) {
  const open = cards().filter((other) => !other.classList.contains("done"));
  const after = open.find((other) => card.compareDocumentPosition(other) & Node.DOCUMENT_POSITION_FOLLOWING);
  const next = after ?? open[0];
  if (next) next.focus();
  else if (document.getElementById("all-done")) {
    const done = document.getElementById("all-done");
    done.hidden = false;
    done.querySelector("a").focus();
  }
}

function count(status, change) {
  const place = document.querySelector(`[data-count="${status}"]`);
  if (place) place.textContent = String(Math.max(0, Number(place.textContent) + change));
}

function show(card, answer, own) {
  const outcome = card.querySelector("[data-outcome]");
  const lost = answer.outcome === "lost";
  const undone = answer.outcome === "done" && !answer.undoable;
  outcome.hidden = undone;
  outcome.textContent = lost ? `Somebody was faster: ${answer.text}. Your decision was not applied.` : answer.text;
  card.classList.toggle("lost", lost);
  card.classList.toggle("done", !undone);
  card.classList.remove("failed");
  const form = card.querySelector(".actions");
  form.elements.version.value = answer.version;
  for (const button of form.querySelectorAll("button")) {
    button.hidden = button.value === "undo" ? !answer.undoable : !undone;
  }
  say(`${outcome.hidden ? "Put back" : outcome.textContent}. Comment by ${card.querySelector("h2 bdi").textContent}`);
  if (own) decided.push(card);
}

function failed(card, text) {
  const outcome = card.querySelector("[data-outcome]");
  outcome.hidden = false;
  outcome.textContent = text;
  card.classList.add("failed");
  say(text);
}

async function send(card, action) {
  const form = card.querySelector(".actions");
  if (card.getAttribute("aria-busy") === "true") return;
  const before = new URL(location.href).searchParams.get("status") ?? "pending";
  const status = card.dataset.status ?? before;
  card.setAttribute("aria-busy", "true");
  const body = new URLSearchParams(new FormData(form));
  body.set("action", action);
  try {
    const response = await fetch(form.getAttribute("action"), { method: "POST", body, headers: { Accept: "application/json" } });
    const answer = await response.json();
    if (answer.outcome !== "done" && answer.outcome !== "lost") return failed(card, answer.text ?? "That did not work.");
    show(card, answer, answer.outcome === "done" && action !== "undo");
    count(status, -1);
    count(answer.status, +1);
    card.dataset.status = answer.status;
    if (action === "undo") card.focus();
    else advance(card);
  } catch {
    failed(card, "The service did not answer. Try again.");
  } finally {
    card.removeAttribute("aria-busy");
  }
}

/** Undo on the focused card if it can be undone, else what was decided last. */
function undo() {
  const here = current();
  const button = here?.querySelector("button[value=undo]:not([hidden])");
  const card = button ? here : decided.pop();
  if (card) return send(card, "undo");
  const told = document.querySelector(".told button[value=undo]");
  if (told) told.click();
  else say("There is nothing to undo.");
}

function press(action) {
  const card = current();
  const button = card?.querySelector(`button[value=${action}]:not([hidden])`);
  if (button) send(card, action);
}

const keys = {
  j: () => move(1),
  k: () => move(-1),
  a: () => press("approve"),
  d: () => press("reject"),
  s: () => press("spam"),
  z: undo,
};

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("select, textarea, input:not([type=checkbox])");
  if (typing || event.altKey || event.shiftKey || event.repeat) return;
  const only = event.ctrlKey || event.metaKey ? event.key === "z" : toggle?.checked;
  if (!only || !Object.hasOwn(keys, event.key)) return;
  event.preventDefault();
  keys[event.key]();
});

document.addEventListener("submit", (event) => {
  const card = event.target.closest(".card");
  if (!card || !event.submitter) return;
  event.preventDefault();
  send(card, event.submitter.value);
});

if (toggle) {
  toggle.checked = localStorage.getItem("keys") !== "off";
  toggle.addEventListener("change", () => localStorage.setItem("keys", toggle.checked ? "on" : "off"));
  document.querySelector(".keys").hidden = false;
}
if (!document.activeElement || document.activeElement === document.body) cards()[0]?.focus({ preventScroll: true });
