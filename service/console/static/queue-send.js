// Sends what moderators do, and again until the service has answered; parts of our own pages.

const AGAIN = new Set([429, 502, 503, 504]);
const LONGEST = 20000;

/** What has not been answered yet, and how much of it has failed at least once. */
export const outbox = { open: 0, stuck: 0, changed: () => {} };

/** `crypto.randomUUID` is missing on plain HTTP away from localhost. */
const fresh = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

const pause = (ms) => new Promise((done) => {
  const timer = setTimeout(done, ms);
  addEventListener("online", () => { clearTimeout(timer); done(); }, { once: true });
});

const act = document.getElementById("act");

const asked = (fields) => {
  const body = new URLSearchParams({ csrf: act.elements.csrf.value, site: act.elements.site.value });
  for (const [name, value] of fields) body.append(name, value);
  const headers = { Accept: "application/json", "Idempotency-Key": fresh() };
  return { method: "POST", body, headers, keepalive: body.toString().length < 30000 };
};

/** Posts fields as our forms do; the answer says `outcome`: done, lost or failed. Never throws. */
export async function send(path, fields) {
  const request = asked(fields);
  let tries = 0;
  outbox.open += 1;
  for (;;) {
    const answer = await once(path, request);
    if (answer) {
      outbox.open -= 1;
      if (tries) outbox.stuck -= 1;
      outbox.changed();
      return answer;
    }
    if (!tries) outbox.stuck += 1;
    outbox.changed();
    tries += 1;
    await pause(Math.min(LONGEST, 400 * 2 ** tries));
  }
}

/** Tells the service something that does not matter later. */
export const tell = (path, fields) => once(path, asked(fields));

/** One try; undefined where it is worth another. */
async function once(path, request) {
  try {
    const response = await fetch(path, request);
    if (AGAIN.has(response.status)) return undefined;
    const answer = await response.json();
    return answer.outcome ? answer : { outcome: "failed", text: "That did not work." };
  } catch {
    return undefined;
  }
}

/** One of our pages, read by the browser as on a visit: cards are made by the server alone, and no
 * script ever turns text into markup. */
export const page = (address) => new Promise((done, failed) => {
  const request = new XMLHttpRequest();
  request.open("GET", address);
  request.responseType = "document";
  request.onload = () => (request.status === 200 && request.response ? done(request.response) : failed(new Error(String(request.status))));
  request.onerror = () => failed(new Error("offline"));
  request.send();
});

addEventListener("beforeunload", (event) => { if (outbox.stuck) event.preventDefault(); });
