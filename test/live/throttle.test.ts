/** Limits that are counted in a real Valkey or Redis: the same arithmetic, once for all nodes, and by itself without it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { systemWorld } from "../../packages/server/src/prelude/world.ts";
import { TestClock } from "../../packages/server/src/storage/contract/stage.ts";
import { openMemory } from "../../packages/server/src/storage/memory/memory.ts";
import { type Bucket, giveBack, take } from "../../packages/server/src/throttle/bucket.ts";
import { createThrottle, type Throttle } from "../../packages/server/src/throttle/throttle.ts";
import { needsRedis, startRedis } from "../components/redis.ts";
import { openLive } from "./stage.ts";

test(
  "a bucket in the store is the bucket of the rule, unit for unit and millisecond for millisecond",
  needsRedis,
  async (t) => {
    const server = await startRedis(t);
    const clock = new TestClock();
    const world = { clock, random: systemWorld.random };
    const { live, throttle } = await openLive(server.url, openMemory(world), world, { time: clock });
    t.after(() => live.close());
    const rule = fc.record({ capacity: fc.integer({ min: 1, max: 4 }), refillMs: fc.integer({ min: 1, max: 5000 }) });
    const steps = fc.array(
      fc.record({ do: fc.constantFrom("take", "take", "give back"), wait: fc.integer({ min: -50, max: 6000 }) }),
      { maxLength: 30 },
    );
    let keys = 0;
    await fc.assert(
      fc.asyncProperty(rule, steps, async (limit, history) => {
        keys += 1;
        const key = `key-${keys}`;
        let bucket: Bucket | undefined;
        for (const step of history) {
          clock.advance(step.wait);
          if (step.do === "give back") {
            // A bucket that is full is none.
            if (bucket !== undefined) bucket = giveBack(bucket, limit, clock.now());
            if (bucket !== undefined && bucket.level >= limit.capacity) bucket = undefined;
            await throttle.giveBack(key, limit);
            continue;
          }
          const taken = take(bucket, limit, clock.now());
          bucket = taken.bucket;
          assert.equal(await throttle.take(key, limit), taken.allowed ? 0 : taken.retryAfterMs);
        }
      }),
      { numRuns: 100 },
    );
  },
);

test("what two nodes count, they count together; what the store forgot had refilled", needsRedis, async (t) => {
  const server = await startRedis(t);
  const truth = openMemory(systemWorld);
  const nodes: Throttle[] = [];
  for (let node = 0; node < 2; node += 1) {
    const { live, throttle } = await openLive(server.url, truth, systemWorld, { prefix: "shared:" });
    t.after(() => live.close());
    nodes.push(createThrottle(throttle, true));
  }
  const admissions = await Promise.all(
    Array.from({ length: 30 }, async (_, index) => {
      const admission = await nodes[index % 2]?.admit("throttled_log_ins_told", "kim");
      // Whoever finds no unit waits for those that are still being used.
      if (admission?.allowed) admission.permit.keep();
      return admission;
    }),
  );
  assert.equal(admissions.filter((each) => each?.allowed).length, 1);
  const [key] = (await server.ask("KEYS", "shared:t:*")) as string[];
  const left = Number(await server.ask("PTTL", key ?? ""));
  assert.ok(left > 50_000 && left <= 61_000, `${left} ms`);
});

test("while the store is away each node counts for itself, and gives back where it took", needsRedis, async (t) => {
  const server = await startRedis(t);
  const { live, throttle } = await openLive(server.url, openMemory(systemWorld), systemWorld);
  t.after(() => live.close());
  const rule = { capacity: 2, refillMs: 3_600_000 };
  assert.equal(await throttle.take("kim", rule), 0);
  await server.kill();
  assert.equal(await throttle.take("kim", rule), 0);
  assert.equal(await throttle.take("kim", rule), 0);
  assert.ok((await throttle.take("kim", rule)) > 0);
  await throttle.giveBack("kim", rule);
  assert.equal(await throttle.take("kim", rule), 0);
  assert.ok((await throttle.take("kim", rule)) > 0);
});
