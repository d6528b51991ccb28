// Every call of the package akismet-api, which builds https://KEY.rest.akismet.com/1.1/ from its
// key; and the feedback Coral sends past it, as JSON and without `blog`.
import { AkismetClient } from "akismet-api";
import { called, given, tell } from "./called.mjs";

const blog = "https://blog.example";
// `host` carries a port where the test may not listen on 443.
const host = given.port === 443 ? {} : { host: `rest.akismet.com:${given.port}` };
const client = new AkismetClient({ key: given.key, blog, ...host });
const stranger = new AkismetClient({ key: "0123456789ab", blog, ...host });

const comment = {
  ip: "203.0.113.9",
  useragent: "Mozilla/5.0",
  referrer: "https://blog.example/",
  permalink: "https://blog.example/hello",
  type: "comment",
  name: "Ada",
  email: "ada@example.org",
  content: "I agree with the second point.",
  isTest: true,
};
const spam = { ...comment, name: "viagra-test-123" };

async function byCoral(call) {
  const answer = await fetch(`https://${given.key}.rest.akismet.com:${given.port}/1.1/${call}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ user_ip: "", comment_content: comment.content, is_test: true }),
  });
  return [answer.status, await answer.text()];
}

tell({
  verify: await called(() => client.verifyKey()),
  verifyStranger: await called(() => stranger.verifyKey()),
  ham: await called(() => client.checkSpam(comment)),
  spam: await called(() => client.checkSpam(spam)),
  stranger: await called(() => stranger.checkSpam(comment)),
  submitSpam: await called(async () => (await client.submitSpam(spam)).text),
  submitHam: await called(async () => (await client.submitHam(comment)).text),
  coralSpam: await called(() => byCoral("submit-spam")),
  coralHam: await called(() => byCoral("submit-ham")),
});
