/**
 * The simulation finds bugs: each fault of faults.ts is planted and must be caught. First the seed is tried that caught it
 * when the fault was written; where the code has changed since and that one tells another story, the seeds from 1 on.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FAULTS } from "./faults.ts";
import { simulationWith } from "./mutants.ts";

/** So many seeds may go by before a fault is caught. */
const SEEDS_MAX = 400;

for (const fault of FAULTS) {
  test(`a planted fault is caught: ${fault.name}`, async (t) => {
    const { simulate } = await simulationWith(fault);
    const catches = async (seed: number): Promise<boolean> => {
      const { found } = await simulate(seed, fault.worlds);
      // What is thrown by a part that the fault broke is no finding: a fault is caught by a statement that fails.
      assert.ok(found === null || found.name === "Violation", found?.stack ?? "");
      if (found !== null) t.diagnostic(`seed ${seed}: ${found.message}`);
      return found !== null;
    };
    if (await catches(fault.seed)) return;
    for (let seed = 1; seed <= SEEDS_MAX; seed += 1) {
      if (!(await catches(seed))) continue;
      t.diagnostic(`seed ${fault.seed} caught it once: faults.ts is out of date`);
      return;
    }
    assert.fail(`not caught by ${SEEDS_MAX} seeds`);
  });
}

test("without a fault the same seeds find nothing", async () => {
  const { simulate } = await import("./simulate.ts");
  const tried = new Set<string>();
  for (const { seed, worlds } of FAULTS) {
    const world = JSON.stringify([seed, worlds]);
    if (tried.has(world)) continue;
    tried.add(world);
    const { found } = await simulate(seed, worlds);
    assert.equal(found, null, `seed ${seed}: ${found?.message}`);
  }
});
