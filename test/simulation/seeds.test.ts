/** Two hundred worlds of troubles, in each of which both statements hold, nothing is lost, and everyone recovers. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { runSeeds } from "./fleet.ts";

const SEEDS = 200;

test(`in ${SEEDS} simulated worlds both statements of revocation hold and everyone trusts the copy again`, async () => {
  const failed: string[] = [];
  let [done, asked] = [0, 0];
  await runSeeds({
    from: 1,
    seeds: SEEDS,
    onReport: ({ seed, found, asked: judged }) => {
      done += 1;
      asked += judged;
      if (found !== null)
        failed.push(`seed ${seed}: ${found.message}\n  again: npm run simulate -- --seeds 1 --from ${seed}`);
      return true;
    },
  });
  assert.deepEqual(failed, []);
  assert.equal(done, SEEDS);
  assert.ok(asked > 1_000 * SEEDS, `a seed judges thousands of tokens, and not ${asked / SEEDS}`);
});
