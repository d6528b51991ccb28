// What opens beside the queue: a comment's notes and history, an author, the questions to answer.

import { announce, current, nameOf, remember, say } from "./queue-cards.js";
import { page, send } from "./queue-send.js";

const drawer = document.getElementById("drawer");
const inside = drawer.querySelector(".inside");
const note = drawer.querySelector("form");
const title = document.getElementById("drawer-title");
let opener = null;
let address = "";

for (const dialog of document.querySelectorAll("dialog")) {
  dialog.addEventListener("click", (event) => {
    if (event.target !== dialog && !event.target.closest("[data-close]")) return;
    dialog.dispatchEvent(new Event("cancel"));
    dialog.close();
  });
}
drawer.addEventListener("close", () => (opener?.isConnected ? opener.focus({ preventScroll: true }) : current()?.focus()));

/** Shows the part of one of our pages that is made for it. The drawer is open before the page is
 * there, with the field for a note: whoever types on at once types into it. */
export async function open(wanted, noting = false) {
  const comment = new URL(wanted).pathname.startsWith("/console/comments/");
  if (!drawer.open) opener = document.activeElement.closest(".card, a");
  if (wanted !== address) { inside.replaceChildren(); title.textContent = "…"; note?.reset(); }
  address = wanted;
  if (note) { note.hidden = !comment; note.action = `${new URL(wanted).pathname}/notes`; }
  if (!drawer.open) drawer.showModal();
  if (noting) note?.elements.text.focus();
  const part = (await page(wanted).catch(() => null))?.querySelector("[data-part]");
  if (wanted !== address) return;
  if (!part) { announce("The service does not answer. Try again."); return; }
  title.replaceChildren(...part.querySelector("h2").childNodes);
  part.querySelectorAll("h2, #note").forEach((each) => each.remove());
  inside.replaceChildren(document.adoptNode(part));
  for (const time of inside.querySelectorAll("time")) time.title = new Date(time.dateTime).toLocaleString();
}

drawer.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-drawer]");
  if (!link) return;
  event.preventDefault();
  open(link.href);
});

drawer.addEventListener("submit", async (event) => {
  event.preventDefault();
  const fields = [...new FormData(event.target, event.submitter)].filter(([name]) => name !== "csrf" && name !== "site");
  const answer = await send(event.target.getAttribute("action"), fields);
  say(answer.text);
  if (answer.outcome !== "done") return announce(answer.text);
  if (event.target === note) note.reset();
  return open(address);
});

/** Asks in a dialog; what its form says and by which button, null where it was left. What is told
 * by `close` comes later: too late for who is asked about the next card by then. */
function ask(dialog) {
  const before = document.activeElement;
  const form = dialog.querySelector("form");
  form.reset();
  dialog.showModal();
  dialog.querySelector(".main").focus();
  return new Promise((done) => {
    const end = (answer) => {
      dialog.removeEventListener("cancel", left);
      form.removeEventListener("submit", given);
      before?.focus?.({ preventScroll: true });
      done(answer);
    };
    const left = () => end(null);
    const given = (event) => {
      event.preventDefault();
      dialog.close();
      end({ button: event.submitter.value, fields: new FormData(form) });
    };
    dialog.addEventListener("cancel", left);
    form.addEventListener("submit", given);
  });
}

/** Enter in a field means the main button, whichever stands first. */
const enter = (dialog) => dialog?.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !event.target.matches("input:not([type=checkbox])")) return;
  event.preventDefault();
  dialog.querySelector(".main").click();
});

const why = document.getElementById("why");
enter(why);
why?.addEventListener("keydown", (event) => {
  const other = event.target.name === "other";
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (/^[1-8]$/.test(event.key) && (!other || !event.target.value)) {
    event.preventDefault();
    why.querySelectorAll(".reasons button")[event.key - 1]?.click();
  } else if (event.key.length === 1 && event.key !== " " && !other) {
    why.querySelector("[name=other]").focus();
  }
});

/** The reason of a rejection, '' for none; null where it was left. */
export async function reason() {
  const said = await ask(why);
  if (!said) return null;
  return said.button === "other" ? said.fields.get("other").trim() : said.button;
}

const ban = document.getElementById("ban");
enter(ban);

/** Bans a card's author, once that is confirmed. */
export async function banAuthor(card) {
  const name = nameOf(card);
  const path = `${new URL(card.querySelector("[data-ban]").href).pathname}/ban`;
  ban.querySelector("[data-name]").textContent = name;
  const said = await ask(ban);
  if (!said) return;
  const entry = remember(`Banned: ${name}`, () => lift(path, name));
  const answer = await send(path, [["action", "ban"], ...said.fields]);
  if (answer.outcome !== "done") { entry.undo = null; announce(`Not banned: ${answer.text}`); }
}

async function lift(path, name) {
  const answer = await send(path, [["action", "unban"]]);
  announce(answer.outcome === "done" ? `Ban lifted: ${name}` : answer.text);
}
