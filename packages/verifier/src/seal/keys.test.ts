/** Files of keys, as they come: PEM of every kind, JWK, sets, passphrases, and what is none of these. */
import assert from "node:assert/strict";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { CompactEncrypt } from "jose";
import type { Jwk } from "../jose/keys.ts";
import { fetchKeyText } from "./key-place.ts";
import { type KeysRefusalCode, KeysRefused } from "./key-refusals.ts";
import { KEY_TEXT_MAX, protectKeys, readKeyText } from "./key-text.ts";
import { bindPrivateKeys, bindPublicKeys, publicHalves } from "./party.ts";

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
const ed = generateKeyPairSync("ed25519");
const x = generateKeyPairSync("x25519");
const jwkOf = (key: KeyObject): Jwk => key.export({ format: "jwk" });
const pem = (key: KeyObject, type: "spki" | "pkcs8" | "pkcs1" | "sec1") =>
  key.export({ format: "pem", type }).toString();

function refused(work: Promise<unknown>, code: KeysRefusalCode): Promise<void> {
  return assert.rejects(work, (error) => error instanceof KeysRefused && error.code === code, code);
}

test("public and private keys in every PEM, with several in one text", async () => {
  for (const { publicKey, privateKey } of [rsa, ec, ed, x]) {
    assert.deepEqual(await readKeyText(pem(publicKey, "spki")), [jwkOf(publicKey)]);
    assert.deepEqual(await readKeyText(pem(privateKey, "pkcs8")), [jwkOf(privateKey)]);
  }
  assert.deepEqual(await readKeyText(pem(rsa.publicKey, "pkcs1")), [jwkOf(rsa.publicKey)]);
  assert.deepEqual(await readKeyText(pem(rsa.privateKey, "pkcs1")), [jwkOf(rsa.privateKey)]);
  assert.deepEqual(await readKeyText(pem(ec.privateKey, "sec1")), [jwkOf(ec.privateKey)]);
  const both = `-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n# mine\n${pem(ed.privateKey, "pkcs8")}\n${pem(x.privateKey, "pkcs8")}`;
  const keys = await bindPrivateKeys(await readKeyText(both));
  assert.deepEqual([keys.signing.length, keys.opening.length], [1, 1]);
});

test("one JWK and a set are read, duplicate members and other things are not", async () => {
  const jwk = jwkOf(ec.publicKey);
  assert.deepEqual(await readKeyText(JSON.stringify(jwk)), [jwk]);
  assert.deepEqual(await readKeyText(`\n${JSON.stringify({ keys: [jwk, jwk] })}\n`), [jwk, jwk]);
  for (const text of [
    "",
    " \n",
    "null",
    "[]",
    "{}",
    '{"keys":{}}',
    '{"keys":[null]}',
    '{"keys":[{"x":1}]}',
    '{"kty":"EC","kty":"RSA"}',
    "eyJhbGciOiJub25lIn0.e30.",
    "-----BEGIN PUBLIC KEY-----",
    "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
    "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PRIVATE KEY-----",
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA== a@b",
    "A".repeat(KEY_TEXT_MAX + 1),
  ]) {
    await refused(readKeyText(text), "keys_malformed");
  }
  await refused(bindPublicKeys(await readKeyText('{"keys":[]}')), "keys_none");
});

test("any text is read as keys or refused, without a fault", async () => {
  await fc.assert(
    fc.asyncProperty(fc.string(), fc.json(), fc.base64String(), async (a, b, c) => {
      for (const text of [a, b, `-----BEGIN ${a}-----\n${c}\n-----END ${a}-----`, [c, c, c, c, c].join(".")]) {
        await readKeyText(text, "x").catch((error) => assert.ok(error instanceof KeysRefused, String(error)));
      }
    }),
  );
});

test("passphrases: asked for, right, wrong, and not needed", async () => {
  const cipher = { format: "pem", type: "pkcs8", cipher: "aes-256-cbc", passphrase: "horse" } as const;
  const old = { format: "pem", type: "pkcs1", cipher: "aes-256-cbc", passphrase: "horse" } as const;
  for (const text of [
    ed.privateKey.export(cipher).toString(),
    rsa.privateKey.export(old).toString(),
    await protectKeys([jwkOf(ed.privateKey)], "horse"),
  ]) {
    await refused(readKeyText(text), "passphrase_needed");
    await refused(readKeyText(text, "battery"), "passphrase_wrong");
    await refused(readKeyText(text, ""), "passphrase_wrong");
    const keys = await bindPrivateKeys(await readKeyText(text, "horse"));
    assert.equal(keys.signing.length, 1);
  }
  assert.equal((await readKeyText(pem(ed.publicKey, "spki"), "not needed")).length, 1);
});

test("p2c bombs: a file that wants its passphrase hashed two thousand million times is refused before the first", async () => {
  const content = new TextEncoder().encode("{}");
  const honest = await protectKeys([jwkOf(ed.privateKey)], "horse");
  const [, ...rest] = honest.split(".");
  for (const p2c of [2_000_001, 2 ** 31, 1e300, "600000", null, undefined]) {
    const header = { alg: "PBES2-HS512+A256KW", enc: "A256GCM", p2c, p2s: "AAAAAAAAAAAAAAAAAAAAAA" };
    const text = [Buffer.from(JSON.stringify(header)).toString("base64url"), ...rest].join(".");
    await refused(readKeyText(text, "horse"), "passphrase_costly");
  }
  const weak = await new CompactEncrypt(content)
    .setProtectedHeader({ alg: "PBES2-HS256+A128KW", enc: "A256GCM" })
    .encrypt(new TextEncoder().encode("horse"));
  await refused(readKeyText(weak, "horse"), "keys_malformed");
});

test("a private key among published ones is refused whole, and named", async () => {
  for (const jwk of [rsa, ec, ed, x].map(({ privateKey }) => jwkOf(privateKey))) {
    await refused(bindPublicKeys([jwkOf(ed.publicKey), jwk]), "keys_private");
  }
  await refused(bindPrivateKeys([jwkOf(ed.publicKey), jwkOf(x.publicKey)]), "keys_not_private");
  assert.deepEqual(publicHalves([rsa, ec, ed, x].map(({ privateKey }) => jwkOf(privateKey))), [
    ...[rsa, ec, ed, x].map(({ publicKey }) => jwkOf(publicKey)),
  ]);
});

test("a set without a usable key says why; in a mixed one the usable are used", async () => {
  const small = jwkOf(generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey);
  const p384 = jwkOf(generateKeyPairSync("ec", { namedCurve: "P-384" }).publicKey);
  const secret = { kty: "oct", k: "A".repeat(43), alg: "HS256" };
  for (const jwk of [small, p384, secret, { kty: "none" }, { kty: "EC" }]) {
    await refused(bindPublicKeys([jwk]), "keys_unusable");
  }
  await assert.rejects(bindPublicKeys([small]), /smaller than the algorithm demands/);
  const keys = await bindPublicKeys([secret, small, p384, jwkOf(x.publicKey), jwkOf(ed.publicKey)]);
  assert.deepEqual([keys.verifying.length, keys.encrypting.length], [1, 1]);
  await refused(bindPublicKeys(Array.from({ length: 101 }, () => jwkOf(x.publicKey))), "keys_malformed");
});

test("what a key says of itself is kept: use, alg, and nothing but the algorithms of sealing", async () => {
  const counts = async (jwk: Jwk) => {
    const { verifying, encrypting } = await bindPublicKeys([jwk]);
    return [verifying.map(({ key }) => key.algorithm.name), encrypting.map(({ key }) => key.management.name)];
  };
  assert.deepEqual(await counts(jwkOf(rsa.publicKey)), [["PS256"], ["RSA-OAEP-256"]]);
  assert.deepEqual(await counts({ ...jwkOf(rsa.publicKey), alg: "RS256" }), [["RS256"], []]);
  assert.deepEqual(await counts({ ...jwkOf(rsa.publicKey), use: "enc" }), [[], ["RSA-OAEP-256"]]);
  assert.deepEqual(await counts({ ...jwkOf(ec.publicKey), use: "sig" }), [["ES256"], []]);
  assert.deepEqual(await counts({ ...jwkOf(ed.publicKey), alg: "Ed25519" }), [["Ed25519"], []]);
  await refused(counts({ ...jwkOf(rsa.publicKey), alg: "RS512" }), "keys_unusable");
  await refused(counts({ ...jwkOf(rsa.publicKey), alg: "RSA1_5" }), "keys_unusable");
});

test("keys from an address: only where nobody on the way can change them, and never endlessly", async () => {
  const served = (body: string | null, status = 200, headers: Record<string, string> = {}) => {
    const asked: string[] = [];
    const fetch = async (url: string) => {
      asked.push(url);
      return new Response(body, { status, headers });
    };
    return { asked, fetch };
  };
  const text = JSON.stringify(jwkOf(ed.publicKey));
  const good = served(text);
  assert.deepEqual(await fetchKeyText("https://blog.example/key", { fetch: good.fetch }), { ok: true, text });
  assert.equal((await fetchKeyText("http://localhost:1/key", { fetch: good.fetch })).ok, true);
  const never = served(text);
  for (const url of [
    "http://blog.example/key",
    "ftp://blog.example/",
    "https://a:b@blog.example/",
    "key",
    "file:///etc",
  ]) {
    assert.equal((await fetchKeyText(url, { fetch: never.fetch })).ok, false, url);
  }
  assert.deepEqual(never.asked, []);
  const insists = { fetch: served(text).fetch, dangerouslyAllowHttp: true };
  assert.equal((await fetchKeyText("http://blog.example/key", insists)).ok, true);
  assert.equal((await fetchKeyText("ftp://blog.example/key", insists)).ok, false);
  for (const bad of [
    served("no", 404),
    served(null, 302, { location: "https://x.example" }),
    served("x".repeat(300_000)),
  ]) {
    assert.equal((await fetchKeyText("https://blog.example/key", { fetch: bad.fetch })).ok, false);
  }
  const silent = (_url: string, init: RequestInit) =>
    new Promise<Response>((_resolve, reject) =>
      init.signal?.addEventListener("abort", () => reject(new Error("aborted"))),
    );
  const late = await fetchKeyText("https://blog.example/key", { fetch: silent, timeout: 20 });
  assert.deepEqual(late, { ok: false, reason: "there was no answer within 0.02 s", status: null });
});
