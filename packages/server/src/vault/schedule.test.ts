import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { planDataKeys } from "./schedule.ts";

const DAY = 86_400_000;

test("a MAC key is replaced after its time, and a pepper never by itself", () => {
  const keys = [
    { id: 1, purpose: "refresh-mac" as const, createdAt: 0 },
    { id: 2, purpose: "pepper" as const, createdAt: 0 },
  ];
  assert.deepEqual(planDataKeys(keys, 29 * DAY), { rotate: [], forget: [] });
  assert.deepEqual(planDataKeys(keys, 30 * DAY), { rotate: ["refresh-mac"], forget: [] });
  assert.deepEqual(planDataKeys(keys, 4000 * DAY), { rotate: ["refresh-mac"], forget: [] });
});

test("a MAC key outlives every token that was made under it", () => {
  const keys = [
    { id: 1, purpose: "refresh-mac" as const, createdAt: 0 },
    { id: 3, purpose: "refresh-mac" as const, createdAt: 30 * DAY },
  ];
  assert.deepEqual(planDataKeys(keys, 30 * DAY + 400 * DAY - 1).forget, []);
  assert.deepEqual(planDataKeys(keys, 30 * DAY + 400 * DAY).forget, [1]);
});

test("followed for years, the plan keeps a young current key and a bounded number of old ones", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 120 }), (steps) => {
      let keys = [{ id: 1, purpose: "refresh-mac" as const, createdAt: 0 }];
      let now = 0;
      let next = 2;
      for (const days of steps) {
        now += days * DAY;
        const plan = planDataKeys(keys, now);
        keys = keys.filter(({ id }) => !plan.forget.includes(id));
        for (const purpose of plan.rotate) {
          assert.equal(purpose, "refresh-mac");
          keys.push({ id: next++, purpose: "refresh-mac", createdAt: now });
        }
        const newest = keys.at(-1);
        assert.ok(newest !== undefined && now - newest.createdAt < 30 * DAY);
        assert.ok(keys.length <= 16);
      }
    }),
  );
});
