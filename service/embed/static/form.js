// The comment form in place. Without this file it is a plain form and works as well.

const form = document.getElementById("comment-form");
const answer = document.getElementById("answer");
const problem = document.getElementById("problem");
const opened = performance.now();
const elapsed = () => Math.round(performance.now() - opened);

const fields = ["body", "name", "email", "url"];
const field = (name) => form.elements.namedItem(name);

function clear() {
  answer.hidden = problem.hidden = true;
  for (const name of fields) mark(name, "");
}

function mark(name, text) {
  const place = document.getElementById(`e-${name}`);
  place.textContent = text;
  place.hidden = !text;
  if (text) field(name).setAttribute("aria-invalid", "true");
  else field(name).removeAttribute("aria-invalid");
}

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");

const SAID = { required: "Please fill this in.", empty: "Please fill this in." };

function refuse(document_) {
  const errors = document_.errors ?? [];
  const named = errors.filter((error) => fields.includes(error.pointer.slice(1)));
  for (const error of named) mark(error.pointer.slice(1), SAID[error.code] ?? sentence(error.detail));
  const first = fields.find((name) => named.some((error) => error.pointer === `/${name}`));
  if (first) return field(first).focus();
  problem.textContent = sentence(document_.detail ?? document_.title ?? "That did not work");
  problem.hidden = false;
  problem.focus();
}

const TOLD = {
  approved: "Thank you. Your comment is published; it appears when the page is loaded again.",
  pending: "Thank you. Your comment awaits moderation: a moderator will read it before it appears.",
};

function accept(comment) {
  const text = document.createElement("p");
  const link = document.createElement("a");
  link.href = comment.receipt;
  link.textContent = "See how it stands";
  text.append(TOLD[comment.status] ?? "Thank you. Your comment was received.", " ", link);
  answer.replaceChildren(text);
  answer.hidden = false;
  field("body").value = "";
  answer.focus();
}

/** What the form says, as the API reads it: blank fields that need no value are left out. */
function comment() {
  const given = Object.fromEntries([...new FormData(form)].filter(([name, value]) => value !== "" || ["body", "name", "email"].includes(name)));
  const { key, ...fields_ } = given;
  return { key, body: { ...fields_, elapsed_ms: elapsed() } };
}

async function send() {
  const { key, body } = comment();
  const headers = { Authorization: `Bearer ${key}`, "Content-Type": "application/json" };
  const response = await fetch(form.getAttribute("action"), { method: "POST", headers, body: JSON.stringify(body) });
  const answered = await response.json();
  if (response.ok) accept(answered);
  else refuse(answered);
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  clear();
  button.disabled = true;
  try {
    await send();
  } catch {
    problem.textContent = "The comment could not be sent. It is still in the form; please try again.";
    problem.hidden = false;
    problem.focus();
  } finally {
    button.disabled = false;
  }
});

// Our own words stand beside the fields, so the browser's bubbles are not needed.
form.noValidate = true;
