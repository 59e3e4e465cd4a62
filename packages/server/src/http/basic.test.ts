import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { basicAuthorization } from "../../../verifier/src/revocation/upstream.ts";
import { readBasic } from "./basic.ts";

test("whatever id and secret a client encodes come out as they went in (RFC 6749 §2.3.1)", () => {
  const part = fc.string({ unit: "grapheme", minLength: 1 }).filter((text) => text.isWellFormed());
  fc.assert(
    fc.property(part, part, (id, secret) => {
      assert.deepEqual(readBasic(basicAuthorization(id, secret)), { id, secret });
    }),
  );
});

test("what is no pair is nobody, and reading never throws", () => {
  for (const header of [
    null,
    "",
    "Basic",
    "Basic ",
    "Bearer eA==",
    "Basic eA==",
    `Basic ${btoa(":x")}`,
    `Basic ${btoa("x:")}`,
  ]) {
    assert.equal(readBasic(header), null);
  }
  fc.assert(fc.property(fc.string(), (text) => void readBasic(`Basic ${text}`)));
});
