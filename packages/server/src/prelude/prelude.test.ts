import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import fc from "fast-check";
import { formatDuration, parseDuration } from "./duration.ts";
import { newId } from "./ids.ts";
import { decodeCursor, encodeCursor, pageOf } from "./page.ts";
import { Secret, sameBytes } from "./secret.ts";
import { systemWorld } from "./world.ts";

test("a secret shows itself nowhere but in reveal", () => {
  const secret = new Secret("hunter2hunter2");
  const shown = [`${secret}`, JSON.stringify({ secret }), inspect({ secret }), String(secret), inspect(secret)];
  for (const text of shown) assert.doesNotMatch(text, /hunter2/);
  assert.deepEqual(Object.keys(secret), []);
  assert.equal(secret.reveal(), "hunter2hunter2");
});

test("equal bytes are the same, whatever their kind and length", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (left, right) => {
      assert.equal(sameBytes(left, right), left === right);
      assert.equal(sameBytes(left, Buffer.from(left)), true);
    }),
  );
});

test("a cursor reads back; anything else is none of ours, and reading never throws", () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.oneof(fc.string(), fc.maxSafeNat()), (at, id) => {
      assert.deepEqual(decodeCursor(encodeCursor(at, id)), { at, id: String(id) });
    }),
  );
  fc.assert(fc.property(fc.string(), (text) => decodeCursor(text) === null || text !== ""));
  for (const json of ["[1]", "[1,2,3]", '["1","a"]', "{}", "[1.5,1]", "[1,null]", "[1,{}]", "7", "null"]) {
    assert.equal(decodeCursor(Buffer.from(json).toString("base64url")), null);
  }
});

test("a page has a next one exactly where there are more rows", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(), { maxLength: 20 }), fc.integer({ min: 1, max: 20 }), (rows, limit) => {
      const page = pageOf(rows, limit, (row) => [row, row]);
      assert.deepEqual(page.items, rows.slice(0, limit));
      assert.equal(page.next !== null, rows.length > limit);
    }),
  );
});

test("durations read as seconds or with a unit, and print as what reads the same", () => {
  const cases = [
    ["10", 10_000],
    ["10s", 10_000],
    ["5m", 300_000],
    ["30d", 2_592_000_000],
    ["250ms", 250],
    ["0", 0],
  ] as const;
  for (const [text, ms] of cases) assert.equal(parseDuration(text), ms);
  for (const text of ["", "-1", "1.5s", "1 s", "1w", "s", "1e3", "٣s", "999999999999d"]) {
    assert.equal(parseDuration(text), undefined);
  }
  fc.assert(fc.property(fc.nat(), (ms) => assert.equal(parseDuration(formatDuration(ms)), ms)));
});

test("an id says what it names and has 128 random bits (ASVS 7.2.3)", () => {
  const ids = Array.from({ length: 5000 }, () => newId("session", systemWorld.random));
  assert.equal(new Set(ids).size, ids.length);
  for (const id of ids) assert.match(id, /^ses_[A-Za-z0-9_-]{22}$/);
});

test("the pool of randomness gives every byte once, and no run of zeroes", () => {
  const draws = Array.from({ length: 2000 }, () => systemWorld.random.bytes(16).toString("hex"));
  assert.equal(new Set(draws).size, draws.length);
  assert.equal(systemWorld.random.bytes(1000).length, 1000);
  const [first, second] = [systemWorld.random.bytes(32), systemWorld.random.bytes(32)];
  second.fill(0);
  assert.notEqual(first.toString("hex"), "0".repeat(64), "a draw is nobody else's memory");
});
