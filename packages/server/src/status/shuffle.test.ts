import assert from "node:assert/strict";
import { test } from "node:test";
import { shuffled } from "./shuffle.ts";
import { LIST_BITS } from "./slot.ts";

const seed = Buffer.from("a seed of 16 oct");

test("every count has an index of its own inside the list, and they are everywhere in it", () => {
  const seen = new Uint8Array(LIST_BITS);
  for (let count = 0; count < LIST_BITS / 8; count += 1) {
    const index = shuffled(count, seed);
    assert.ok(index >= 0 && index < LIST_BITS);
    assert.equal(seen[index], 0);
    seen[index] = 1;
  }
  const half = seen.subarray(0, LIST_BITS / 2).reduce((sum, one) => sum + one, 0);
  assert.ok(Math.abs(half - LIST_BITS / 16) < LIST_BITS / 160);
});

test("neighbours do not stay neighbours, and another seed is another order", () => {
  const other = Buffer.from("another seed of!");
  const near = Array.from({ length: 1000 }, (_, count) => Math.abs(shuffled(count, seed) - shuffled(count + 1, seed)));
  assert.ok(near.filter((distance) => distance < 1000).length < 100);
  const same = Array.from({ length: 1000 }, (_, count) => shuffled(count, seed) === shuffled(count, other));
  assert.ok(same.filter(Boolean).length < 10);
});
