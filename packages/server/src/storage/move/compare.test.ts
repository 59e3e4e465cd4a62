/** Whatever differs between two sides is found: missing, surplus or changed, wherever it stands. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Row } from "../sql/columns.ts";
import { compare, type Pages } from "./compare.ts";
import { compareKeys, keyAsJson, keyFromJson, keyOf, rowsAsJson, unkeepable } from "./rows.ts";
import type { Table } from "./tables.ts";

const TABLE: Table = {
  name: "things",
  columns: [
    { name: "note", type: "text" },
    { name: "id", type: "text" },
    { name: "octets", type: "bytea" },
    { name: "number", type: "bigint" },
  ],
  key: [
    { name: "id", type: "text" },
    { name: "number", type: "bigint" },
  ],
};

const row = fc.tuple(
  fc.option(fc.string({ unit: "grapheme", maxLength: 4 })),
  fc.string({ unit: "grapheme", maxLength: 3 }),
  fc.option(fc.uint8Array({ maxLength: 4 })),
  fc.integer({ min: -3, max: 3 }),
);
const inOrder = (rows: readonly Row[]): readonly Row[] =>
  [...new Map(rows.map((each) => [keyAsJson(keyOf(TABLE, each)), each])).values()].sort((a, b) =>
    compareKeys(keyOf(TABLE, a), keyOf(TABLE, b)),
  );

async function* paged(rows: readonly Row[], size: number): Pages {
  for (let at = 0; at < rows.length; at += size) yield rows.slice(at, at + size);
}

test("every difference between two sides is counted, and equal sides have equal digests", async () => {
  const side = fc.array(row, { maxLength: 12 }).map((rows) => inOrder(rows));
  await fc.assert(
    fc.asyncProperty(side, side, fc.integer({ min: 1, max: 5 }), fc.boolean(), async (left, other, size, same) => {
      const right = same ? left : other;
      const told: number[] = [];
      const found = await compare(TABLE, paged(left, size), paged(right, 3), size, (rows) => told.push(rows));
      const texts = (rows: readonly Row[]) => new Map(rows.map((each) => [keyAsJson(keyOf(TABLE, each)), each]));
      const [lefts, rights] = [texts(left), texts(right)];
      const missing = [...lefts.keys()].filter((key) => !rights.has(key)).length;
      const surplus = [...rights.keys()].filter((key) => !lefts.has(key)).length;
      const whole = (each: Row | undefined) => rowsAsJson(TABLE, each === undefined ? [] : [each]);
      const changed = [...lefts].filter(
        ([key, each]) => rights.has(key) && whole(rights.get(key)) !== whole(each),
      ).length;
      assert.equal(found.differences, missing + surplus + changed);
      assert.equal(found.rows, left.length);
      assert.equal(found.source === found.target, found.differences === 0);
      assert.equal(told.at(-1), left.length);
    }),
  );
});

test("a difference is told by its place and its column, and never by a value", async () => {
  const secret = "do-not-tell";
  const left: Row[] = [
    [secret, "a", null, 1],
    [null, "b", null, 1],
  ];
  const right: Row[] = [
    [`${secret}!`, "a", null, 1],
    [null, "c", Buffer.of(1), 1],
  ];
  const { examples } = await compare(TABLE, paged(left, 9), paged(right, 9), 9, () => {});
  assert.deepEqual(examples, [
    { kind: "differs", row: 1, column: "note" },
    { kind: "missing", row: 2, column: null },
    { kind: "surplus", row: 2, column: null },
  ]);
  assert.ok(!JSON.stringify(examples).includes(secret));
});

test("a cursor is read as it was written", () => {
  fc.assert(
    fc.property(row, (each) => {
      const table: Table = { ...TABLE, key: TABLE.columns.filter(({ name }) => name !== "note") };
      const whole = each.map((value) => value ?? Buffer.alloc(0));
      const key = keyOf(table, whole);
      assert.equal(compareKeys(keyFromJson(table, keyAsJson(key)), key), 0);
    }),
  );
  assert.throws(() => keyFromJson(TABLE, "[1]"));
  assert.throws(() => keyFromJson(TABLE, '[null, "a"]'));
});

test("texts are in the order of their octets, as in both engines, and not of JavaScript's units", () => {
  assert.ok("\u{1f600}" < "\uff5e");
  assert.ok(compareKeys(["\u{1f600}"], ["\uff5e"]) > 0);
  assert.ok(compareKeys(["a", 2], ["a", 10]) < 0);
});

test("a text that PostgreSQL cannot keep is found", () => {
  assert.equal(
    unkeepable([
      ["a", 1],
      ["b\u0000", 2],
    ]),
    1,
  );
  assert.equal(unkeepable([["\\u0000", Buffer.of(0), null]]), -1);
});
