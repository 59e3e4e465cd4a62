/** Nested JWTs of every kind that a provider encrypts: access tokens, ID tokens, userinfo responses. */
import assert from "node:assert/strict";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { test } from "node:test";
import { compactDecrypt, createLocalJWKSet, EncryptJWT, importJWK, type JWK, jwtVerify } from "jose";
import { bindSigningKey } from "../jose/jwk.ts";
import { signJws } from "../jose/jws.ts";
import type { Jwk } from "../jose/keys.ts";
import { TOKEN_MAX } from "../jose/limits.ts";
import { makeJwe } from "./compact.ts";
import { bindDecryptionKey, bindEncryptionKey } from "./keys.ts";
import { ENCRYPTED_TOKEN_MAX, nestJwt, openNestedJwt } from "./nested.ts";

const jwkOf = (key: KeyObject, kid?: string): Jwk => ({
  ...key.export({ format: "jwk" }),
  ...(kid === undefined ? {} : { kid }),
});
const PAIRS = {
  X25519: { alg: "ECDH-ES", ...generateKeyPairSync("x25519") },
  "P-256": { alg: "ECDH-ES", ...generateKeyPairSync("ec", { namedCurve: "P-256" }) },
  RSA: { alg: "RSA-OAEP-256", ...generateKeyPairSync("rsa", { modulusLength: 2048 }) },
};
const server = generateKeyPairSync("ec", { namedCurve: "P-256" });
const signing = bindSigningKey(jwkOf(server.privateKey), { alg: "ES256", kid: "s1" });
const headerOf = (compact: string) => JSON.parse(Buffer.from(compact.split(".")[0] ?? "", "base64url").toString());

function signed(typ: string | undefined, claims: object): string {
  return signJws(typ === undefined ? {} : { typ }, claims, signing);
}

const now = Math.floor(Date.now() / 1000);
const who = { iss: "https://login.example", aud: "app", sub: "kdw" };
/** What is nested, by what the standards call it. */
const KINDS = {
  "an access token (RFC 9068)": signed("at+jwt", { ...who, iat: now, exp: now + 300, client_id: "app", jti: "1" }),
  "an ID token (OpenID Connect Core §2)": signed("JWT", { ...who, iat: now, exp: now + 300, nonce: "n", sid: "s" }),
  "an ID token without a typ": signed(undefined, { ...who, iat: now, exp: now + 300 }),
  "a userinfo response (OpenID Connect Core §5.3.2)": signed("JWT", { ...who, email: "kdw@example.com" }),
};

for (const [kind, jws] of Object.entries(KINDS)) {
  for (const [name, { alg, publicKey, privateKey }] of Object.entries(PAIRS)) {
    test(`${kind} is nested for ${name}, and comes out letter for letter, here and of a library of the relying party`, async () => {
      const nested = await nestJwt(jws, await bindEncryptionKey(jwkOf(publicKey, "e1")));
      const { epk: _epk, ...header } = headerOf(nested);
      assert.deepEqual(header, { alg, enc: "A256GCM", kid: "e1", cty: "JWT" });
      assert.equal(await openNestedJwt(nested, [await bindDecryptionKey(jwkOf(privateKey, "e1"))]), jws);

      const { plaintext } = await compactDecrypt(nested, await importJWK(jwkOf(privateKey) as JWK, alg));
      const keys = createLocalJWKSet({ keys: [{ ...jwkOf(server.publicKey), kid: "s1", alg: "ES256" } as JWK] });
      const { payload } = await jwtVerify(plaintext, keys, { issuer: who.iss, audience: "app", algorithms: ["ES256"] });
      assert.equal(payload.sub, "kdw");
    });
  }
}

test("what libraries make of bare claims, with and without a cty that lies, is not opened", async () => {
  const { publicKey, privateKey } = PAIRS["P-256"];
  const own = [await bindDecryptionKey(jwkOf(privateKey))];
  const key = await importJWK(jwkOf(publicKey) as JWK, "ECDH-ES");
  for (const cty of [undefined, "JWT", "jwt", "application/jwt"]) {
    const header = { alg: "ECDH-ES", enc: "A256GCM", ...(cty === undefined ? {} : { cty }) };
    const bare = await new EncryptJWT({ sub: "admin" }).setProtectedHeader(header).encrypt(key);
    assert.equal(await openNestedJwt(bare, own), null, String(cty));
  }
});

test("cty is JWT in either case or as a media type (RFC 7519 §5.2), and nothing else", async () => {
  const { publicKey, privateKey } = PAIRS.X25519;
  const [key, own] = [await bindEncryptionKey(jwkOf(publicKey)), [await bindDecryptionKey(jwkOf(privateKey))]];
  const jws = KINDS["an ID token without a typ"];
  const opened = async (header: object) => {
    return openNestedJwt(await makeJwe({ ...header }, new TextEncoder().encode(jws), key), own);
  };
  for (const cty of ["JWT", "jwt", "application/jwt"]) assert.equal(await opened({ cty }), jws, cty);
  for (const cty of [undefined, "", "JWT ", "xJWT", "JWTs", "text/plain", 7, ["JWT"]]) {
    assert.equal(await opened({ cty }), null, String(cty));
  }
  for (const wrong of [{ kid: 7 }, { typ: 7 }, { crit: ["cty"] }, { zip: "DEF" }]) {
    assert.equal(await opened({ cty: "JWT", ...wrong }).catch(() => null), null, JSON.stringify(wrong));
  }
});

test("the largest token that is signed fits, encrypted, for every key, and no larger one is opened", async () => {
  const large = `${"e".repeat(2000)}.${"p".repeat(TOKEN_MAX - 2000 - 2 - 86)}.${"s".repeat(86)}`;
  for (const { publicKey, privateKey } of Object.values(PAIRS)) {
    const [key, own] = [await bindEncryptionKey(jwkOf(publicKey)), [await bindDecryptionKey(jwkOf(privateKey))]];
    const nested = await nestJwt(large, key);
    assert.ok(nested.length <= ENCRYPTED_TOKEN_MAX);
    assert.equal(await openNestedJwt(nested, own), large);
    assert.equal(await openNestedJwt(await nestJwt(`${large}s`, key), own), null);
  }
});
