// The Perspective API by plain fetch, as most Node programs call it.
import { called, given, tell } from "./called.mjs";

async function post(method, body, key = given.key) {
  const answer = await fetch(`${given.url}/v1alpha1/${method}?key=${key}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  return [answer.status, await answer.json()];
}

const asked = {
  comment: { text: given.abuse },
  requestedAttributes: { TOXICITY: {}, INSULT: { scoreThreshold: 0.01 } },
  languages: ["en"],
  spanAnnotations: true,
  doNotStore: true,
  clientToken: "token-1",
};
const suggested = {
  comment: { text: given.abuse },
  attributeScores: { TOXICITY: { summaryScore: { value: 1 } } },
  languages: ["en"],
  communityId: "blog.example",
  clientToken: "token-2",
};

tell({
  analyze: await called(() => post("comments:analyze", asked)),
  encoded: await called(() => post("comments%3Aanalyze", asked)),
  suggest: await called(() => post("comments:suggestscore", suggested)),
  empty: await called(() => post("comments:analyze", { ...asked, comment: { text: "" } })),
  stranger: await called(() => post("comments:analyze", asked, "nobody")),
});
