import assert from "node:assert/strict";
import { test } from "node:test";
import { formatTable, interleave, median, pairedRatio } from "./harness.ts";

test("a median is the middle, or between the two middles", () => {
  assert.equal(median([9, 1, 5]), 5);
  assert.equal(median([4, 1, 3, 2]), 2.5);
});

test("a ratio is taken within each round, so a slow round slows both sides of it", () => {
  assert.equal(pairedRatio([1, 10, 2], [2, 20, 4]), 0.5);
});

test("every subject runs in every round, and no two rounds begin with the same one", async () => {
  const order: string[] = [];
  const subject = (name: string) => ({
    name,
    run: async () => {
      order.push(name);
      await new Promise((resolve) => setTimeout(resolve, 2));
    },
  });
  const measured = await interleave([subject("a"), subject("b")], { rounds: 2, milliseconds: 1 });
  assert.deepEqual(
    measured.map(({ subject, cpu, wall }) => [subject, cpu.length, wall.length]),
    [
      ["a", 2, 2],
      ["b", 2, 2],
    ],
  );
  assert.deepEqual(order.slice(-4), ["a", "b", "b", "a"]);
});

test("the table has a line for each subject and a column for each metric", () => {
  const row = { bench: "x", case: "one", runs: 1 };
  const table = formatTable([
    { ...row, subject: "mapae", metric: "cpu", value: 1.234, unit: "us" },
    { ...row, subject: "mapae", metric: "rate", value: 12_345.6, unit: "1/s" },
    { ...row, subject: "limit", metric: "cpu", value: 1, unit: "us" },
  ]);
  assert.deepEqual(
    table.split("\n").map((line) => line.split(/\s{2,}/)),
    [
      ["case", "subject", "cpu, us", "rate, 1/s"],
      ["one", "mapae", "1.23", "12,346"],
      ["one", "limit", "1.00"],
    ],
  );
});
