import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { encodeRiceSet, readRiceSet } from "./rice-set.ts";

test("a Rice set has every member it was made from", () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.string({ unit: "grapheme" }), { maxLength: 200 }),
      fc.integer({ min: 1, max: 20 }),
      (texts, p) => {
        const set = readRiceSet(encodeRiceSet(texts, p));
        assert.equal(set.size, texts.length);
        for (const text of texts) assert.ok(set.has(text));
      },
    ),
    { numRuns: 100 },
  );
});

test("a Rice set takes strangers for members about as often as it says", () => {
  const set = readRiceSet(
    encodeRiceSet(
      Array.from({ length: 2000 }, (_, index) => `member ${index}`),
      8,
    ),
  );
  assert.equal(set.falsePositiveRate, 1 / 256);
  let mistaken = 0;
  for (let index = 0; index < 51_200; index++) if (set.has(`stranger ${index}`)) mistaken++;
  assert.ok(mistaken > 120 && mistaken < 280, `200 expected, ${mistaken} seen`);
});

test("an empty Rice set has nobody", () => {
  assert.equal(readRiceSet(encodeRiceSet([], 10)).has(""), false);
});

test("a damaged Rice set file is a fault, whatever the damage, and never a set that runs away", () => {
  const file = encodeRiceSet(["one", "two", "three", "four"], 12);
  assert.throws(() => readRiceSet(file.subarray(0, file.length - 2)), /cut short/);
  assert.throws(() => readRiceSet(Buffer.from("not a set at all")), /not a Rice set/);
  const lying = Buffer.from(file);
  lying.writeUInt32BE(0xffffffff, 9);
  assert.throws(() => readRiceSet(lying), /cut short/);
});

test("a set that does not fit in 32 bits is refused when it is made", () => {
  assert.throws(() => encodeRiceSet(["one", "two"], 32), RangeError);
});
