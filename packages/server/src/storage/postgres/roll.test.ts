import assert from "node:assert/strict";
import { test } from "node:test";
import { outlast } from "../../feed/lease.ts";
import type { Word } from "../../feed/nodes.ts";
import { asId } from "../../prelude/ids.ts";
import { Roll, wordText } from "./roll.ts";

const N = 5_000;

/** Rows as the question has them: id, beat, longest lease, word. */
const rows = (...each: readonly (readonly [string, number, number?, string?])[]) => ({
  rows: each.map(([id, beat, leaseMs = N, word = ""]) => [id, beat, leaseMs, word]),
  count: each.length,
  command: "SELECT",
});
const counted = (roll: Roll, result: ReturnType<typeof rows>, now: number) =>
  roll.take(result, now).flatMap(({ id, counts }) => (counts ? [id] : []));

test("a node counts until its beat has stood still for its longest lease, and again from its next beat", () => {
  const roll = new Roll();
  assert.deepEqual(counted(roll, rows(["b", 7], ["c", 3]), 1_000), ["b", "c"]);
  assert.deepEqual(counted(roll, rows(["b", 7], ["c", 4]), 1_000 + outlast(N) - 1), ["b", "c"]);
  assert.deepEqual(counted(roll, rows(["b", 7], ["c", 4]), 1_000 + outlast(N)), ["c"]);
  assert.deepEqual(counted(roll, rows(["b", 8], ["c", 4]), 1_001 + outlast(N)), ["b", "c"]);
});

test("one that has never read the head has given no lease, whatever else it says", () => {
  assert.deepEqual(counted(new Roll(), rows(["b", 0, 60_000]), 1), []);
});

test("how long it is waited for goes by its own longest lease", () => {
  const roll = new Roll();
  const both = rows(["short", 1, 1_000], ["long", 1, 60_000]);
  assert.deepEqual(counted(roll, both, 0), ["short", "long"]);
  assert.deepEqual(counted(roll, both, outlast(1_000)), ["long"]);
  assert.deepEqual(counted(roll, both, outlast(60_000)), []);
});

test("only rows that stood still for ten minutes are removed, and only while they still do", () => {
  const roll = new Roll();
  roll.take(rows(["dead", 5], ["lives", 1]), 0);
  roll.take(rows(["dead", 5], ["lives", 2]), 599_999);
  assert.deepEqual(roll.buryings(599_999), []);
  assert.deepEqual(
    roll.buryings(600_000).map(({ values }) => values),
    [["dead", 5]],
  );
});

test("what a node says is read as it was written, and what is not understood is as if it had said nothing", () => {
  const instance = (index: number) => ({
    instance: asId("instance", `ins_${index}`),
    client: asId("client", "orders"),
  });
  const word: Word = {
    settled: { epoch: 1, seq: 9 },
    tally: {
      position: { epoch: 1, seq: 12 },
      acknowledged: 40,
      outstanding: Array.from({ length: 80 }, (_, index) => instance(index)),
      unbound: [{ ...instance(1), verifiers: 3 }],
    },
  };
  const [read] = new Roll().take(rows(["b", 1, N, wordText(word)]), 0);
  assert.deepEqual(read?.word, { ...word, tally: { ...word.tally, outstanding: word.tally.outstanding.slice(0, 50) } });
  const [strange] = new Roll().take(rows(["b", 1, N, '{"settled": "all of it"}']), 0);
  assert.equal(strange?.word, null);
  assert.equal(strange?.counts, true);
});
