import assert from "node:assert/strict";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { test } from "node:test";
import type { Jwk } from "@mapae/verifier";
import { admitKeys, mayShare, type PublishedKeys } from "./published-keys.ts";

const jwkOf = (key: KeyObject): Jwk => key.export({ format: "jwk" });
const x = generateKeyPairSync("x25519");
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });

test("keys for encryption are kept with what names them and nothing else, keys for signatures are left out", async () => {
  const signing = { ...jwkOf(generateKeyPairSync("ed25519").publicKey), use: "sig" };
  const given = { ...jwkOf(x.publicKey), kid: "k", key_ops: [], note: "mine", x5c: ["MIIB"] };
  const admitted = await admitKeys([signing, given, jwkOf(rsa.publicKey)]);
  assert.ok(admitted.ok);
  assert.deepEqual(admitted.keys, [
    { ...jwkOf(x.publicKey), kid: "k", use: "enc", alg: "ECDH-ES" },
    { ...jwkOf(rsa.publicKey), use: "enc", alg: "RSA-OAEP-256" },
  ]);
});

test("a private key, a secret, weak keys, unknown ones, none and too many are refused with the reason", async () => {
  const detail = async (...jwks: Jwk[]) => {
    const admitted = await admitKeys(jwks);
    return admitted.ok ? "admitted" : admitted.detail;
  };
  assert.match(await detail(jwkOf(x.privateKey)), /private key/);
  assert.match(await detail(jwkOf(x.publicKey), jwkOf(rsa.privateKey)), /private key/);
  assert.match(await detail({ kty: "oct", k: "AAAA" }), /private key/);
  assert.match(await detail(jwkOf(generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey)), /smaller than/);
  assert.match(await detail({ kty: "EC", crv: "P-256", x: "A", y: "B" }), /no key to encrypt with: The key is not one/);
  assert.match(await detail({ ...jwkOf(rsa.publicKey), alg: "RSA1_5" }), /alg is not/);
  assert.match(await detail(), /no key to encrypt with$/);
  assert.match(await detail(...Array.from({ length: 11 }, () => jwkOf(x.publicKey))), /more than 10/);
});

test("an audience is shared among any number without keys, and with nobody beside keys", () => {
  const keys: PublishedKeys = [{ kty: "OKP" }];
  const of = (id: string, jwks: PublishedKeys | null) => ({ id, audience: "a", jwks });
  assert.equal(mayShare(of("a", null), []), true);
  assert.equal(mayShare(of("a", keys), [of("a", null)]), true, "oneself is nobody else");
  assert.equal(mayShare(of("a", null), [of("b", null), of("c", null)]), true);
  assert.equal(mayShare(of("a", keys), [of("b", null)]), false);
  assert.equal(mayShare(of("a", null), [of("b", keys)]), false);
});
