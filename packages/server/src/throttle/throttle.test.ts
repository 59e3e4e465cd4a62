import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { openMemoryThrottle } from "../storage/memory/throttle.ts";
import { type Bucket, type BucketRule, giveBack, levelAt, take } from "./bucket.ts";
import { LIMITS } from "./limits.ts";
import type { ThrottleStore } from "./store.ts";
import { createThrottle, type Permit } from "./throttle.ts";

const ACCOUNT = "login_failures_of_account";
const { capacity, refillMs } = LIMITS[ACCOUNT];

const rules: fc.Arbitrary<BucketRule> = fc.record({
  capacity: fc.integer({ min: 1, max: 100 }),
  refillMs: fc.integer({ min: 1, max: 10_000 }),
});

test("a bucket never lets through more than its capacity and what time brought back", () => {
  fc.assert(
    fc.property(rules, fc.array(fc.nat(5000), { maxLength: 300 }), (rule, pauses) => {
      let bucket: Bucket | undefined;
      let now = 1_000_000;
      let allowed = 0;
      for (const pause of pauses) {
        now += pause;
        const taken = take(bucket, rule, now);
        bucket = taken.bucket;
        if (taken.allowed) allowed += 1;
        assert.ok(bucket.level >= 0 && bucket.level <= rule.capacity);
      }
      assert.ok(allowed <= rule.capacity + (now - 1_000_000) / rule.refillMs + 1e-6);
    }),
  );
});

test("who waits as long as a refusal says gets through", () => {
  fc.assert(
    fc.property(rules, fc.nat(10_000), (rule, early) => {
      let bucket: Bucket | undefined;
      for (let count = 0; count < rule.capacity; count += 1) bucket = take(bucket, rule, early).bucket;
      const refused = take(bucket, rule, early);
      assert.ok(!refused.allowed);
      assert.ok(take(refused.bucket, rule, early + refused.retryAfterMs).allowed);
    }),
  );
});

test("giving back after taking leaves the bucket as it was, and never above its capacity", () => {
  fc.assert(
    fc.property(rules, fc.nat(20), (rule, times) => {
      let bucket: Bucket | undefined;
      for (let count = 0; count < times; count += 1) bucket = giveBack(take(bucket, rule, 5).bucket, rule, 5);
      assert.equal(levelAt(bucket, rule, 5), rule.capacity);
      assert.equal(giveBack(bucket, rule, 5).level, rule.capacity);
    }),
  );
});

test("a clock that goes back refills nothing", () => {
  const rule = { capacity: 1, refillMs: 1000 };
  const { bucket } = take(undefined, rule, 10_000);
  assert.equal(take(bucket, rule, 5_000).allowed, false);
  assert.equal(take(take(bucket, rule, 5_000).bucket, rule, 10_999).allowed, false);
});

function stopped(): { clock: { now(): number; monotonic(): number }; set(ms: number): void; jump(ms: number): void } {
  let elapsed = 0;
  let wall = 1_700_000_000_000;
  return {
    clock: { now: () => wall + elapsed, monotonic: () => elapsed },
    set: (ms) => {
      elapsed = ms;
    },
    jump: (ms) => {
      wall += ms;
    },
  };
}

test("a wall clock that is put back a day does not lock anyone out for a day", async () => {
  const time = stopped();
  const throttle = createThrottle(openMemoryThrottle(time.clock), true);
  for (let count = 0; count < capacity; count += 1) await keep(throttle.admit(ACCOUNT, "kim"));
  time.jump(-86_400_000);
  time.set(refillMs);
  assert.equal((await throttle.admit(ACCOUNT, "kim")).allowed, true);
});

async function keep(admission: ReturnType<ReturnType<typeof createThrottle>["admit"]>): Promise<boolean> {
  const settled = await admission;
  if (settled.allowed) settled.permit.keep();
  return settled.allowed;
}

test("after as many failures as the limit has, the next is refused with the seconds to wait", async () => {
  const throttle = createThrottle(openMemoryThrottle(stopped().clock), true);
  for (let count = 0; count < capacity; count += 1) assert.equal(await keep(throttle.admit(ACCOUNT, "kim")), true);
  assert.deepEqual(await throttle.admit(ACCOUNT, "kim"), { allowed: false, retryAfter: refillMs / 1000 });
  assert.equal((await throttle.admit(ACCOUNT, "lee")).allowed, true, "another account has its own");
  assert.equal((await throttle.admit("login_failures_of_device", "kim")).allowed, true, "another limit has its own");
});

test("a hundred honest log-ins at once are not refused, and cost nothing", async () => {
  const throttle = createThrottle(openMemoryThrottle(stopped().clock), true);
  const honest = Array.from({ length: 100 }, async () => {
    const admission = await throttle.admit(ACCOUNT, "kim");
    assert.ok(admission.allowed);
    await new Promise((checked) => setImmediate(checked));
    await admission.permit.giveBack();
  });
  await Promise.all(honest);
  for (let count = 0; count < capacity; count += 1) assert.equal(await keep(throttle.admit(ACCOUNT, "kim")), true);
});

test("of a thousand parallel guesses no more than the capacity is ever checked", async () => {
  const throttle = createThrottle(openMemoryThrottle(stopped().clock), true);
  let checked = 0;
  const guesses = Array.from({ length: 1000 }, async () => {
    const admission = await throttle.admit(ACCOUNT, "kim");
    if (!admission.allowed) return;
    checked += 1;
    await new Promise((done) => setImmediate(done));
    admission.permit.keep();
  });
  await Promise.all(guesses);
  assert.equal(checked, capacity);
});

test("honest and guessing attempts at once: the wrong ones are counted, the right ones are not", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.boolean(), { maxLength: 60 }), async (rights) => {
      const throttle = createThrottle(openMemoryThrottle(stopped().clock), true);
      let wrong = 0;
      const attempts = rights.map(async (right) => {
        const admission = await throttle.admit(ACCOUNT, "kim");
        if (!admission.allowed) return;
        await new Promise((done) => setImmediate(done));
        if (right) await admission.permit.giveBack();
        else wrong += 1;
        admission.permit.keep();
      });
      await Promise.all(attempts);
      assert.ok(wrong <= capacity);
      assert.equal(wrong, Math.min(capacity, rights.filter((right) => !right).length));
    }),
    { numRuns: 30 },
  );
});

test("a permit is settled once: keeping after giving back, or giving back twice, changes nothing", async () => {
  const throttle = createThrottle(openMemoryThrottle(stopped().clock), true);
  const admission = await throttle.admit(ACCOUNT, "kim");
  assert.ok(admission.allowed);
  await admission.permit.giveBack();
  await admission.permit.giveBack();
  admission.permit.keep();
  for (let count = 0; count < capacity; count += 1) assert.equal(await keep(throttle.admit(ACCOUNT, "kim")), true);
  assert.equal(await keep(throttle.admit(ACCOUNT, "kim")), false);
});

test("a store that fails while a unit goes back leaves nobody waiting for ever", async () => {
  let failing = true;
  const memory = openMemoryThrottle(stopped().clock);
  const store: ThrottleStore = {
    take: memory.take,
    giveBack: async (key, rule) => {
      if (failing) throw new Error("the store is away");
      await memory.giveBack(key, rule);
    },
  };
  const throttle = createThrottle(store, true);
  const permits: Permit[] = [];
  for (let count = 0; count < capacity; count += 1) {
    const admission = await throttle.admit(ACCOUNT, "kim");
    if (admission.allowed) permits.push(admission.permit);
  }
  const waiting = throttle.admit(ACCOUNT, "kim");
  await Promise.all(permits.map((permit) => assert.rejects(permit.giveBack())));
  failing = false;
  assert.equal((await waiting).allowed, false);
});

test("a lifted throttle admits everything", async () => {
  const throttle = createThrottle(openMemoryThrottle(stopped().clock), false);
  for (let count = 0; count < 10 * capacity; count += 1) assert.equal(await keep(throttle.admit(ACCOUNT, "kim")), true);
});
