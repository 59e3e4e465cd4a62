import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { layOut } from "./table.ts";
import { cut, printable, relative, size, span, widthOf } from "./text.ts";

test("no text that is shown can move the cursor, colour, break the line or turn the reading direction", () => {
  const dangerous = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      assert.doesNotMatch(printable(text), dangerous);
    }),
  );
  assert.equal(printable("a\x1b[31mb"), "a\\u{1b}[31mb");
  assert.equal(printable("김 Søren 👩‍👩‍👧"), "김 Søren 👩‍👩‍👧");
});

test("Korean, Japanese and emoji take two columns, combining marks none", () => {
  assert.equal(widthOf("abc"), 3);
  assert.equal(widthOf("김철수"), 6);
  assert.equal(widthOf("e\u0301"), 1);
  assert.equal(widthOf("👩‍👩‍👧"), 2);
});

test("what is cut never exceeds the width", () => {
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), fc.integer({ min: 1, max: 20 }), (text, width) => {
      assert.ok(widthOf(cut(text, width)) <= width);
    }),
  );
  assert.equal(cut("김철수입니다", 5), "김철…");
});

test("a table is aligned by columns, cut to the terminal, and never cuts an id", () => {
  const rows = [
    { id: "usr_0123456789", name: "김철수", state: "active" },
    { id: "usr_9876543210", name: "a very long display name that does not fit", state: "off" },
  ];
  const columns = [
    { title: "ID", of: (row: (typeof rows)[number]) => row.id },
    { title: "NAME", of: (row: (typeof rows)[number]) => row.name, shrinks: true },
    { title: "STATE", of: (row: (typeof rows)[number]) => row.state },
  ];
  const narrow = layOut(columns, rows, 40);
  assert.deepEqual(
    [narrow.head(), ...rows.map((row) => narrow.line(row))],
    [
      "ID              NAME              STATE",
      "usr_0123456789  김철수            active",
      "usr_9876543210  a very long dis…  off",
    ],
  );
  assert.match(layOut(columns, rows, null).line({ id: "x", name: "y", state: "z" }), /^x {15}y {43}z$/);
});

test("times and sizes are told in at most two units", () => {
  assert.equal(span(0), "0s");
  assert.equal(span(93_784), "1d 2h");
  assert.equal(relative(10_000, 70_000), "1m ago");
  assert.equal(relative(70_000, 10_000), "in 1m");
  assert.equal(size(1_234_567), "1.2 MB");
});
