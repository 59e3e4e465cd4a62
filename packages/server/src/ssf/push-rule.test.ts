import assert from "node:assert/strict";
import { test } from "node:test";
import { GIVEN_UP_AFTER_MS } from "../delivery/backoff.ts";
import { asId } from "../prelude/ids.ts";
import { signalName } from "./progress.ts";
import { afterPush, type PushAttempt } from "./push-rule.ts";
import type { Signal } from "./signal.ts";
import { beginStream, type Stream, say } from "./stream.ts";

const NOW = Date.UTC(2026, 0, 1);
const url = "https://receiver.example/";
const stream: Stream = beginStream(
  {
    id: asId("stream", "str_a"),
    client: asId("client", "api"),
    defaultSubjects: "ALL",
    naming: "iss_sub",
    delivery: { method: "push", url, authorization: null },
    requested: null,
    description: null,
  },
  0,
  NOW,
);
const signals: readonly Signal[] = [1, 2].map((seq) => ({
  seq,
  ...{ epoch: 1, cause: seq, user: asId("user", "usr_a"), session: null, identifier: null },
  ...{ initiator: "user", at: NOW, facts: { event: "session-revoked", reason: "logout" } },
}));
const stretch = { signals, excepted: new Set<string>() };
const [first] = signals;
assert.ok(first !== undefined);
const name = signalName(stream, first);

const after = (before: Stream, attempt: Partial<PushAttempt>, now = NOW) =>
  afterPush(before, { name, outcome: "accepted", detail: null, ...attempt }, stretch, 2, now, 0);

test("what was accepted is behind the stream, and its failures are forgotten", () => {
  const failing = { ...stream, failures: 3, failingSince: NOW, lastFailure: "timed_out" };
  const { stream: moved, effects } = after(failing, {}, NOW + 5);
  assert.deepEqual([moved.cursor, moved.failures, moved.lastFailure, moved.activeAt], [1, 0, null, NOW + 5]);
  assert.deepEqual(effects, []);
});

test("what failed waits, and says how it failed", () => {
  const { stream: failed } = after(stream, { outcome: "rejected", detail: "500" });
  assert.deepEqual([failed.cursor, failed.failures, failed.lastFailure], [0, 1, "rejected 500"]);
  assert.equal(failed.nextAttemptAt, NOW + 5000);
});

test("an event that its receiver cannot take is offered five times, then passed over, counted and audited", () => {
  let current = stream;
  for (let count = 1; count < 5; count += 1) {
    const { stream: next, effects } = after(current, { outcome: "refused", detail: "invalid_request" });
    assert.deepEqual([next.cursor, next.failures, effects.length], [0, count, 0]);
    current = next;
  }
  const { stream: passed, effects } = after(current, { outcome: "refused", detail: "invalid_request" });
  assert.deepEqual([passed.cursor, passed.failures, passed.refused], [1, 0, 1]);
  const [effect] = effects;
  assert.ok(effect?.effect === "audit");
  assert.deepEqual([effect.event.name, effect.event.detail.error], ["ssf.events_refused", "invalid_request"]);
});

test("what a receiver says of this server, and not of the event, passes nothing over", () => {
  let current = stream;
  for (let count = 0; count < 20; count += 1) {
    current = after(current, { outcome: "refused", detail: "authentication_failed" }).stream;
  }
  assert.deepEqual([current.cursor, current.refused, current.failures], [0, 0, 20]);
});

test("a day of nothing but failures pauses the stream; what it then says of itself is no reason to go on for ever", () => {
  const { stream: failing } = after(stream, { outcome: "unreachable" });
  const { stream: paused, effects } = after(failing, { outcome: "unreachable" }, NOW + GIVEN_UP_AFTER_MS);
  assert.deepEqual([paused.status, paused.statusReason, paused.controls.length], ["paused", "undeliverable", 1]);
  assert.ok(effects[0]?.effect === "audit");
  assert.deepEqual(effects[0].event.name, "ssf.stream_changed");
  const again = after(paused, { outcome: "unreachable" }, NOW + GIVEN_UP_AFTER_MS + 1);
  assert.deepEqual([again.effects, again.stream.controls.length], [[], 1]);
});

test("an attempt that ended after the stream had moved on acknowledges only what it was about", () => {
  const moved = { ...stream, cursor: 2 };
  assert.equal(after(moved, {}).stream.cursor, 2);
  const saying = say(stream, "verification", {}, NOW);
  const { stream: said } = after(saying, { name: "set_a_own_1" });
  assert.deepEqual([said.controls.length, said.cursor], [0, 0]);
});
