import assert from "node:assert/strict";
import { getPriority } from "node:os";
import { test } from "node:test";
import { lowerHashing } from "./priority.ts";

test("the pool that hashes yields to the event loop, which keeps its priority", async () => {
  const before = getPriority();
  const lowered = await lowerHashing();
  assert.equal(getPriority(), before);
  if (process.platform === "linux") assert.ok(lowered >= 1);
  else assert.equal(lowered, 0);
  assert.equal(await lowerHashing(), lowered);
});
