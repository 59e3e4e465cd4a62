import assert from "node:assert/strict";
import { test } from "node:test";
import { GIVEN_UP_AFTER_MS } from "../delivery/backoff.ts";
import { asId } from "../prelude/ids.ts";
import { type Attempt, afterAttempt } from "./attempt.ts";
import { changeWebhook, concerns, KINDS, type Webhook } from "./webhook.ts";

const NOW = Date.UTC(2026, 0, 1);
const webhook: Webhook = {
  id: asId("webhook", "whk_1"),
  url: "https://hooks.example.com/",
  kinds: KINDS,
  createdAt: NOW,
  secret: { dataKey: 1, sealed: Buffer.from("new") },
  previous: null,
  cursor: { epoch: 1, seq: 10 },
  state: "active",
  failures: 0,
  failingSince: null,
  nextAttemptAt: NOW,
  missed: 3,
};
const attempt: Attempt = {
  message: "msg_1",
  from: webhook.cursor,
  upTo: { epoch: 1, seq: 14 },
  events: 4,
  missed: 3,
  outcome: "delivered",
  status: 200,
  tookMs: 7,
};

test("what was delivered moves the cursor, and what it said was missed has been told", () => {
  const failing = { ...webhook, failures: 4, failingSince: NOW - 1000, missed: 5 };
  const { webhook: after, effects } = afterAttempt(failing, attempt, NOW, 0.5);
  const { cursor, failures, failingSince, missed } = after;
  assert.deepEqual([cursor, failures, failingSince, missed], [attempt.upTo, 0, null, 2]);
  assert.deepEqual(effects, []);
});

test("a failure leaves the cursor where it is and puts the next attempt off", () => {
  const { webhook: after } = afterAttempt(webhook, { ...attempt, outcome: "timed_out", status: null }, NOW, 0);
  assert.deepEqual(after, { ...webhook, failures: 1, failingSince: NOW, nextAttemptAt: NOW + 5000 });
});

test("a day of nothing but failures pauses it, with an event, and a success just before does not", () => {
  let current = webhook;
  let now = NOW;
  let attempts = 0;
  while (current.state === "active") {
    const outcome = afterAttempt(current, { ...attempt, outcome: "rejected", status: 500 }, now, 0);
    current = outcome.webhook;
    attempts += 1;
    if (current.state === "active") {
      assert.deepEqual(outcome.effects, []);
      now = current.nextAttemptAt;
    } else {
      const [effect] = outcome.effects;
      assert.equal(effect?.effect === "audit" && effect.event.name, "webhook.paused");
    }
    assert.ok(attempts < 1000);
  }
  assert.ok(now - NOW >= GIVEN_UP_AFTER_MS && now - NOW < GIVEN_UP_AFTER_MS + 3_600_000);
  const recovered = afterAttempt({ ...current, state: "active" }, attempt, now, 0).webhook;
  assert.equal(
    afterAttempt(recovered, { ...attempt, from: recovered.cursor, outcome: "rejected" }, now, 0).webhook.state,
    "active",
  );
});

test("a receiver that says it is gone is not asked again", () => {
  const { webhook: after, effects } = afterAttempt(webhook, { ...attempt, outcome: "gone", status: 410 }, NOW, 0);
  assert.deepEqual([after.state, after.cursor, effects.length], ["paused", webhook.cursor, 1]);
});

test("an attempt that began before a replay changes nothing, however it ended", () => {
  const replayed = changeWebhook(
    webhook,
    { change: "replay", after: { epoch: 1, seq: 2 } },
    { epoch: 1, seq: 20 },
    NOW,
  );
  assert.ok(replayed.ok);
  for (const outcome of ["delivered", "rejected", "gone"] as const) {
    assert.deepEqual(afterAttempt(replayed.webhook, { ...attempt, outcome }, NOW, 0), {
      webhook: replayed.webhook,
      effects: [],
    });
  }
});

test("a replay goes to any position that the log has reached, and resumes what is paused", () => {
  const head = { epoch: 2, seq: 5 };
  const paused: Webhook = { ...webhook, state: "paused", failures: 9, failingSince: 1 };
  const resumed = changeWebhook(paused, { change: "replay", after: null }, head, NOW);
  assert.deepEqual(resumed, { ok: true, webhook: { ...webhook, nextAttemptAt: NOW } });
  for (const after of [
    { epoch: 2, seq: 6 },
    { epoch: 3, seq: 0 },
  ]) {
    assert.deepEqual(changeWebhook(paused, { change: "replay", after }, head, NOW), { ok: false, refusal: "ahead" });
  }
});

test("a rotated secret leaves the one before good for the overlap, and no third", () => {
  const secret = { dataKey: 1, sealed: Buffer.from("newer") };
  const once = changeWebhook(webhook, { change: "rotate_secret", secret, overlapMs: 1000 }, webhook.cursor, NOW);
  assert.ok(once.ok);
  assert.deepEqual(once.webhook.previous, { ...webhook.secret, until: NOW + 1000 });
  const newest = { dataKey: 1, sealed: Buffer.from("newest") };
  const twice = changeWebhook(
    once.webhook,
    { change: "rotate_secret", secret: newest, overlapMs: 0 },
    webhook.cursor,
    NOW,
  );
  assert.ok(twice.ok);
  assert.deepEqual([twice.webhook.secret, twice.webhook.previous], [newest, null]);
});

test("an entry concerns a webhook by its kind, and behind its cursor, epochs first", () => {
  const entry = { epoch: 1, seq: 11, kind: "session", value: "ses_1", reason: "logout", at: NOW } as const;
  assert.equal(concerns(webhook, entry), true);
  assert.equal(concerns({ ...webhook, kinds: ["user"] }, entry), false);
  assert.equal(concerns(webhook, { ...entry, seq: 10 }), false);
  assert.equal(concerns(webhook, { ...entry, epoch: 2, seq: 1 }), true);
});
