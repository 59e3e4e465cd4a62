import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { AlgorithmName } from "./jose/algorithms.ts";
import { bindKey } from "./jose/jwk.ts";
import type { BoundKey, Jwk } from "./jose/keys.ts";
import { bindPlan, type KeySet, loneKey, planKeys } from "./keyset.ts";

function ec(kid?: string, namedCurve = "P-256"): Jwk {
  const jwk = generateKeyPairSync("ec", { namedCurve }).publicKey.export({ format: "jwk" });
  return kid === undefined ? jwk : { ...jwk, kid };
}

const RSA: Jwk = generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey.export({ format: "jwk" });

function setOf(keys: readonly unknown[], allowed: readonly AlgorithmName[] = [], last: KeySet<BoundKey> | null = null) {
  const plan = planKeys({ keys }, allowed);
  assert.ok(plan !== null);
  return bindPlan(plan, bindKey, last);
}

function algorithmOf(set: KeySet<BoundKey>, alg: string, kid?: string): string | undefined {
  return set.select({ alg, kid })?.algorithm.name;
}

describe("a set of keys", () => {
  test("gives the key that a token names, and none for another name", () => {
    const set = setOf([ec("one"), ec("two", "P-384")]);
    assert.equal(algorithmOf(set, "ES256", "one"), "ES256");
    assert.equal(algorithmOf(set, "ES384", "two"), "ES384");
    for (const kid of ["three", "", "ONE", "one ", "__proto__", "constructor", "../one", "one\0"]) {
      assert.equal(set.select({ alg: "ES256", kid }), undefined, kid);
    }
  });

  test("a token that names a key under another algorithm gets that key, whose check then refuses the algorithm", () => {
    assert.equal(algorithmOf(setOf([ec("one")]), "HS256", "one"), "ES256");
  });

  test("a token without a kid gets the one key of its algorithm, and none where it would have to be guessed", () => {
    assert.equal(algorithmOf(setOf([ec("one"), ec("two", "P-384")]), "ES384"), "ES384");
    assert.equal(algorithmOf(setOf([ec("one"), ec("two")]), "ES256"), undefined);
  });

  test("keys that cannot be used are skipped with the reason, and the rest counts", () => {
    const weak: Jwk = generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey.export({ format: "jwk" });
    const set = setOf([
      null,
      "key",
      { kty: "nonsense", kid: "a" },
      { ...ec("b"), use: "enc" },
      { ...weak, alg: "RS256", kid: "c" },
      { ...RSA, kid: "d" },
      { kty: "oct", k: "c2VjcmV0", alg: "HS256", kid: "e" },
      { ...ec("f"), x: "AAAA" },
      { ...generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({ format: "jwk" }), kid: "g" },
      ec("good"),
    ]);
    assert.equal(set.size, 1);
    assert.equal(algorithmOf(set, "ES256", "good"), "ES256");
    assert.deepEqual(new Map(set.skipped.map(({ kid, why }) => [kid, why])).get("e"), "key_secret_in_jwks");
    assert.equal(set.skipped.length, 9);
  });

  test("a secret in a JWKS never becomes a key, so no token can be made from what is published", () => {
    assert.equal(setOf([{ kty: "oct", k: "A".repeat(86), alg: "HS256", kid: "x" }], ["HS256"]).size, 0);
  });

  test("an RSA key without alg counts under the RSA algorithms that are allowed, and under none when nothing is said", () => {
    assert.equal(setOf([RSA]).size, 0);
    const set = setOf([{ ...RSA, kid: "r" }], ["RS256", "PS256", "ES256"]);
    assert.equal(set.size, 2);
    assert.equal(algorithmOf(set, "PS256", "r"), "PS256");
    assert.equal(algorithmOf(set, "RS256", "r"), "RS256");
  });

  test("a key whose alg is not allowed is skipped", () => {
    const set = setOf([{ ...RSA, alg: "RS256", kid: "r" }, ec("e")], ["ES256"]);
    assert.equal(set.size, 1);
    assert.equal(set.select({ alg: "RS256", kid: "r" }), undefined);
  });

  test("a key that a refresh brings again stays the same object; one under another kid does not", () => {
    const jwk = ec("one");
    const first = setOf([jwk]);
    const second = setOf([{ ...jwk }, ec("two")], [], first);
    const key = first.select({ alg: "ES256", kid: "one" });
    assert.ok(key !== undefined);
    assert.equal(second.holds(key), true);
    assert.equal(setOf([{ ...jwk, kid: "renamed" }], [], first).holds(key), false);
    assert.equal(setOf([], [], first).holds(key), false);
  });

  test("what is no JWKS, or holds more than 100 keys, is none", () => {
    for (const keys of [undefined, null, "keys", {}, Array.from({ length: 101 }, () => ({ kty: "EC" }))]) {
      assert.equal(planKeys({ keys }, []), null);
    }
  });

  test("never throws on any list of keys", () => {
    const hostile = fc.oneof(
      fc.anything(),
      fc.record(
        {
          kty: fc.constantFrom("EC", "RSA", "OKP", "AKP", "oct"),
          kid: fc.anything(),
          alg: fc.anything(),
          crv: fc.anything(),
          x: fc.anything(),
          n: fc.anything(),
          e: fc.anything(),
        },
        { requiredKeys: ["kty"] },
      ),
    );
    fc.assert(
      fc.property(
        fc.array(hostile, { maxLength: 5 }),
        (keys) => setOf(JSON.parse(JSON.stringify(keys) ?? "[]")).size >= 0,
      ),
    );
  });
});

describe("a single configured key", () => {
  const key = bindKey(ec());
  test("without a kid of its own takes every token's; with one only its own", () => {
    assert.equal(loneKey(key, []).select({ alg: "ES256", kid: "anything" }), key);
    const named = bindKey(ec("k"));
    assert.equal(loneKey(named, []).select({ alg: "ES256", kid: "k" }), named);
    assert.equal(loneKey(named, []).select({ alg: "ES256", kid: undefined }), named);
    assert.equal(loneKey(named, []).select({ alg: "ES256", kid: "other" }), undefined);
  });

  test("under an algorithm that is not allowed is a mistake", () => {
    assert.throws(() => loneKey(key, ["RS256"]), TypeError);
  });
});
