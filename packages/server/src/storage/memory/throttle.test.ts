/** The table of buckets is bounded, and filling it does not help an attacker. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { TestClock } from "../contract/stage.ts";
import { openMemoryThrottle } from "./throttle.ts";

const RULE = { capacity: 10, refillMs: 60_000 };

describe("throttle in memory", () => {
  test("takes what there is, says how long until there is more, and gives back", async () => {
    const clock = new TestClock();
    const throttle = openMemoryThrottle(clock);
    for (let index = 0; index < 10; index += 1) assert.equal(await throttle.take("key", RULE), 0);
    assert.equal(await throttle.take("key", RULE), RULE.refillMs);
    clock.advance(RULE.refillMs / 2);
    assert.equal(await throttle.take("key", RULE), RULE.refillMs / 2);
    await throttle.giveBack("key", RULE);
    assert.equal(await throttle.take("key", RULE), 0);
    assert.equal(await throttle.take("another", RULE), 0);
  });

  test("giving back what was never taken makes no unit", async () => {
    const throttle = openMemoryThrottle(new TestClock());
    await throttle.giveBack("key", RULE);
    for (let index = 0; index < 10; index += 1) assert.equal(await throttle.take("key", RULE), 0);
    assert.notEqual(await throttle.take("key", RULE), 0);
  });

  test("flooding a full table with fresh keys does not reset a victim's empty bucket", async () => {
    const throttle = openMemoryThrottle(new TestClock(), 500);
    for (let index = 0; index < 10; index += 1) await throttle.take("victim", RULE);
    for (let index = 0; index < 20_000; index += 1) {
      await throttle.take(`flood ${index}`, RULE);
      if (index % 1000 === 0) assert.notEqual(await throttle.take("victim", RULE), 0);
    }
    assert.notEqual(await throttle.take("victim", RULE), 0);
  });

  test("buckets that have refilled make room first", async () => {
    const clock = new TestClock();
    const throttle = openMemoryThrottle(clock, 100);
    for (let index = 0; index < 90; index += 1) await throttle.take(`old ${index}`, RULE);
    clock.advance(RULE.refillMs);
    const spent = Array.from({ length: 80 }, (_, index) => `new ${index}`);
    for (const key of spent) for (let index = 0; index < 10; index += 1) await throttle.take(key, RULE);
    for (const key of spent) assert.notEqual(await throttle.take(key, RULE), 0);
  });
});
