/** A seed is a story that can be told again: in this process, in another thread, in another process. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { runSeeds } from "./fleet.ts";
import { simulate } from "./simulate.ts";

const SEEDS = [3, 7, 8];
const ROOT = new URL("../../", import.meta.url);

test("a seed run twice has the same trace, event by event", async () => {
  for (const seed of SEEDS) {
    const first = await simulate(seed);
    const again = await simulate(seed);
    assert.equal(again.hash, first.hash, `seed ${seed}`);
    assert.deepEqual(again.trace, first.trace);
    assert.equal(again.events, first.events);
  }
});

test("a seed has the same trace in another thread and in another process, whatever ran there before", async () => {
  const [seed = 0] = SEEDS;
  const { hash } = await simulate(seed);
  const hashes = new Map<number, string>();
  await runSeeds({
    ...{ from: seed - 2, seeds: 3, threads: 1 },
    onReport: (report) => hashes.set(report.seed, report.hash).size > 0,
  });
  assert.equal(hashes.get(seed), hash, "on another thread");
  const words = ["--seeds", "1", "--from", String(seed), "--trace"];
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    [...process.execArgv, "test/simulation/run.ts", ...words],
    { cwd: ROOT, encoding: "utf8" },
  );
  assert.equal(status, 0, stderr);
  assert.match(stdout, new RegExp(`^trace ${hash}$`, "m"), "in another process");
});

test("two seeds are two stories", async () => {
  const [one, other] = [await simulate(1), await simulate(2)];
  assert.notEqual(one.hash, other.hash);
});
