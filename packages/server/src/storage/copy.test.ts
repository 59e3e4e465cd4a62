import assert from "node:assert/strict";
import { test } from "node:test";
import { copy } from "./copy.ts";

test("a copy shares nothing with what it was copied from, bytes included, and says the same", () => {
  const row = { secretId: Buffer.from("0123456789abcdef"), scope: ["account"], device: { name: "Phone" }, ended: null };
  const copied = copy(row);
  assert.deepEqual(copied, row);
  assert.ok(Buffer.isBuffer(copied.secretId));
  row.secretId.fill(0);
  row.device.name = "Laptop";
  assert.equal(copied.secretId.toString(), "0123456789abcdef");
  assert.equal(copied.device.name, "Phone");
});

test("copied bytes keep no more memory than themselves: not a piece of the pool that others were in", () => {
  const { buffer, byteOffset } = copy(Buffer.from("0123456789abcdef"));
  assert.equal(buffer.byteLength, 16);
  assert.equal(byteOffset, 0);
});
