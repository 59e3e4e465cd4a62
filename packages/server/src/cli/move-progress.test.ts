/** What a person sees of a move: a line for each table, once, and on a terminal how far it is and how long it takes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { moveProgress } from "./move-progress.ts";
import { createOutput } from "./output.ts";

function watching(isTTY: boolean) {
  let [shown, now] = ["", 0];
  const stderr = { isTTY, write: (text: string) => (shown += text) };
  const output = createOutput(false, { write: () => {} }, stderr, {});
  const clock = { now: () => now, monotonic: () => now };
  return { tell: moveProgress(output, clock), shown: () => shown, pass: (ms: number) => (now += ms) };
}

test("without a terminal there is a line for every table with rows, once in each phase", () => {
  const { tell, shown } = watching(false);
  tell.begins(
    new Map([
      ["users", 2],
      ["log", 0],
    ]),
    "resume",
    1,
  );
  for (const phase of ["carry", "compare"] as const) {
    tell.step({ phase, table: "users", rows: 1, of: 2 });
    tell.step({ phase, table: "users", rows: 2, of: 2 });
    tell.step({ phase, table: "users", rows: 2, of: 2 });
    tell.step({ phase, table: "log", rows: 0, of: 0 });
  }
  assert.equal(
    shown(),
    "A move was begun: it goes on.\n2 rows to carry over, 1 are there\nusers: 2 rows carried over\nusers: 2 rows compared\n",
  );
});

test("on a terminal one line replaces itself, with the share of all work and the time that is left", () => {
  const { tell, shown, pass } = watching(true);
  tell.begins(new Map([["users", 1_000]]), "begin", 0);
  pass(10_000);
  tell.step({ phase: "carry", table: "users", rows: 500, of: 1_000 });
  assert.match(shown(), /carrying over users: 500 of 1,000; 25%, about 30s left$/);
  tell.step({ phase: "carry", table: "users", rows: 1_000, of: 1_000 });
  tell.step({ phase: "compare", table: "users", rows: 500, of: 1_000 });
  assert.match(shown(), /users: 1,000 rows carried over\n.*comparing users: 500 of 1,000; 75%, about 3s left$/s);
});

test("of a move that goes on, only what it does now is counted for the time that is left", () => {
  const { tell, shown, pass } = watching(true);
  tell.begins(new Map([["users", 1_000]]), "resume", 900);
  pass(10_000);
  tell.step({ phase: "carry", table: "users", rows: 1_000, of: 1_000 });
  tell.step({ phase: "compare", table: "users", rows: 100, of: 1_000 });
  assert.match(shown(), /55%, about 45s left$/);
});
