/**
 * What a key must be, over both engines: every refusal of key-policy.ts has a key here that provokes it.
 */
import assert from "node:assert/strict";
import { createSecretKey, generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto";
import { test } from "node:test";
import { calculateJwkThumbprint } from "jose";
import { ALGORITHMS, type AlgorithmName } from "./algorithms.ts";
import { ENGINES, readVectors } from "./engines.test-support.ts";
import { bindKey, bindSigningKey, thumbprint } from "./jwk.ts";
import { parseJws, signJws, verifyJws } from "./jws.ts";
import { type BindOptions, type Jwk, KEY_REFUSALS, type KeyRefusalCode, KeyRefused } from "./keys.ts";

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const p256 = generateKeyPairSync("ec", { namedCurve: "P-256" });
const p384 = generateKeyPairSync("ec", { namedCurve: "P-384" });
const p521 = generateKeyPairSync("ec", { namedCurve: "P-521" });
const ed25519 = generateKeyPairSync("ed25519");
const secret = createSecretKey(randomBytes(64));

function pairFor(alg: AlgorithmName): { privateKey: KeyObject; publicKey: KeyObject } {
  const { kty, curve } = ALGORITHMS[alg];
  if (kty === "oct") return { privateKey: secret, publicKey: secret };
  if (kty === "RSA") return rsa;
  if (kty === "OKP") return ed25519;
  if (kty === "EC") return curve === "P-256" ? p256 : curve === "P-384" ? p384 : p521;
  return alg === "ML-DSA-44" ? generateKeyPairSync("ml-dsa-44") : generateKeyPairSync("ml-dsa-65");
}

const jwkOf = (key: KeyObject): Jwk => key.export({ format: "jwk" });

/** Node 20 and 22 have no ML-DSA. */
const hasMlDsa = (() => {
  try {
    return generateKeyPairSync("ml-dsa-44").publicKey.type === "public";
  } catch {
    return false;
  }
})();

const available = (Object.keys(ALGORITHMS) as AlgorithmName[]).filter(
  (alg) => hasMlDsa || ALGORITHMS[alg].kty !== "AKP",
);

for (const alg of available) {
  const { privateKey, publicKey } = pairFor(alg);
  const token = signJws({ typ: "at+jwt" }, { sub: "a" }, bindSigningKey(privateKey, { alg, kid: "k" }));

  for (const engine of ENGINES) {
    test(`${alg}: what is signed verifies over ${engine.name}, and with another key it does not`, async () => {
      const key = await engine.bind({ ...jwkOf(publicKey), alg, kid: "k" });
      const verdict = await key.verify(token);
      assert.ok(verdict.ok);
      assert.equal(Buffer.from(verdict.payload).toString(), '{"sub":"a"}');
      assert.deepEqual([verdict.header.alg, verdict.header.kid, verdict.header.typ], [alg, "k", "at+jwt"]);
      assert.equal((await key.verify(token.replace(/.{4}$/, "AAAA"))).ok, false);
    });
  }

  test(`${alg}: the signature is as long as the table says`, () => {
    const parsed = parseJws(token);
    assert.ok(parsed.ok);
    const size = ALGORITHMS[alg].signatureBytes ?? 256;
    assert.equal(Buffer.from(parsed.signature, "base64url").length, size);
  });

  if (publicKey.type === "public") {
    test(`${alg}: a key is the same as JWK, as KeyObject and as PEM`, () => {
      const pem = publicKey.export({ type: "spki", format: "pem" }).toString();
      for (const source of [jwkOf(publicKey), publicKey, pem]) {
        assert.equal(verifyJws(token, () => bindKey(source, { alg })).ok, true);
      }
      const pkcs8 = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
      for (const source of [jwkOf(privateKey), privateKey, pkcs8]) {
        const again = signJws({}, {}, bindSigningKey(source, { alg }));
        assert.equal(verifyJws(again, () => bindKey(publicKey, { alg })).ok, true);
      }
    });
  }
}

test("a PEM without words about its algorithm says enough where the curve implies it", async () => {
  assert.equal(bindKey(p384.publicKey).algorithm.name, "ES384");
  assert.equal(bindKey(ed25519.publicKey).algorithm.name, "EdDSA");
  for (const engine of ENGINES) {
    const key = await engine.bind(p256.publicKey.export({ type: "spki", format: "pem" }).toString(), { alg: "ES256" });
    const token = signJws({}, {}, bindSigningKey(p256.privateKey));
    assert.equal((await key.verify(token)).ok, true);
  }
});

test("a secret is the same as text, octets, KeyObject and JWK", async () => {
  const text = "correct horse battery staple, all of it";
  const k = Buffer.from(text).toString("base64url");
  const token = signJws({}, {}, bindSigningKey({ kty: "oct", k, alg: "HS256" }));
  for (const engine of ENGINES) {
    for (const source of [text, Buffer.from(text), { kty: "oct", k }]) {
      assert.equal((await (await engine.bind(source, { alg: "HS256" })).verify(token)).ok, true);
    }
  }
  assert.equal(verifyJws(token, () => bindKey(createSecretKey(text, "utf8"), { alg: "HS256" })).ok, true);
});

test("a caller who changes a secret's buffer after binding changes nothing", () => {
  const octets = randomBytes(32);
  const signing = bindSigningKey(octets, { alg: "HS256" });
  const key = bindKey(octets, { alg: "HS256" });
  octets.fill(0);
  assert.equal(verifyJws(signJws({}, {}, signing), () => key).ok, true);
  assert.equal(verifyJws(signJws({}, {}, bindSigningKey(octets, { alg: "HS256" })), () => key).ok, false);
});

const weakRsa = jwkOf(generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey);
const rsaJwk = jwkOf(rsa.publicKey);
const ecJwk = jwkOf(p256.publicKey);
const edJwk = jwkOf(ed25519.publicKey);
const oct = (length: number): Jwk => ({ kty: "oct", k: randomBytes(length).toString("base64url") });
const withZero = (text = "") => Buffer.concat([Buffer.from([0]), Buffer.from(text, "base64url")]).toString("base64url");
const b64 = (...octets: number[]) => Buffer.from(octets).toString("base64url");
const rocaKey = readVectors<{ testGroups: { comment: string; public?: { keys: Jwk[] } }[] }>(
  "wycheproof/json_web_key_test.json",
).testGroups.find(({ comment }) => comment === "jws_rsa_roca_key")?.public?.keys[0];

const REFUSED: readonly [why: string, source: Jwk | Uint8Array | string, options: BindOptions, code: KeyRefusalCode][] =
  [
    ["an RSA key of 1024 bits", weakRsa, { alg: "RS256" }, "key_too_small"],
    ["an RSA key with exponent 1", { ...rsaJwk, e: "AQ" }, { alg: "RS256" }, "key_exponent_unsafe"],
    ["an RSA key with exponent 3", { ...rsaJwk, e: "Aw" }, { alg: "PS256" }, "key_exponent_unsafe"],
    ["an RSA key with an even exponent", { ...rsaJwk, e: b64(1, 0, 0) }, { alg: "RS256" }, "key_exponent_unsafe"],
    [
      "an RSA key with an enormous exponent",
      { ...rsaJwk, e: b64(1, 0, 0, 0, 0, 0, 0, 0, 1) },
      { alg: "RS256" },
      "key_too_large",
    ],
    [
      "an RSA key with a modulus beyond reason",
      { ...rsaJwk, n: Buffer.alloc(2049, 0xff).toString("base64url") },
      { alg: "RS256" },
      "key_too_large",
    ],
    [
      "an RSA key whose modulus has a leading zero",
      { ...rsaJwk, n: withZero(rsaJwk.n) },
      { alg: "RS256" },
      "key_malformed",
    ],
    ["an RSA key from the ROCA generator", rocaKey ?? {}, {}, "key_weak"],
    ["an RSA key that does not say its algorithm", rsaJwk, {}, "key_algorithm_missing"],
    ["an RSA key under an EC algorithm", rsaJwk, { alg: "ES256" }, "key_type_mismatch"],
    ["an RSA key as an HMAC secret", rsaJwk, { alg: "HS256" }, "key_type_mismatch"],
    ["a P-256 key under ES384", ecJwk, { alg: "ES384" }, "key_curve_mismatch"],
    ["a secp256k1 key", { ...ecJwk, crv: "secp256k1" }, { alg: "ES256" }, "key_curve_mismatch"],
    ["a point that is not on the curve", { ...ecJwk, x: ecJwk.y, y: ecJwk.x }, {}, "key_malformed"],
    [
      "a point at zero",
      { ...ecJwk, x: b64(...Array<number>(32).fill(0)), y: b64(...Array<number>(32).fill(0)) },
      {},
      "key_malformed",
    ],
    ["a coordinate with a leading zero too many", { ...ecJwk, x: withZero(ecJwk.x) }, {}, "key_malformed"],
    ["a coordinate with a leading zero cut off", { ...ecJwk, x: b64(1) }, {}, "key_malformed"],
    ["an Ed25519 point of small order", { ...edJwk, x: b64(1, ...Array<number>(31).fill(0)) }, {}, "key_weak"],
    ["an Ed25519 key of the wrong length", { ...edJwk, x: b64(1, 2, 3) }, {}, "key_malformed"],
    ["an X25519 key", { ...edJwk, crv: "X25519" }, { alg: "EdDSA" }, "key_curve_mismatch"],
    ["an Ed448 key", { ...edJwk, crv: "Ed448" }, { alg: "EdDSA" }, "key_curve_mismatch"],
    ["an ML-DSA key that does not say which", { kty: "AKP", pub: b64(1) }, {}, "key_algorithm_missing"],
    [
      "an ML-DSA key of the wrong length",
      { kty: "AKP", alg: "ML-DSA-44", pub: b64(1) },
      {},
      hasMlDsa ? "key_malformed" : "key_algorithm_unavailable",
    ],
    [
      "a key whose alg contradicts what was asked",
      { ...rsaJwk, alg: "RS256" },
      { alg: "PS256" },
      "key_algorithm_mismatch",
    ],
    ["a key for none", { kty: "oct", k: "", alg: "none" }, {}, "key_algorithm_unsupported"],
    ["a key for encryption", { ...rsaJwk, use: "enc" }, { alg: "RS256" }, "key_use_forbidden"],
    ["a key whose key_ops leave out verify", { ...ecJwk, key_ops: ["sign"] }, {}, "key_use_forbidden"],
    [
      "a key whose key_ops are no list",
      { ...ecJwk, key_ops: "verify" as unknown as string[] },
      {},
      "key_use_forbidden",
    ],
    ["a private JWK", jwkOf(p256.privateKey), {}, "key_private"],
    ["a private RSA JWK", jwkOf(rsa.privateKey), { alg: "RS256" }, "key_private"],
    [
      "a private PEM",
      p256.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
      { alg: "ES256" },
      "key_private",
    ],
    ["an HS256 secret of 31 octets", oct(31), { alg: "HS256" }, "key_too_small"],
    ["an HS512 secret of 63 octets", oct(63), { alg: "HS512" }, "key_too_small"],
    ["an empty secret", oct(0), { alg: "HS256" }, "key_too_small"],
    ["a secret longer than sense", oct(1025), { alg: "HS256" }, "key_too_large"],
    ["a secret without an algorithm", randomBytes(32), {}, "key_algorithm_missing"],
    ["a secret under a public-key algorithm", randomBytes(32), { alg: "ES256" }, "key_type_mismatch"],
    ["a leaked secret, as text", "your-long-and-secure-jwt-secret-key", { alg: "HS256" }, "key_leaked"],
    [
      "a leaked secret, as JWK",
      { kty: "oct", k: Buffer.from("your-long-and-secure-jwt-secret-key").toString("base64url") },
      { alg: "HS256" },
      "key_leaked",
    ],
    [
      "a public PEM as an HMAC secret",
      Buffer.from(p256.publicKey.export({ type: "spki", format: "pem" })),
      { alg: "HS256" },
      "key_type_mismatch",
    ],
    [
      "a text that is no PEM under a public-key algorithm",
      "hello, this is not a key but some text",
      { alg: "RS256" },
      "key_type_mismatch",
    ],
    ["a broken PEM", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", { alg: "ES256" }, "key_malformed"],
    [
      "a certificate",
      "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
      { alg: "ES256" },
      "key_malformed",
    ],
    ["base64url that is not canonical", { ...ecJwk, x: `${ecJwk.x}=` }, {}, "key_malformed"],
    ["members that are no strings", { ...ecJwk, x: 7 as unknown as string }, {}, "key_malformed"],
    ["a kid that is no string", { ...ecJwk, kid: 7 as unknown as string }, {}, "key_malformed"],
    ["null", null as unknown as Jwk, { alg: "ES256" }, "key_malformed"],
  ];

for (const engine of ENGINES) {
  test(`keys that must not be used are refused over ${engine.name}, each with its code`, async () => {
    for (const [why, source, options, code] of REFUSED) {
      await assert.rejects(
        async () => engine.bind(source, options),
        (error: unknown) => {
          assert.ok(error instanceof KeyRefused && error instanceof TypeError, why);
          assert.equal(error.code, code, why);
          assert.equal(error.message, KEY_REFUSALS[code], why);
          return true;
        },
      );
    }
  });
}

test("node:crypto's private KeyObject is refused where a public key is expected, and the other way round", () => {
  assert.throws(() => bindKey(p256.privateKey), { code: "key_private" });
  assert.throws(() => bindSigningKey(p256.publicKey), { code: "key_not_private" });
  assert.throws(() => bindSigningKey(ecJwk), { code: "key_not_private" });
  assert.throws(() => bindSigningKey({ ...jwkOf(p256.privateKey), key_ops: ["verify"] }), {
    code: "key_use_forbidden",
  });
  assert.throws(() => bindSigningKey({ ...jwkOf(rsa.privateKey), qi: undefined }, { alg: "RS256" }), {
    code: "key_not_private",
  });
});

test("a thumbprint is jose's (RFC 7638), and a private key has the one of its public half", async () => {
  for (const { publicKey, privateKey } of [rsa, p256, p521, ed25519, ...available.slice(-1).map(pairFor)]) {
    const jwk = publicKey.export({ format: "jwk" });
    assert.equal(thumbprint(jwk), await calculateJwkThumbprint(jwk));
    assert.equal(thumbprint(jwkOf(privateKey)), thumbprint(jwk));
  }
  assert.equal(thumbprint(jwkOf(secret)), await calculateJwkThumbprint(secret.export({ format: "jwk" })));
  assert.throws(() => thumbprint({ kty: "RSA", e: "AQAB" }), { code: "key_malformed" });
  assert.throws(() => thumbprint({ kty: "__proto__" }), { code: "key_malformed" });
});
