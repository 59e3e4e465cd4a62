/** Which keys encrypt and open, and which never do. */
import assert from "node:assert/strict";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { test } from "node:test";
import { type Jwk, type KeyRefusalCode, KeyRefused } from "../jose/keys.ts";
import { makeJwe, openJwe, parseJwe } from "./compact.ts";
import { bindDecryptionKey, bindEncryptionKey } from "./keys.ts";

const jwkOf = (key: KeyObject): Jwk => key.export({ format: "jwk" });
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
const x = generateKeyPairSync("x25519");

function refused(jwk: Jwk, code: KeyRefusalCode, half: "public" | "private" = "public"): Promise<void> {
  const bind = half === "public" ? bindEncryptionKey : bindDecryptionKey;
  return assert.rejects(bind(jwk), (error) => error instanceof KeyRefused && error.code === code, code);
}

test("each key of the table encrypts, and its other half opens", async () => {
  for (const { publicKey, privateKey } of [rsa, ec, x]) {
    const jwe = await makeJwe({ typ: "x" }, new Uint8Array([1, 2, 3]), await bindEncryptionKey(jwkOf(publicKey)));
    const parsed = parseJwe(jwe, 8192, ["typ"]);
    assert.ok(parsed);
    assert.deepEqual(await openJwe(parsed, await bindDecryptionKey(jwkOf(privateKey))), new Uint8Array([1, 2, 3]));
    for (const other of [rsa, ec, x]) {
      if (other.privateKey === privateKey) continue;
      assert.equal(await openJwe(parsed, await bindDecryptionKey(jwkOf(other.privateKey))), null);
    }
    assert.equal(parseJwe(jwe, 8192, []), null, "a parameter that nobody allowed");
    assert.equal(parseJwe(jwe, jwe.length - 1, ["typ"]), null, "too long");
  }
});

test("the other half, another kind, another curve, another algorithm: refused, each by its name", async () => {
  await refused(jwkOf(rsa.privateKey), "key_private");
  await refused(jwkOf(rsa.publicKey), "key_not_private", "private");
  await refused({ kty: "oct", k: "AAAA" }, "key_type_mismatch");
  await refused(jwkOf(generateKeyPairSync("ed25519").publicKey), "key_curve_mismatch");
  await refused(jwkOf(generateKeyPairSync("ec", { namedCurve: "P-384" }).publicKey), "key_curve_mismatch");
  await refused({ ...jwkOf(rsa.publicKey), alg: "RSA-OAEP" }, "key_algorithm_mismatch");
  await refused({ ...jwkOf(rsa.publicKey), alg: "RSA1_5" }, "key_algorithm_mismatch");
  await refused({ ...jwkOf(ec.publicKey), alg: "ES256" }, "key_algorithm_mismatch");
  await refused({}, "key_type_mismatch");
});

test("a key that says it is for something else is used for nothing here", async () => {
  await refused({ ...jwkOf(rsa.publicKey), use: "sig" }, "key_use_forbidden");
  await refused({ ...jwkOf(rsa.publicKey), key_ops: ["verify"] }, "key_use_forbidden");
  await refused({ ...jwkOf(rsa.publicKey), key_ops: [] }, "key_use_forbidden");
  await refused({ ...jwkOf(x.privateKey), key_ops: ["sign"] }, "key_use_forbidden", "private");
  await bindEncryptionKey({ ...jwkOf(x.publicKey), use: "enc", key_ops: [] });
  await bindDecryptionKey({ ...jwkOf(x.privateKey), use: "enc", key_ops: ["deriveBits"] });
  await bindEncryptionKey({ ...jwkOf(rsa.publicKey), key_ops: ["wrapKey"] });
});

test("weak keys: short moduli, small and even exponents, points of small order and off the curve", async () => {
  await refused(jwkOf(generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey), "key_too_small");
  await refused({ ...jwkOf(rsa.publicKey), e: "Aw" }, "key_exponent_unsafe");
  await refused({ ...jwkOf(rsa.publicKey), e: "AQAA" }, "key_exponent_unsafe");
  for (const point of [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
  ]) {
    await refused({ ...jwkOf(x.publicKey), x: Buffer.from(point, "hex").toString("base64url") }, "key_weak");
  }
  const off = Buffer.from(jwkOf(ec.publicKey).y ?? "", "base64url");
  off[31] = (off[31] ?? 0) ^ 1;
  await refused({ ...jwkOf(ec.publicKey), y: off.toString("base64url") }, "key_malformed");
  await refused({ ...jwkOf(ec.publicKey), y: "AA" }, "key_malformed");
  await refused({ ...jwkOf(ec.publicKey), y: undefined }, "key_malformed");
});
