import assert from "node:assert/strict";
import { test } from "node:test";
import { watchClock } from "./maintenance.ts";

const MINUTE = 60_000;
const DAY = 1440 * MINUTE;

function clockOf() {
  let passed = 0;
  let set = 1_800_000_000_000;
  return {
    now: () => set + passed,
    monotonic: () => passed,
    pass: (ms: number) => {
      passed += ms;
    },
    set: (ms: number) => {
      set += ms;
    },
  };
}

test("a clock that goes as time does is believed, and a slow drift too", () => {
  const clock = clockOf();
  const believable = watchClock(clock);
  for (let round = 0; round < 1000; round += 1) {
    clock.pass(30_000);
    clock.set(MINUTE);
    assert.equal(believable(), true);
  }
});

test("a clock that jumps ahead is not believed, and is again once it is set right", () => {
  const clock = clockOf();
  const believable = watchClock(clock);
  clock.set(30 * DAY);
  for (let round = 0; round < 10; round += 1) {
    clock.pass(30_000);
    assert.equal(believable(), false);
  }
  clock.set(-30 * DAY);
  assert.equal(believable(), true);
});

test("a clock that stays at its new time for an hour was wrong before, and is believed", () => {
  const clock = clockOf();
  const believable = watchClock(clock);
  clock.set(DAY);
  assert.equal(believable(), false);
  clock.pass(59 * MINUTE);
  assert.equal(believable(), false);
  clock.pass(MINUTE);
  assert.equal(believable(), true);
  clock.pass(MINUTE);
  assert.equal(believable(), true);
});

test("a clock that goes back is believed: it forgets nothing too early", () => {
  const clock = clockOf();
  const believable = watchClock(clock);
  clock.set(-365 * DAY);
  assert.equal(believable(), true);
});
