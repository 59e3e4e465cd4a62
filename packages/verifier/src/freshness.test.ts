import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  began,
  type Cause,
  type Freshness,
  failed,
  freshForOf,
  mayFetch,
  NEVER,
  succeeded,
  untilDue,
} from "./freshness.ts";

const COOLDOWN = 10_000;
const fetched = (now: number, freshFor: number): Freshness => succeeded(began(NEVER, "age", now), now, freshFor);

describe("when the issuer is asked for its keys", () => {
  test("at once when there are none, and again when the set has aged", () => {
    assert.equal(mayFetch(NEVER, "age", 5, COOLDOWN), true);
    const state = fetched(0, 60_000);
    assert.equal(mayFetch(state, "age", 59_999, COOLDOWN), false);
    assert.equal(untilDue(state, 59_999), 1);
    assert.equal(mayFetch(state, "age", 60_000, COOLDOWN), true);
    assert.equal(untilDue(state, 60_000), 0);
  });

  test("for an unknown key at once, and then not before the cooldown", () => {
    let state = fetched(0, 600_000);
    assert.equal(mayFetch(state, "unknown_key", 1, COOLDOWN), true);
    state = succeeded(began(state, "unknown_key", 1), 2, 600_000);
    assert.equal(mayFetch(state, "unknown_key", 10_000, COOLDOWN), false);
    assert.equal(mayFetch(state, "unknown_key", 10_001, COOLDOWN), true);
  });

  test("after failures, at growing distances of at most 30 seconds, whoever asks", () => {
    let state = began(NEVER, "age", 0);
    const waits: number[] = [];
    for (let n = 0; n < 8; n += 1) {
      state = failed(state);
      const wait = untilDue(state, 0);
      waits.push(wait);
      for (const cause of ["age", "unknown_key"] satisfies Cause[]) {
        assert.equal(mayFetch(state, cause, wait - 1, COOLDOWN), false);
        assert.equal(mayFetch(state, cause, wait, COOLDOWN), true);
      }
    }
    assert.deepEqual(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  });

  test("a clock that was set back makes a fetch due instead of putting it off for hours", () => {
    assert.equal(mayFetch(fetched(3_600_000, 60_000), "age", 0, COOLDOWN), true);
  });

  test("the number of fetches in any time is bounded, whatever is asked and whatever fails", () => {
    const step = fc.record({
      wait: fc.integer({ min: 0, max: 5_000 }),
      cause: fc.constantFrom<Cause>("age", "unknown_key"),
      fails: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        let now = 0;
        let state = NEVER;
        let good = 0;
        for (const { wait, cause, fails } of steps) {
          now += wait;
          if (!mayFetch(state, cause, now, COOLDOWN)) continue;
          state = began(state, cause, now);
          if (fails) state = failed(state);
          else {
            state = succeeded(state, now, 60_000);
            good += 1;
          }
        }
        assert.ok(good <= 2 + now / COOLDOWN + now / 60_000, `${good} fetches in ${now} ms`);
      }),
    );
  });
});

describe("how long a response stays fresh", () => {
  const bounds = { shortest: 30_000, longest: 600_000, usual: 300_000 };
  const cases: [cacheControl: string | null, age: string | null, freshFor: number][] = [
    [null, null, 300_000],
    ["public, max-age=120", null, 120_000],
    ["MAX-AGE=120", null, 120_000],
    ["max-age=120", "60", 60_000],
    ["max-age=120", "nonsense", 120_000],
    ["max-age=0", null, 30_000],
    ["max-age=31536000", null, 600_000],
    ["no-store", null, 30_000],
    ["no-cache, max-age=120", null, 30_000],
    ["max-age=-5", null, 300_000],
    ["max-age=1e99", null, 300_000],
    ["s-maxage=5, private", null, 300_000],
  ];
  for (const [cacheControl, age, freshFor] of cases) {
    test(`Cache-Control ${cacheControl ?? "left out"}${age === null ? "" : ` with Age ${age}`} means ${freshFor / 1000} s`, () => {
      assert.equal(freshForOf(cacheControl, age, bounds), freshFor);
    });
  }

  test("no header takes it out of its bounds", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (cacheControl, age) => {
        const freshFor = freshForOf(cacheControl, age, bounds);
        assert.ok(freshFor >= bounds.shortest && freshFor <= bounds.longest);
      }),
    );
  });
});
