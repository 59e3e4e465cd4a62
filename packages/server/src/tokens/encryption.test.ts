import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { test } from "node:test";
import type { Jwk } from "@mapae/verifier";
import { bindDecryptionKey, openNestedJwt } from "@mapae/verifier/jwe";
import type { PublishedKeys } from "../clients/published-keys.ts";
import { createEncrypt } from "./encryption.ts";

const pair = () => {
  const { publicKey, privateKey } = generateKeyPairSync("x25519");
  const jwk = (key: typeof publicKey): Jwk => key.export({ format: "jwk" });
  return { published: jwk(publicKey), own: jwk(privateKey) };
};
const JWS = "eyJhbGciOiJFUzI1NiJ9.e30.AAAA";

test("whatever was signed is encrypted for the first of a client's keys, and without keys it stays as it is", async () => {
  const [first, second] = [pair(), pair()];
  const encrypt = createEncrypt();
  assert.equal(await encrypt(JWS, null), JWS);
  const keys: PublishedKeys = [first.published, second.published];
  // An access token, an ID token, a userinfo response: one function, which reads none of them.
  const [one, other] = await Promise.all([encrypt(JWS, keys), encrypt(JWS, keys)]);
  assert.notEqual(one, other, "never twice the same");
  const open = async (text: string, jwk: Jwk) => openNestedJwt(text, [await bindDecryptionKey(jwk)]);
  for (const text of [one, other]) {
    assert.equal(await open(text, first.own), JWS);
    assert.equal(await open(text, second.own), null);
  }
  assert.equal(await open(await encrypt(JWS, [second.published]), second.own), JWS, "the new key, at once");
});

test("a key that cannot be used is a fault of each call, and not one that stays", async () => {
  const encrypt = createEncrypt();
  const broken: PublishedKeys = [{ kty: "OKP", crv: "X25519", x: "AA" }];
  for (const _again of [1, 2]) await assert.rejects(async () => encrypt(JWS, broken), { code: "key_malformed" });
});
