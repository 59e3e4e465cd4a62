import assert from "node:assert/strict";
import { test } from "node:test";
import { Oracle, type Truth } from "./oracle.ts";

const never = Number.POSITIVE_INFINITY;
const BOUND = 1_000;

function faultOf(truth: Partial<Truth>, verdict: readonly [number, number, string], live: boolean): string | null {
  const oracle = new Oracle(BOUND);
  const good = { token: "", sid: "", revokeBegan: never, revokeDone: never, confirmedAt: never, keyGone: false };
  oracle.truths.set("it", { ...good, ...truth });
  oracle.judge("api", { live, via: "stream", verdicts: { it: verdict } });
  return oracle.faults[0] ?? null;
}

test("the oracle calls a zombie a zombie, from the moment of the confirmation on", () => {
  const truth = { revokeBegan: 100, revokeDone: 110, confirmedAt: 120 };
  assert.equal(faultOf(truth, [119, 300, "accepted"], true), null);
  assert.match(faultOf(truth, [121, 300, "accepted"], true) ?? "", /zombie/);
  assert.match(faultOf(truth, [121, 300, "accepted"], false) ?? "", /zombie/);
});

test("the oracle sees an acceptance beyond the bound, where nothing was confirmed", () => {
  const truth = { revokeBegan: 100, revokeDone: 110 };
  assert.equal(faultOf(truth, [110 + BOUND, 2_000, "accepted"], true), null);
  assert.match(faultOf(truth, [111 + BOUND, 2_000, "accepted"], true) ?? "", /beyond the bound/);
});

test("the oracle sees a wrong refusal, and lets a stale copy decide nothing", () => {
  assert.match(faultOf({}, [1, 2, "token_revoked"], true) ?? "", /which it is not/);
  assert.match(faultOf({ revokeBegan: 3 }, [1, 2, "token_revoked"], true) ?? "", /which it is not/);
  assert.equal(faultOf({ revokeBegan: 3 }, [1, 4, "token_revoked"], true), null);
  assert.match(faultOf({}, [1, 2, "revocation_unknown"], true) ?? "", /not decided on/);
  assert.equal(faultOf({}, [1, 2, "revocation_unknown"], false), null);
  assert.match(faultOf({}, [1, 2, "unknown_key"], false) ?? "", /key/);
  assert.match(faultOf({}, [1, 2, "invalid_signature"], false) ?? "", /invalid_signature/);
});
