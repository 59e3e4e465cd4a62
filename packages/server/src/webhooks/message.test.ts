import assert from "node:assert/strict";
import { test } from "node:test";
import { asId } from "../prelude/ids.ts";
import { Secret } from "../prelude/secret.ts";
import { messageOf, signedHeaders } from "./message.ts";
import { KINDS, type QueuedEntry, type Webhook } from "./webhook.ts";

const AT = Date.UTC(2026, 0, 1);
const webhook: Webhook = {
  id: asId("webhook", "whk_abc"),
  url: "https://hooks.example.com/",
  kinds: KINDS,
  createdAt: AT,
  secret: { dataKey: 1, sealed: Buffer.alloc(0) },
  previous: null,
  cursor: { epoch: 9, seq: 1 },
  state: "active",
  failures: 0,
  failingSince: null,
  nextAttemptAt: AT,
  missed: 2,
};
const entries: readonly QueuedEntry[] = [
  { epoch: 9, seq: 2, kind: "session", value: "ses_1", reason: "logout", at: AT },
  { epoch: 9, seq: 4, kind: "all", value: "", reason: "admin", at: AT + 1 },
];

test("the signature is the one of the Standard Webhooks specification's example", () => {
  const secret = new Secret(Buffer.from("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "base64"));
  const message = { ...messageOf(webhook, entries, { epoch: 9, seq: 4 }), id: "msg_p5jXN8AQM9LWM0D4loKWxJek" };
  const headers = signedHeaders({ ...message, body: '{"test": 2432232314}' }, 1614265330, [secret]);
  assert.deepEqual(headers, {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
  });
});

test("a message has the revocations in their order, the real ids, and an id of its content", () => {
  const message = messageOf(webhook, entries, { epoch: 9, seq: 5 });
  assert.deepEqual(JSON.parse(message.body), {
    id: "msg_abc_9_2_9_4",
    type: "revocations",
    timestamp: "2026-01-01T00:00:00.001Z",
    webhook: "whk_abc",
    missed: 2,
    data: [
      {
        id: "rev_9_2",
        type: "revocation.session",
        at: "2026-01-01T00:00:00.000Z",
        position: { epoch: 9, seq: 2 },
        kind: "session",
        subject: "ses_1",
        reason: "logout",
      },
      {
        id: "rev_9_4",
        type: "revocation.all",
        at: "2026-01-01T00:00:00.001Z",
        position: { epoch: 9, seq: 4 },
        kind: "all",
        subject: null,
        reason: "admin",
      },
    ],
  });
  assert.deepEqual([message.from, message.upTo, message.events], [webhook.cursor, { epoch: 9, seq: 5 }, 2]);
  assert.deepEqual(messageOf(webhook, entries, { epoch: 9, seq: 5 }), message);
});

test("while two secrets are good there are two signatures, the newest first", () => {
  const secrets = ["new", "old"].map((text) => new Secret(Buffer.from(text)));
  const message = messageOf(webhook, entries, { epoch: 9, seq: 4 });
  const both = signedHeaders(message, 1, secrets)["webhook-signature"]?.split(" ");
  const each = secrets.map((secret) => signedHeaders(message, 1, [secret])["webhook-signature"]);
  assert.deepEqual(both, each);
  assert.notEqual(each[0], each[1]);
});
