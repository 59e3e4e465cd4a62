import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import { hasSmallOrder, isRocaModulus } from "./weak-keys.ts";

test("every Ed25519 point of small order is refused, in both signs and in its spellings beyond the field", () => {
  const ys = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  ];
  for (const y of ys) {
    const point = Buffer.from(y, "hex");
    assert.equal(hasSmallOrder(point, "Ed25519"), true, y);
    point[31] = (point[31] ?? 0) | 0x80;
    assert.equal(hasSmallOrder(point, "Ed25519"), true, y);
  }
});

test("honest keys are not called weak", () => {
  for (let round = 0; round < 20; round++) {
    const { x } = generateKeyPairSync("ed25519").publicKey.export({ format: "jwk" });
    assert.equal(hasSmallOrder(Buffer.from(x ?? "", "base64url"), "Ed25519"), false);
  }
  for (let round = 0; round < 3; round++) {
    const { n } = generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey.export({ format: "jwk" });
    assert.equal(isRocaModulus(Buffer.from(n ?? "", "base64url")), false);
  }
});
