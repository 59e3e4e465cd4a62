import assert from "node:assert/strict";
import { test } from "node:test";
import { type Answered, DELTA_MS, type Entitlement, judge, newEntitlement } from "./ledger.ts";

const ACCEPTED: Answered = { is: "accepted", user: "kim" };
const REFUSED: Answered = { is: "refused" };
const live = newEntitlement("kim");
const ended: Entitlement = { user: "kim", begun: 0, endRequestedAt: 100, endedAt: 110, cause: "logout" };
const late = 110 + DELTA_MS + 1;

test("while a log-in lasts, letting it in is right and refusing it is wrong", () => {
  assert.equal(judge(live, 0, 5, ACCEPTED), "right");
  assert.equal(judge(live, 0, 5, REFUSED), "wrong_refusal");
  assert.equal(judge(ended, 90, 99, REFUSED), "wrong_refusal", "it was answered before anybody asked for the end");
});

test("between the request for an end and a second after its answer anything may be", () => {
  for (const [sent, received] of [
    [90, 101],
    [105, 106],
    [111, 112],
    [110 + DELTA_MS, 2000],
  ] as const) {
    assert.equal(judge(ended, sent, received, ACCEPTED), "uncertain");
    assert.equal(judge(ended, sent, received, REFUSED), "uncertain");
  }
});

test("after it, letting it in is a zombie, and refusing it is right", () => {
  assert.equal(judge(ended, late, late + 1, ACCEPTED), "zombie");
  assert.equal(judge(ended, late, late + 1, REFUSED), "right");
  assert.equal(judge({ ...ended, cause: "evicted" }, late, late + 1, ACCEPTED), "kept_device");
});

test("an end that was never answered leaves it uncertain for good", () => {
  const asked: Entitlement = { ...ended, endedAt: null };
  assert.equal(judge(asked, 1e9, 1e9 + 1, ACCEPTED), "uncertain");
});

test("somebody else's account is wrong at any time, and an error is never a refusal", () => {
  assert.equal(judge(live, 0, 5, { is: "accepted", user: "lee" }), "wrong_user");
  assert.equal(judge(ended, 105, 106, { is: "accepted", user: "lee" }), "wrong_user");
  assert.equal(judge(live, 0, 5, { is: "error" }), "error");
});
