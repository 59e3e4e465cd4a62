import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { backoffMs, failing, GIVEN_UP_AFTER_MS, succeeding } from "./backoff.ts";

test("the waits double from five seconds to an hour, shortened by at most half", () => {
  assert.deepEqual(
    [1, 2, 3, 10, 11, 100_000].map((failures) => backoffMs(failures, 0)),
    [5_000, 10_000, 20_000, 2_560_000, 3_600_000, 3_600_000],
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e6 }), fc.double({ min: 0, max: 1, noNaN: true }), (failures, jitter) => {
      const [whole, shortened] = [backoffMs(failures, 0), backoffMs(failures, jitter)];
      return shortened >= whole / 2 - 1 && shortened <= whole;
    }),
  );
});

test("failures count from the first of them, and are over after a day of nothing else", () => {
  const first = failing(succeeding(0), 1000, 0);
  assert.deepEqual(first, { failures: 1, failingSince: 1000, nextAttemptAt: 6000, over: false });
  assert.equal(failing(first, 999 + GIVEN_UP_AFTER_MS, 0).over, false);
  const last = failing(first, 1000 + GIVEN_UP_AFTER_MS, 0);
  assert.deepEqual([last.failures, last.failingSince, last.over], [2, 1000, true]);
});
