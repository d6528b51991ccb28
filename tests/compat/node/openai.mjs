// `moderations.create` of the package openai, in every form its types allow here.
import OpenAI from "openai";
import { called, given, tell } from "./called.mjs";

const client = new OpenAI({ apiKey: given.key, baseURL: `${given.url}/v1`, maxRetries: 0 });
const stranger = new OpenAI({ apiKey: "sk-nobody", baseURL: `${given.url}/v1`, maxRetries: 0 });
const ask = (asked, by = client) => called(() => by.moderations.create(asked));

tell({
  text: await ask({ input: given.abuse }),
  texts: await ask({ input: ["I agree.", given.abuse], model: "omni-moderation-latest" }),
  parts: await ask({ input: [{ type: "text", text: "I agree." }] }),
  older: await ask({ input: "I agree.", model: "text-moderation-latest" }),
  requestId: await called(async () => (await client.moderations.create({ input: "x" }))._request_id),
  empty: await ask({ input: [] }),
  stranger: await ask({ input: "I agree." }, stranger),
});
