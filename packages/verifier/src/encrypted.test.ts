/** Encrypted access tokens: what is inside is judged as ever, and what is outside proves nothing. */
import assert from "node:assert/strict";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { CompactEncrypt, importJWK, type JWK } from "jose";
import { bearer } from "./adapters/fetch.ts";
import { webEngine } from "./engine.ts";
import { createVerifier, type VerifierOptions } from "./index.ts";
import type { Jwk } from "./jose/keys.ts";
import { bindEncryptionKey, ENCRYPTED_TOKEN_MAX, nestJwt } from "./jwe/index.ts";
import { resolveOptions } from "./options.ts";
import { platformWorld } from "./revocation/world.ts";
import { createTestIssuer } from "./testing.ts";
import { verifierOn } from "./verifier.ts";

const jwkOf = (key: KeyObject, kid?: string): Jwk => ({
  ...key.export({ format: "jwk" }),
  ...(kid === undefined ? {} : { kid }),
});
const x = generateKeyPairSync("x25519");
const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const published = jwkOf(x.publicKey, "enc-1");
const own = { keys: [jwkOf(x.privateKey, "enc-1")] };
const issuer = createTestIssuer();
const quiet = { warn: () => undefined };

function opening(options: Partial<VerifierOptions> = {}) {
  return createVerifier({ ...issuer.verifierOptions, ...quiet, decryptionKeys: own, ...options });
}

/** What a JOSE library would make, with whatever header. */
async function encrypted(content: string, header: object = {}, key: Jwk = published): Promise<string> {
  return new CompactEncrypt(new TextEncoder().encode(content))
    .setProtectedHeader({ alg: "ECDH-ES", enc: "A256GCM", cty: "JWT", ...header })
    .encrypt(await importJWK(key as JWK, "ECDH-ES"));
}

async function codeOf(token: unknown, options: Partial<VerifierOptions> = {}): Promise<string> {
  const verdict = await opening(options).check(token);
  return verdict.ok ? "accepted" : verdict.code;
}

for (const [name, pair] of Object.entries({ X25519: x, "P-256": ec, RSA: rsa })) {
  test(`a token encrypted for a key (${name}) is opened and accepted, by its text remembered, and refused by others`, async () => {
    const token = await issuer.encryptedToken(jwkOf(pair.publicKey), { sub: "kdw" });
    assert.equal(token.split(".").length, 5);
    const verifier = opening({ decryptionKeys: { keys: [jwkOf(pair.privateKey)] } });
    const first = verifier.verify(token);
    assert.equal(first.ok ? "" : first.code, "check_required");
    const verdict = await verifier.check(token);
    assert.ok(verdict.ok);
    assert.equal(verdict.claims.sub, "kdw");
    assert.equal(verifier.verify(token), verdict, "what was opened once is remembered, exactly as it came");
    const other = generateKeyPairSync("x25519");
    assert.equal(await codeOf(token, { decryptionKeys: { keys: [jwkOf(other.privateKey)] } }), "not_decryptable");
    const without = createVerifier({ ...issuer.verifierOptions, ...quiet });
    const refused = await without.check(token);
    assert.equal(refused.ok ? "" : refused.code, "not_decryptable");
    assert.equal(without.verify(token).ok, false);
  });
}

test("signed tokens are judged as ever beside a key to open with", async () => {
  assert.equal(opening().verify(issuer.token()).ok, true);
  assert.equal(await codeOf(issuer.token()), "accepted");
  assert.equal(await codeOf(issuer.tokenWith("token_expired")), "token_expired");
});

test("encryption does not make a bad token good: every fault inside is refused as outside", async () => {
  const key = await bindEncryptionKey(published);
  for (const fault of ["token_expired", "invalid_audience", "invalid_signature", "unsupported_algorithm"] as const) {
    assert.equal(await codeOf(await nestJwt(issuer.tokenWith(fault), key)), fault);
  }
  const stranger = createTestIssuer();
  assert.equal(await codeOf(await stranger.encryptedToken(published)), "unknown_key");
});

test("bare claims that anyone can encrypt with the public key are refused, with and without cty", async () => {
  const claims = JSON.stringify({ iss: issuer.issuer, sub: "admin", aud: issuer.audience, exp: 9e9, roles: ["admin"] });
  for (const header of [{}, { cty: undefined }, { cty: undefined, typ: "JWT" }, { typ: "at+jwt" }]) {
    assert.equal(await codeOf(await encrypted(claims, header)), "not_decryptable");
  }
  const unsecured = `${Buffer.from('{"alg":"none","typ":"at+jwt"}').toString("base64url")}.${Buffer.from(claims).toString("base64url")}.`;
  assert.equal(await codeOf(await encrypted(unsecured)), "malformed_token");
});

test("a token inside a token inside a token is not opened any further", async () => {
  assert.equal(await codeOf(await encrypted(await issuer.encryptedToken(published))), "not_decryptable");
});

test("compression, extensions, direct encryption, passwords, other algorithms and keys it brings along are refused", async () => {
  const token = issuer.token();
  const zipped = await encrypted(token, { zip: "DEF" });
  assert.equal(await codeOf(zipped), "not_decryptable");
  assert.equal(await codeOf(await encrypted(token, { enc: "A128GCM" })), "not_decryptable");
  assert.equal(await codeOf(await encrypted(token, { alg: "ECDH-ES+A256KW" })), "not_decryptable");
  const direct = await new CompactEncrypt(new TextEncoder().encode(token))
    .setProtectedHeader({ alg: "dir", enc: "A256GCM", cty: "JWT" })
    .encrypt(Buffer.from(String(published.x), "base64url"));
  assert.equal(await codeOf(direct), "not_decryptable");
  const password = await new CompactEncrypt(new TextEncoder().encode(token))
    .setProtectedHeader({ alg: "PBES2-HS256+A128KW", enc: "A256GCM", cty: "JWT" })
    .encrypt(new TextEncoder().encode("x"));
  assert.equal(await codeOf(password), "not_decryptable");
  for (const parameter of [
    { jwk: published },
    { jku: "https://evil.example" },
    { x5c: ["MIIB"] },
    { iss: issuer.issuer },
  ]) {
    assert.equal(await codeOf(await encrypted(token, parameter)), "not_decryptable");
  }
});

test("a kid chooses among several keys, one that is not there opens nothing, and no kid tries them all", async () => {
  const decryptionKeys = { keys: [jwkOf(ec.privateKey, "enc-2"), jwkOf(x.privateKey, "enc-1")] };
  assert.equal(await codeOf(await issuer.encryptedToken(published), { decryptionKeys }), "accepted");
  assert.equal(await codeOf(await issuer.encryptedToken(jwkOf(ec.publicKey, "enc-2")), { decryptionKeys }), "accepted");
  assert.equal(
    await codeOf(await issuer.encryptedToken(jwkOf(x.publicKey, "gone")), { decryptionKeys }),
    "not_decryptable",
  );
  assert.equal(await codeOf(await issuer.encryptedToken(jwkOf(x.publicKey)), { decryptionKeys }), "accepted");
});

test("every fault of decryption is the same refusal, wherever a character is changed", async () => {
  const token = await issuer.encryptedToken(jwkOf(rsa.publicKey));
  const verifier = opening({ decryptionKeys: { keys: [jwkOf(rsa.privateKey)] } });
  const answers = new Set<string>();
  const [header = "", ...rest] = token.split(".");
  let at = header.length + 1;
  for (const part of rest) {
    for (const offset of [0, 1, part.length - 2]) {
      const place = at + offset;
      const other = token[place] === "A" ? "B" : "A";
      answers.add(JSON.stringify(await verifier.check(token.slice(0, place) + other + token.slice(place + 1))));
    }
    at += part.length + 1;
  }
  assert.deepEqual([...answers], [JSON.stringify(await verifier.check(`${token.slice(0, -1)}`))]);
  assert.equal(answers.size, 1);
});

test("cut off anywhere, or with any bit of any character turned, an encrypted token is refused", async () => {
  const token = await issuer.encryptedToken(published);
  const verifier = opening();
  assert.equal((await verifier.check(token)).ok, true);
  for (let at = 0; at < token.length; at++) {
    assert.equal((await verifier.check(token.slice(0, at))).ok, false, `${at} characters`);
    const flipped = String.fromCharCode(token.charCodeAt(at) ^ (1 << (at % 7)));
    assert.equal((await verifier.check(token.slice(0, at) + flipped + token.slice(at + 1))).ok, false, `${at}`);
  }
});

test("anything with four dots is refused without a fault, and what is too long without a look", async () => {
  const verifier = opening();
  await fc.assert(
    fc.asyncProperty(fc.array(fc.base64String(), { minLength: 5, maxLength: 5 }), async (parts) => {
      const verdict = await verifier.check(parts.map((part) => part.replaceAll("=", "")).join("."));
      assert.equal(verdict.ok ? "" : verdict.code, "not_decryptable");
    }),
    { numRuns: 50 },
  );
  assert.equal(await codeOf(`${"A".repeat(ENCRYPTED_TOKEN_MAX)}....`), "not_decryptable");
});

test("an encrypted token is revoked like any other, and the issuer is asked about what was inside", async (t) => {
  const live = createTestIssuer();
  await live.listen();
  t.after(() => live.close());
  const verifier = createVerifier({ ...live.verifierOptions, ...live.feedOptions, ...quiet, decryptionKeys: own });
  t.after(() => verifier.close());
  await verifier.ready();
  const token = await live.encryptedToken(published, { sid: "ses_1" });
  assert.equal((await verifier.check(token)).ok, true);
  await live.revoke("session", "ses_1", "evicted");
  const verdict = await verifier.check(token);
  assert.equal(verdict.ok ? "" : verdict.code, "token_revoked");
  const cut = createVerifier({
    ...live.verifierOptions,
    ...quiet,
    ...live.feedOptions,
    decryptionKeys: own,
    revocation: { onStale: "introspect" },
  });
  t.after(() => cut.close());
  const good = await live.encryptedToken(published, { sid: "ses_2" });
  assert.equal((await cut.check(good)).ok, true, "asked before the feed has come");
});

test("over WebCrypto alone it is the same", async () => {
  const options = resolveOptions({ ...issuer.verifierOptions, ...quiet, decryptionKeys: own });
  const net = { fetch, now: Date.now, after: () => () => undefined };
  const verifier = verifierOn(webEngine, options, platformWorld(net, undefined));
  assert.equal((await verifier.check(await issuer.encryptedToken(published))).ok, true);
});

test("the adapters open them, and tell a client no more than that the token is invalid", async () => {
  const protect = bearer(opening());
  const handler = protect()((_request, claims) => Response.json({ user: claims.sub }));
  const ask = (token: string) =>
    handler(new Request("https://api.test/", { headers: { authorization: `Bearer ${token}` } }));
  const good = await ask(await issuer.encryptedToken(published, { sub: "kdw" }));
  assert.deepEqual(await good.json(), { user: "kdw" });
  const bad = await ask(await issuer.encryptedToken(jwkOf(ec.publicKey)));
  assert.equal(bad.status, 401);
  assert.match(bad.headers.get("www-authenticate") ?? "", /invalid_token/);
});

test("keys that cannot open are told when the verifier is asked whether it is ready; what is no key at once", async () => {
  const unready = (decryptionKeys: VerifierOptions["decryptionKeys"] & object) => opening({ decryptionKeys }).ready();
  await assert.rejects(unready({ keys: [published] }), { code: "key_not_private" });
  await assert.rejects(unready({ keys: [] }), TypeError);
  await assert.rejects(unready({ keys: [{ ...jwkOf(x.privateKey), use: "sig" }] }), TypeError);
  await opening({ decryptionKeys: JSON.stringify(own) }).ready();
  await opening({ decryptionKeys: x.privateKey.export({ format: "pem", type: "pkcs8" }).toString() }).ready();
  for (const wrong of [7, [], { jwks: [] }, { keys: "x" }] as const) {
    assert.throws(() => opening({ decryptionKeys: wrong as unknown as string }), TypeError);
  }
});
