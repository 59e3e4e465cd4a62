import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type KeyAction, type KeySchedule, plan, type SigningKeyRecord } from "./signing-key.ts";

const HOUR = 3_600_000;
const schedule: KeySchedule = {
  alg: "ES256",
  rotateAfterMs: 24 * HOUR,
  publishLeadMs: HOUR,
  cachedMs: 300_000,
  toleranceSeconds: 60,
};

const STAMPS: Record<string, (now: number) => Partial<SigningKeyRecord>> = {
  active: (now) => ({ activatedAt: now }),
  retired: (now) => ({ retiredAt: now }),
};

let made = 0;
function fresh(state: SigningKeyRecord["state"], now: number, more: Partial<SigningKeyRecord> = {}): SigningKeyRecord {
  made += 1;
  return {
    kid: `key-${made}`,
    alg: "ES256",
    state,
    publicJwk: {},
    sealedPrivate: Buffer.alloc(1),
    dataKey: 1,
    createdAt: now,
    activatedAt: state === "active" ? now : null,
    retiredAt: null,
    highestExp: 0,
    ...more,
  };
}

function apply(keys: readonly SigningKeyRecord[], actions: readonly KeyAction[], now: number): SigningKeyRecord[] {
  const after = [...keys];
  for (const action of actions) {
    if (action.action === "generate") after.push(fresh(action.state, now));
    else {
      const at = after.findIndex(({ kid }) => kid === action.kid);
      const key = after[at];
      assert.ok(key, "an action names a key that is there");
      after[at] = { ...key, state: action.to, ...STAMPS[action.to]?.(now) };
    }
  }
  return after;
}

/** Applies plans until nothing is due. */
function settle(keys: readonly SigningKeyRecord[], now: number): SigningKeyRecord[] {
  let settled = [...keys];
  for (let round = 0; round < 5; round += 1) {
    const due = plan(settled, schedule, now);
    if (due.length === 0) return settled;
    settled = apply(settled, due, now);
  }
  return assert.fail("the plan does not converge");
}

const inState = (keys: readonly SigningKeyRecord[], state: string) => keys.filter((key) => key.state === state);

test("the first start makes one key that signs and one that will", () => {
  const keys = settle([], 0);
  assert.deepEqual(keys.map(({ state }) => state).sort(), ["active", "upcoming"]);
});

test("on the day, the upcoming key takes over, the earlier one verifies on, and the next one is published", () => {
  const before = settle([], 0);
  const after = settle(before, 24 * HOUR);
  assert.equal(inState(after, "active")[0]?.kid, inState(before, "upcoming")[0]?.kid);
  assert.equal(inState(after, "upcoming").length, 1);
});

test("a rotation waits until the upcoming key has been published long enough", () => {
  const keys = [fresh("active", 0), fresh("upcoming", 24 * HOUR - 1)];
  assert.deepEqual(plan(keys, schedule, 24 * HOUR), []);
  assert.equal(plan(keys, schedule, 25 * HOUR).length, 2);
});

test("a retired key stays until the last of its tokens has expired everywhere", () => {
  const retired = fresh("retired", 0, { highestExp: 1000 });
  const keys = [fresh("active", 0), fresh("upcoming", 0), retired];
  assert.deepEqual(plan(keys, schedule, 1_060_000), []);
  assert.deepEqual(plan(keys, schedule, 1_060_001), [{ action: "move", kid: retired.kid, to: "gone" }]);
});

test("a revoked key is never forgotten by the schedule", () => {
  const keys = [fresh("active", 0), fresh("upcoming", 0), fresh("revoked", 0, { highestExp: 1 })];
  assert.deepEqual(plan(keys, schedule, 23 * HOUR), []);
});

test("keys of an algorithm that is configured no more stop signing and verify on", () => {
  const old = fresh("active", 0, { alg: "RS256", highestExp: 1e9 });
  const keys = settle([old], 5);
  assert.equal(keys.find(({ kid }) => kid === old.kid)?.state, "retired");
  assert.equal(inState(keys, "active")[0]?.alg, "ES256");
});

test("without a rotation period a key signs until an operator rotates", () => {
  assert.deepEqual(plan(settle([], 0), { ...schedule, rotateAfterMs: 0 }, 1e15), []);
});

/** What can happen to the keys between two looks at the schedule; the clock may also go back. */
const happening = fc.oneof(
  fc.record({ what: fc.constant("wait"), ms: fc.integer({ min: 0, max: 40 * HOUR }) }),
  fc.record({ what: fc.constant("jump back"), ms: fc.integer({ min: 0, max: 2 * HOUR }) }),
  fc.record({ what: fc.constant("sign"), ms: fc.integer({ min: 0, max: 5 * HOUR }) }),
  fc.record({ what: fc.constant("revoke"), ms: fc.constant(0) }),
);

test("whatever happens: one active, one upcoming, none signs before its time, none is forgotten before its tokens", () => {
  fc.assert(
    fc.property(fc.array(happening, { maxLength: 60 }), (happenings) => {
      let now = 1_000 * HOUR;
      let keys = settle([], now);
      for (const { what, ms } of happenings) {
        const active = inState(keys, "active")[0];
        assert.ok(active);
        if (what === "wait") now += ms;
        if (what === "jump back") now -= ms;
        const change: Partial<SigningKeyRecord> =
          what === "sign"
            ? { highestExp: Math.max(active.highestExp, Math.ceil((now + ms) / 1000)) }
            : what === "revoke"
              ? { state: "revoked" }
              : {};
        keys = keys.map((key) => (key === active ? { ...key, ...change } : key));
        const before = keys;
        keys = settle(keys, now);
        assert.equal(inState(keys, "active").length, 1);
        assert.equal(inState(keys, "upcoming").length, 1);
        const signs = inState(keys, "active")[0];
        const earlier = before.find(({ kid }) => kid === signs?.kid);
        if (what !== "revoke" && earlier?.state === "upcoming") {
          assert.ok(now >= earlier.createdAt + schedule.publishLeadMs, "it was published long enough");
        }
        for (const key of keys) {
          const was = before.find(({ kid }) => kid === key.kid)?.state;
          if (key.state === "gone" && was !== "gone")
            assert.ok(now / 1000 > key.highestExp + schedule.toleranceSeconds);
        }
      }
    }),
  );
});
