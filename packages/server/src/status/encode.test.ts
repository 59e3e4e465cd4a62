import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { inflateSync } from "node:zlib";
import { encodeBits, gzipped, newBits, SIGNED_LIST_MAX, setInvalid } from "./encode.ts";
import { LIST_BITS } from "./slot.ts";

// draft-ietf-oauth-status-list-21 §4.1: the example with 16 tokens.
test("bits stand where the draft's example has them", async () => {
  const bits = newBits();
  for (const idx of [0, 3, 4, 5, 7, 8, 9, 13, 15]) setInvalid(bits, idx);
  assert.deepEqual([...bits.subarray(0, 3)], [0xb9, 0xa3, 0]);
  const lst = await encodeBits(bits.subarray(0, 2));
  assert.equal(lst, "eNrbuRgAAhcBXQ");
  assert.deepEqual([...inflateSync(Buffer.from(lst, "base64url"))], [0xb9, 0xa3]);
});

test("the last index is the highest bit of the last octet", () => {
  const bits = newBits();
  setInvalid(bits, LIST_BITS - 1);
  assert.equal(bits.at(-1), 0x80);
  assert.equal(
    bits.findIndex((octet) => octet !== 0),
    LIST_BITS / 8 - 1,
  );
});

test("a list that cannot be compressed fits what a signed one may have", async () => {
  const bits = newBits();
  bits.set(randomBytes(bits.length));
  const lst = await encodeBits(bits);
  const largestSignature = 3309;
  assert.ok(((lst.length + 500) * 4) / 3 + (largestSignature * 4) / 3 + 1366 < SIGNED_LIST_MAX);
  assert.ok((await gzipped("x".repeat(1000))).length < 100);
});
