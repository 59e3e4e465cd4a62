import assert from "node:assert/strict";
import { test } from "node:test";
import { Oracle, type Truth } from "./oracle.ts";
import type { Verdict } from "./settings.ts";

const never = Number.POSITIVE_INFINITY;
const BOUND = 1_000;

function faultOf(
  truth: Partial<Truth>,
  [began, ended, code]: readonly [number, number, string],
  leased: boolean,
  acceptedBefore = false,
): string | null {
  const oracle = new Oracle(BOUND);
  const good = { token: "", sid: "", revokeBegan: never, revokeDone: never, confirmedAt: never, keyGone: false };
  oracle.truths.set("it", { ...good, ...truth });
  const see = (verdict: Verdict): void =>
    oracle.judge("api", { live: leased, via: "stream", verdicts: { it: verdict } });
  if (acceptedBefore) see([0, 0, "accepted", true]);
  see([began, ended, code, leased]);
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

test("the oracle sees a wrong refusal, and lets a copy whose lease did not hold all the time decide nothing", () => {
  assert.match(faultOf({}, [1, 2, "token_revoked"], true) ?? "", /which it is not/);
  assert.match(faultOf({ revokeBegan: 3 }, [1, 2, "token_revoked"], true) ?? "", /which it is not/);
  assert.equal(faultOf({ revokeBegan: 3 }, [1, 4, "token_revoked"], true), null);
  assert.match(faultOf({}, [1, 2, "revocation_unknown"], true) ?? "", /not decided on/);
  assert.equal(faultOf({}, [1, 2, "revocation_unknown"], false), null);
  assert.match(faultOf({}, [1, 2, "invalid_signature"], false) ?? "", /invalid_signature/);
});

test("the oracle lets a verifier learn a key, and not forget it", () => {
  for (const code of ["unknown_key", "keys_unavailable"]) {
    assert.equal(faultOf({}, [1, 2, code], true), null);
    assert.match(faultOf({}, [1, 2, code], true, true) ?? "", /key/);
    assert.equal(faultOf({ keyGone: true }, [1, 2, code], true, true), null);
  }
});
