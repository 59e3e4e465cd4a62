import assert from "node:assert/strict";
import { createPublicKey, createSecretKey, generateKeyPairSync } from "node:crypto";
import { describe, test } from "node:test";
import { createVerifier } from "@mapae/verifier";
import { type KeysOption, resolveOptions, type VerifierOptions } from "./options.ts";
import { createTestIssuer } from "./testing.ts";

const BASE = { issuer: "https://issuer.test", audience: "https://api.test" };
const FEED = { ...BASE, credentials: { clientId: "api", clientSecret: "s3cret" }, revocation: {} };
const pair = generateKeyPairSync("ec", { namedCurve: "P-256" });
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const JWK = pair.publicKey.export({ format: "jwk" });

/** Creates from options that the types would not allow: what a caller without types can pass. */
function create(options: unknown): unknown {
  return Reflect.apply(createVerifier, undefined, [options]);
}

describe("options of createVerifier", () => {
  const mistakes: [what: string, options: unknown, says: RegExp][] = [
    ["no options", undefined, /needs an object/],
    ["null", null, /needs an object/],
    ["a name that is no option", { ...BASE, clockTolerence: 5 }, /no option "clockTolerence"/],
    ["an issuer that is missing", { audience: "a" }, /issuer/],
    ["an audience that is missing", { issuer: "https://i.test" }, /audience/],
    ["an audience that is empty", { ...BASE, audience: [] }, /audience/],
    ["an audience of another type", { ...BASE, audience: [5] }, /audience/],
    ["an http issuer that is not on loopback", { ...BASE, issuer: "http://issuer.test" }, /loopback/],
    ["an issuer that is no URL and has no keys beside it", { ...BASE, issuer: "me" }, /issuer must be an absolute URL/],
    ["an issuer with a query to discover from", { ...BASE, issuer: "https://i.test/?a" }, /query/],
    ["an issuer with a password", { ...BASE, issuer: "https://u:p@i.test" }, /password/],
    ["a tolerance below 0", { ...BASE, clockTolerance: -1 }, /clockTolerance/],
    ["a tolerance that is a text", { ...BASE, clockTolerance: "5" }, /clockTolerance/],
    ["a lifetime of 0", { ...BASE, maxTokenLifetime: 0 }, /maxTokenLifetime/],
    ["a clock that is a number", { ...BASE, clock: 5 }, /clock/],
    ["a cache that is true", { ...BASE, cache: true }, /cache/],
    ["a cache without a bound", { ...BASE, cache: { entries: Number.POSITIVE_INFINITY } }, /entries/],
    ["a cache with another option", { ...BASE, cache: { entries: 5, ttl: 5 } }, /no option "ttl"/],
    ["a revocation that does not exist", { ...BASE, revocation: "feed" }, /revocation/],
    ["a revocation that is misspelt", { ...FEED, revocation: { onStail: "reject" } }, /no option "onStail"/],
    ["a feed without credentials", { ...BASE, revocation: {} }, /credentials/],
    ["credentials without a feed", { ...FEED, revocation: "none" }, /revocation/],
    ["credentials without a secret", { ...FEED, credentials: { clientId: "api" } }, /clientSecret/],
    ["credentials with another member", { ...FEED, credentials: { ...FEED.credentials, token: "x" } }, /"token"/],
    ["a policy that does not exist", { ...FEED, revocation: { onStale: "ignore" } }, /onStale/],
    ["accepting without an end", { ...FEED, revocation: { onStale: "accept" } }, /acceptFor/],
    ["accepting for ever", { ...FEED, revocation: { acceptFor: Number.POSITIVE_INFINITY } }, /acceptFor/],
    ["a staleness of 0", { ...FEED, revocation: { maxStaleness: 0 } }, /maxStaleness/],
    ["a feed over http", { ...FEED, revocation: { feed: "http://relay.test" } }, /feed must be an https/],
    ["a feed that is no address", { ...FEED, revocation: { feed: 5 } }, /feed/],
    ["an issuer that is no address, with a feed", { ...FEED, issuer: "me", keys: { publicKey: JWK } }, /issuer/],
    ["more entries than a set can have", { ...FEED, revocation: { maxEntries: 2 ** 24 } }, /maxEntries/],
    ["a WebSocket that is none", { ...FEED, revocation: { webSocket: true } }, /webSocket/],
    ["a keeper that keeps nothing", { ...FEED, revocation: { keep: {} } }, /keep/],
    ["a tolerance beyond what entries are kept for", { ...FEED, clockTolerance: 61 }, /clockTolerance/],
    [
      "a lifetime without end, with a feed",
      { ...FEED, maxTokenLifetime: Number.POSITIVE_INFINITY },
      /maxTokenLifetime/,
    ],
    ["a key without a name, with a feed", { ...FEED, keys: { publicKey: JWK } }, /keys.kid/],
    ["a warning that goes nowhere", { ...BASE, warn: true }, /warn/],
    ["algorithms that are none", { ...BASE, algorithms: [] }, /algorithms/],
    ["alg none as an algorithm", { ...BASE, algorithms: ["none"] }, /algorithms/],
    ["algorithms as a text", { ...BASE, algorithms: "ES256" }, /algorithms/],
    ["keys as a list", { ...BASE, keys: [JWK] }, /keys must be an object/],
    ["keys in two ways", { ...BASE, keys: { jwksUri: "https://i.test", jwks: { keys: [] } } }, /exactly one/],
    ["keys in no way", { ...BASE, keys: {} }, /exactly one/],
    ["a jwksUri over http", { ...BASE, keys: { jwksUri: "http://i.test/jwks" } }, /loopback/],
    ["a jwksUri that is undefined", { ...BASE, keys: { jwksUri: undefined } }, /jwksUri must be a string/],
    ["a jwksUri on a look-alike of loopback", { ...BASE, keys: { jwksUri: "http://localhost.evil.test" } }, /loopback/],
    ["a jwksUri of another scheme", { ...BASE, keys: { jwksUri: "file:///etc/passwd" } }, /https/],
    ["an age below the least", { ...BASE, keys: { jwksUri: "https://i.test", maxAge: 1 } }, /maxAge/],
    ["a timeout without end", { ...BASE, keys: { jwksUri: "https://i.test", timeout: 1e9 } }, /timeout/],
    ["an empty JWKS", { ...BASE, keys: { jwks: { keys: [] } } }, /no usable key/],
    ["a JWKS that is none", { ...BASE, keys: { jwks: {} } }, /list/],
    ["a JWKS of secrets", { ...BASE, keys: { jwks: { keys: [{ kty: "oct", k: "c2VjcmV0" }] } } }, /key_secret_in_jwks/],
    ["a secret as a text", { ...BASE, keys: { secret: "x".repeat(64), alg: "HS256" } }, /Uint8Array/],
    ["a secret without alg", { ...BASE, keys: { secret: new Uint8Array(64) } }, /keys.alg/],
    ["a secret under RS256", { ...BASE, keys: { secret: new Uint8Array(64), alg: "RS256" } }, /keys.alg/],
    ["a secret that is too short", { ...BASE, keys: { secret: new Uint8Array(8), alg: "HS256" } }, /smaller/],
    ["a public key that is missing", { ...BASE, keys: { publicKey: undefined } }, /publicKey/],
    ["a private key", { ...BASE, keys: { publicKey: pair.privateKey } }, /public key/],
    [
      "a secret as a public key",
      { ...BASE, keys: { publicKey: createSecretKey(Buffer.alloc(64)), alg: "HS256" } },
      /public key/,
    ],
    ["a text as a public key", { ...BASE, keys: { publicKey: "secret", alg: "HS256" } }, /public key/],
    [
      "a secret JWK as a public key",
      { ...BASE, keys: { publicKey: { kty: "oct", k: "AAAA" }, alg: "HS256" } },
      /public key/,
    ],
    ["a public key as an HMAC secret", { ...BASE, keys: { publicKey: rsa.publicKey, alg: "HS256" } }, /type/],
    ["an RSA key that does not say its algorithm", { ...BASE, keys: { publicKey: rsa.publicKey } }, /alg/],
    ["a key outside the algorithms", { ...BASE, algorithms: ["RS256"], keys: { publicKey: JWK } }, /not in algorithms/],
    [
      "a misspelt member beside a key",
      { ...BASE, keys: { publicKey: JWK, algorithm: "ES256" } },
      /no option "algorithm"/,
    ],
  ];
  for (const [what, options, says] of mistakes) {
    test(`${what} is a TypeError that says what is wrong`, () => {
      assert.throws(
        () => create(options),
        (error) => error instanceof TypeError && says.test(error.message),
      );
    });
  }

  test("an error about a key does not carry the key", () => {
    const secret = new TextEncoder().encode("s3cr3t-short");
    assert.throws(
      () => createVerifier({ ...BASE, keys: { secret, alg: "HS256" } }),
      (error) => error instanceof TypeError && !String(error.stack).includes("s3cr3t"),
    );
  });

  const addresses = [
    "http://localhost:4000",
    "http://127.0.0.1:4000",
    "http://127.1.2.3",
    "http://[::1]:4000",
    "http://a.localhost",
  ];
  for (const issuer of addresses) {
    test(`${issuer} is loopback, so http is allowed`, () => {
      assert.equal(resolveOptions({ ...BASE, issuer }).keys.from, "place");
    });
  }

  test("an issuer that is no URL is allowed where the keys are given: iss is any string (RFC 7519 §4.1.1)", () => {
    createVerifier({ issuer: "my-issuer", audience: "a", keys: { publicKey: JWK } });
  });

  test("the secret of the credentials stands in no error", () => {
    assert.throws(
      () => create({ ...FEED, revocation: { feed: "http://relay.test" } }),
      (error) => error instanceof TypeError && !String(error.stack).includes("s3cret"),
    );
  });

  test("with a feed, tokens that live longer than a day are refused where the owner says nothing", () => {
    assert.equal(resolveOptions({ ...FEED, revocation: {} }).rules.maxTokenLifetime, 86_400);
    assert.equal(resolveOptions({ ...FEED, maxTokenLifetime: 900 }).rules.maxTokenLifetime, 900);
    assert.equal(resolveOptions(BASE).rules.maxTokenLifetime, Number.POSITIVE_INFINITY);
  });

  test("that revocations are not followed is told", () => {
    for (const revocation of [{}, { revocation: "none" as const }]) {
      const told: string[] = [];
      createVerifier({ ...BASE, ...revocation, warn: (message) => told.push(message) });
      assert.equal(told.length, 1);
      assert.match(told[0] ?? "", /not followed/);
    }
  });

  test("members that are undefined count as left out", () => {
    const options = { ...BASE, keys: undefined, cache: undefined, clock: undefined, algorithms: undefined };
    create(options);
  });
});

describe("the four ways to give keys", () => {
  test("a public key may be a KeyObject, PEM or JWK, with and without kid", () => {
    const issuer = createTestIssuer();
    const [jwk] = issuer.jwks.keys;
    assert.ok(jwk !== undefined);
    const { kty = "", crv = "", x = "", y = "" } = jwk;
    const key = createPublicKey({ key: { kty, crv, x, y }, format: "jwk" });
    const pem = key.export({ type: "spki", format: "pem" }).toString();
    const ways: KeysOption[] = [
      { publicKey: key },
      { publicKey: pem },
      { publicKey: jwk },
      { publicKey: pem, alg: "ES256", ...(jwk.kid === undefined ? {} : { kid: jwk.kid }) },
      { jwks: issuer.jwks },
    ];
    for (const keys of ways) {
      const verifier = createVerifier({ issuer: issuer.issuer, audience: issuer.audience, keys });
      assert.equal(verifier.verify(issuer.token()).ok, true);
    }
    const other = createVerifier({
      issuer: issuer.issuer,
      audience: issuer.audience,
      keys: { publicKey: key, kid: "x" },
    });
    const verdict = other.verify(issuer.token());
    assert.equal(!verdict.ok && verdict.code, "unknown_key");
  });

  test("a shared secret verifies what was signed with it, and a copy is taken of it", () => {
    const issuer = createTestIssuer({ alg: "HS256" });
    const options: VerifierOptions = issuer.verifierOptions;
    const { keys } = options;
    assert.ok(keys !== undefined && "secret" in keys);
    const { kid: _, ...bare } = keys;
    const secret = Uint8Array.from(bare.secret);
    const verifier = createVerifier({ ...options, keys: { ...bare, secret } });
    secret.fill(0);
    assert.equal(verifier.verify(issuer.token()).ok, true);
  });

  test("algorithms is an allow-list: what a key could do beyond it is refused", () => {
    const issuer = createTestIssuer();
    const verifier = createVerifier({ ...issuer.verifierOptions, algorithms: ["ES256", "RS256"] });
    assert.equal(verifier.verify(issuer.token()).ok, true);
    assert.throws(() => createVerifier({ ...issuer.verifierOptions, algorithms: ["RS256"] }), /algorithm_not_allowed/);
  });
});
