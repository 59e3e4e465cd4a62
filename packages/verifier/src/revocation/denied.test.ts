import assert from "node:assert/strict";
import { test } from "node:test";
import { createDenied } from "./denied.ts";

const claims = (jti: string, exp: number) => ({ iss: "i", sub: "u", aud: "a", exp, iat: 0, jti, client_id: "c" });

test("what was called inactive stays so; when there are too many, those that have run out go first", () => {
  const denied = createDenied();
  assert.equal(denied.has(claims("first", 1_000)), false);
  denied.add(claims("first", 1_000), 0);
  for (let index = 0; index < 9_999; index += 1) denied.add(claims(`over ${index}`, 10), 0);
  assert.equal(denied.has(claims("first", 1_000)), true);
  denied.add(claims("last", 1_000), 500);
  assert.equal(denied.has(claims("first", 1_000)), true);
  assert.equal(denied.has(claims("last", 1_000)), true);
  assert.equal(denied.has(claims("over 7", 10)), false);
});

test("it is bounded also where none has run out", () => {
  const denied = createDenied();
  for (let index = 0; index <= 10_000; index += 1) denied.add(claims(`${index}`, 1_000), 0);
  assert.equal(denied.has(claims("0", 1_000)), false);
  assert.equal(denied.has(claims("1", 1_000)), true);
});
