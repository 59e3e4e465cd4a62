import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate as turnOfLoop } from "node:timers/promises";
import fc from "fast-check";
import { createHashAdmission, hashSlots } from "./admission.ts";

/** A clock that stands still until told, and tasks that end when told. */
function stage(settings: { slots: number; waitingPerSlot?: number; maxWait?: number; firstGuess?: number }) {
  let now = 0;
  const admission = createHashAdmission({ ...settings, clock: { now: () => now, monotonic: () => now } });
  const ends: (() => void)[] = [];
  const task = (): Promise<void> => new Promise((resolve) => ends.push(resolve));
  return {
    admission,
    task,
    pass: (ms: number) => {
      now += ms;
    },
    endOne: async () => {
      ends.shift()?.();
      await turnOfLoop();
    },
  };
}

test("no more than the slots run at a time, and those that wait come in their order", async () => {
  const { admission, task, endOne } = stage({ slots: 2 });
  const order: number[] = [];
  const all = [0, 1, 2, 3, 4].map((index) =>
    admission.run(() => {
      order.push(index);
      return task();
    }),
  );
  assert.deepEqual(order, [0, 1]);
  assert.deepEqual([admission.metrics().inFlight, admission.metrics().waiting], [2, 3]);
  for (let index = 0; index < 5; index++) await endOne();
  assert.deepEqual(order, [0, 1, 2, 3, 4]);
  for (const result of await Promise.all(all)) assert.equal(result.ok, true);
  assert.equal(admission.metrics().completed, 5);
});

test("beyond the places a caller is refused at once, and told when there will be one", async () => {
  const { admission, task } = stage({ slots: 1, waitingPerSlot: 2, firstGuess: 400 });
  for (let index = 0; index < 3; index++) void admission.run(task);
  assert.equal(admission.metrics().expectedWaitMs, 1200);
  assert.deepEqual(await admission.run(task), { ok: false, refusal: "overloaded", retryAfter: 2 });
});

test("a short queue of dear hashes is refused by its expected wait, not by its length", async () => {
  const { admission, task } = stage({ slots: 1, maxWait: 1000, firstGuess: 20 });
  void admission.run(task, { cost: 100 });
  assert.deepEqual(await admission.run(task), { ok: false, refusal: "overloaded", retryAfter: 3 });
});

test("refused callers are told different times, so that they do not all come back at once", async () => {
  const { admission, task, pass } = stage({ slots: 1, waitingPerSlot: 1, firstGuess: 500 });
  void admission.run(task);
  void admission.run(task);
  const told: number[] = [];
  for (let index = 0; index < 100; index++) {
    const result = await admission.run(task);
    if (!result.ok && result.refusal === "overloaded") told.push(result.retryAfter);
  }
  assert.deepEqual(told.slice(0, 6), [2, 2, 3, 3, 4, 4]);
  assert.equal(told.at(-1), 30);
  pass(60_000);
  const later = await admission.run(task);
  assert.deepEqual(later, { ok: false, refusal: "overloaded", retryAfter: 1 }, "the schedule runs off with time");
});

test("a caller that goes away while it waits leaves the queue; one that runs is finished", async () => {
  const { admission, task, endOne } = stage({ slots: 1 });
  const gone = new AbortController();
  const first = admission.run(task, { signal: gone.signal });
  const second = admission.run(task, { signal: gone.signal });
  const third = admission.run(task);
  gone.abort();
  assert.deepEqual(await second, { ok: false, refusal: "aborted" });
  assert.deepEqual(await admission.run(task, { signal: gone.signal }), { ok: false, refusal: "aborted" });
  await endOne();
  assert.equal((await first).ok, true);
  await endOne();
  assert.equal((await third).ok, true);
  assert.equal(admission.metrics().aborted, 2);
});

test("a caller that goes away while its hash runs is not counted as one that left the queue", async () => {
  const { admission, task, endOne } = stage({ slots: 1 });
  const gone = new AbortController();
  const first = admission.run(task);
  const second = admission.run(task, { signal: gone.signal });
  await endOne();
  await first;
  gone.abort();
  await endOne();
  assert.equal((await second).ok, true);
  assert.equal(admission.metrics().aborted, 0);
});

test("nobody slips in between a turn that came and the work it begins", async () => {
  for (let delay = 0; delay < 12; delay++) {
    const { admission, task, endOne } = stage({ slots: 1 });
    let live = 0;
    const counted = async (): Promise<void> => {
      assert.equal(++live, 1);
      await task();
      live--;
    };
    const all = [admission.run(counted), admission.run(counted)];
    const ended = endOne();
    for (let microtask = 0; microtask < delay; microtask++) await Promise.resolve();
    all.push(admission.run(counted));
    await ended;
    await endOne();
    await endOne();
    for (const result of await Promise.all(all)) assert.equal(result.ok, true);
  }
});

test("a task that fails frees its slot, and its fault reaches the caller", async () => {
  const { admission, task, endOne } = stage({ slots: 1 });
  const failing = admission.run(() => Promise.reject(new Error("disk")));
  const next = admission.run(task);
  await assert.rejects(failing, /disk/);
  await endOne();
  assert.equal((await next).ok, true);
});

test("the expected wait follows what hashes take, and one pause of the machine does not close the door", async () => {
  const { admission, task, pass, endOne } = stage({ slots: 1, firstGuess: 15 });
  for (let index = 0; index < 60; index++) {
    const run = admission.run(task, { cost: 2 });
    pass(60);
    await endOne();
    await run;
  }
  assert.ok(Math.abs(admission.metrics().meanMs - 30) < 1);
  const paused = admission.run(task);
  pass(3_600_000);
  await endOne();
  await paused;
  assert.ok(admission.metrics().meanMs < 60);
});

test("whatever comes, goes or fails, the slots are never exceeded and nothing is left behind", async () => {
  const action = fc.constantFrom("run", "end", "abort", "tick");
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 3 }), fc.array(action, { maxLength: 60 }), async (slots, actions) => {
      const { admission, task, endOne, pass } = stage({ slots, waitingPerSlot: 3 });
      const results: Promise<unknown>[] = [];
      let last = new AbortController();
      let live = 0;
      for (const step of actions) {
        if (step === "run") {
          last = new AbortController();
          const started = async (): Promise<void> => {
            live++;
            assert.ok(live <= slots);
            await task();
            live--;
          };
          results.push(admission.run(started, { signal: last.signal }));
        } else if (step === "end") await endOne();
        else if (step === "abort") last.abort();
        else pass(100);
        assert.ok(admission.metrics().inFlight <= slots);
      }
      while (admission.metrics().inFlight > 0) await endOne();
      await Promise.all(results);
      assert.deepEqual([admission.metrics().inFlight, admission.metrics().waiting, live], [0, 0, 0]);
    }),
    { numRuns: 100 },
  );
});

test("hashing leaves a core to the event loop and threads of the pool to others", () => {
  assert.equal(hashSlots({ cores: 1 }), 1);
  assert.equal(hashSlots({ cores: 2 }), 1);
  assert.equal(hashSlots({ cores: 8 }), 2, "four threads, of which two stay free");
  assert.equal(hashSlots({ cores: 8, threads: 12 }), 7);
  assert.equal(hashSlots({ cores: 8, threads: 12, lanes: 4 }), 1);
});
