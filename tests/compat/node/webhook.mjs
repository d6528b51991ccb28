// What a receiver does with the package standardwebhooks.
import { Webhook } from "standardwebhooks";
import { called, given, tell } from "./called.mjs";

const verify = (secret, body) => called(() => new Webhook(secret).verify(body, given.headers));

tell({
  genuine: await verify(given.secret, given.body),
  former: await verify(given.former, given.body),
  tampered: await verify(given.secret, given.body.replace("approved", "rejected")),
  stranger: await verify("whsec_" + Buffer.alloc(24).toString("base64"), given.body),
});
