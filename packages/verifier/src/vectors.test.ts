/**
 * The public test vectors, over both engines: Wycheproof's JWS and JWK files, RFC 7515 Appendix A, RFC 7520, RFC 7797 and
 * RFC 8037. They are no access tokens, so they go through the bare JWS function.
 *
 * What is refused by design and what is defective upstream is listed here, each with its reason; a vector that is on no
 * list has to behave as its file says.
 */
import assert from "node:assert/strict";
import * as crypto from "node:crypto";
import { test } from "node:test";
import { ALGORITHMS } from "./jose/algorithms.ts";
import { ENGINES, type EngineKey, readVectors, type TestEngine } from "./jose/engines.test-support.ts";
import { hmacCheck } from "./jose/hmac.ts";
import { bindKey } from "./jose/jwk.ts";
import { parseJws, verifyJws } from "./jose/jws.ts";
import { type Jwk, KeyRefused } from "./jose/keys.ts";
import { bindPlan, planKeys } from "./keyset.ts";

/** Wycheproof signature cases that are wrong upstream: what they claim, and what is so. */
const DEFECTIVE = new Map<number, { claims: "valid" | "invalid"; because: string }>([
  [346, { claims: "valid", because: "a PS384 token under a key whose alg is PS256" }],
  [347, { claims: "valid", because: 'the key\'s alg is "ES521", which does not exist' }],
  [350, { claims: "valid", because: "a PS384 token under a key whose alg is PS256" }],
  [351, { claims: "valid", because: 'the key\'s alg is "ES521", which does not exist' }],
  [367, { claims: "invalid", because: "letter for letter the token of case 357, which is valid" }],
  [370, { claims: "invalid", because: "letter for letter the token of case 357, which is valid" }],
  [372, { claims: "valid", because: "a ? inserted into the header" }],
  [373, { claims: "valid", because: "a ? inserted into the payload" }],
]);

/** Cases about sets of keys: a JWKS that publishes secrets has no usable key in it (keyset.ts). */
const ABOUT_SETS = new Set(["jws_mixedSymmetryKeyset", "jws_duplicate_kid"]);

interface WycheproofCase {
  readonly tcId: number;
  readonly comment: string;
  readonly jws?: string;
  readonly result: "valid" | "invalid";
}

interface WycheproofFile {
  readonly numberOfTests: number;
  readonly testGroups: readonly {
    readonly comment: string;
    readonly public?: Jwk | { readonly keys: readonly Jwk[] };
    readonly private: Jwk | { readonly keys: readonly Jwk[] };
    readonly tests: readonly WycheproofCase[];
  }[];
}

async function bindAll(engine: TestEngine, keys: readonly Jwk[]): Promise<EngineKey[]> {
  const bound: EngineKey[] = [];
  for (const key of keys) {
    try {
      bound.push(await engine.bind(key));
    } catch (error) {
      if (!(error instanceof KeyRefused)) throw error;
    }
  }
  return bound;
}

async function accepts(keys: readonly EngineKey[], token: unknown): Promise<boolean> {
  for (const key of keys) if ((await key.verify(token)).ok) return true;
  return false;
}

function keysOf(source: Jwk | { readonly keys: readonly Jwk[] }): readonly Jwk[] {
  return "keys" in source ? source.keys : [source];
}

const FILES = [
  { file: "json_web_signature_test.json", cases: 401, defective: DEFECTIVE },
  { file: "json_web_key_test.json", cases: 26, defective: new Map() as typeof DEFECTIVE },
  // 34 of its 83 cases are JWE, which is not this layer's.
  { file: "json_web_crypto_test.json", cases: 49, defective: new Map() as typeof DEFECTIVE },
];

for (const engine of ENGINES) {
  for (const { file, cases, defective } of FILES) {
    test(`Wycheproof ${file} behaves over ${engine.name}, but for the defective cases`, async () => {
      let seen = 0;
      for (const group of readVectors<WycheproofFile>(`wycheproof/${file}`).testGroups) {
        const source = group.public ?? group.private;
        const keys = await bindAll(engine, keysOf(source));
        for (const { tcId, comment, jws, result } of group.tests) {
          if (jws === undefined) continue;
          seen++;
          const label = `${tcId} ${group.comment} ${comment}`;
          if (ABOUT_SETS.has(group.comment)) {
            const set = bindPlan(planKeys({ keys: keysOf(source) }, []) ?? assert.fail(label), bindKey, null);
            assert.equal(verifyJws(jws, (header) => set.select(header)).ok, result === "valid", label);
            continue;
          }
          const known = defective.get(tcId);
          if (known !== undefined) assert.equal(known.claims, result, `${label} was mended upstream`);
          const expected = known === undefined ? result === "valid" : result !== "valid";
          assert.equal(await accepts(keys, jws), expected, label);
        }
      }
      assert.equal(seen, cases);
    });
  }

  test(`RFC 7515 Appendix A verifies over ${engine.name}, but for its unsecured JWS and its well-known secret`, async () => {
    assert.equal(RFC7515.length, 5);
    for (const { name, jwk, alg, jws, expect } of RFC7515) {
      if (name === PUBLISHED_SECRET) {
        await assert.rejects(engine.bind({ alg, ...jwk }), { code: "key_leaked" }, name);
        continue;
      }
      const key = await engine.bind(expect === "reject" ? SOME_KEY : { alg, ...jwk });
      assert.equal((await key.verify(jws)).ok, expect === undefined, name);
    }
  });

  test(`RFC 7520 §4 and RFC 8037 A.4 verify over ${engine.name} in their compact form`, async () => {
    for (const { file, detached } of COOKBOOK) {
      const vector = readVectors<CookbookVector>(`ietf-jose-cookbook/${file}`);
      const key = await engine.bind({ ...publicHalf(vector.input.key), alg: vector.input.alg });
      const compact = vector.output.compact ?? assert.fail(file);
      const token = detached
        ? compact.replace("..", `.${Buffer.from(vector.input.payload).toString("base64url")}.`)
        : compact;
      const verdict = await key.verify(token);
      assert.ok(verdict.ok, file);
      assert.equal(Buffer.from(verdict.payload).toString("utf8"), vector.input.payload, file);
    }
  });

  test(`JSON serialisation, detached and unencoded payloads are refused by design over ${engine.name}`, async () => {
    const key = await engine.bind(SOME_KEY);
    for (const { file, form, because, code } of BY_DESIGN) {
      const output = readVectors<CookbookVector>(`ietf-jose-cookbook/${file}`).output[form] ?? assert.fail(file);
      const texts = form === "compact" ? [output] : [output, JSON.stringify(output)];
      for (const text of texts) {
        const verdict = await key.verify(text);
        assert.equal(verdict.ok ? "accepted" : verdict.code, code, `${file}: ${because}`);
      }
    }
  });
}

test("the MAC of RFC 7515 A.1 is right, though its secret is refused as a key", () => {
  const { jwk, jws } = RFC7515.find(({ name }) => name === PUBLISHED_SECRET) ?? assert.fail();
  const parsed = parseJws(jws);
  assert.ok(parsed.ok);
  const check = hmacCheck(crypto, Buffer.from(jwk?.k ?? "", "base64url"), ALGORITHMS.HS256);
  assert.equal(check(parsed.signingInput, Buffer.from(parsed.signature, "base64url")), true);
});

const RFC7515 = readVectors<{
  vectors: readonly { name: string; jwk?: Jwk; alg: string; jws: string; expect?: "reject" }[];
}>("rfc7515/rfc7515-appendix-a.json").vectors;

/** Everyone has read it, and so it is on the list of leaked secrets, where it belongs. */
const PUBLISHED_SECRET = "RFC 7515 A.1 HS256";

/** The secret of RFC 7520 §3.5. */
const SOME_KEY: Jwk = {
  ...readVectors<Jwk>("ietf-jose-cookbook/jwk/3_5.symmetric_key_mac_computation.json"),
  alg: "HS256",
  kid: undefined,
};

interface CookbookVector {
  readonly input: { readonly payload: string; readonly key: Jwk; readonly alg: string };
  readonly output: { readonly compact?: string; readonly json?: object; readonly json_flat?: object };
}

const COOKBOOK = [
  { file: "jws/4_1.rsa_v15_signature.json", detached: false },
  { file: "jws/4_2.rsa-pss_signature.json", detached: false },
  { file: "jws/4_3.ecdsa_signature.json", detached: false },
  { file: "jws/4_4.hmac-sha2_integrity_protection.json", detached: false },
  // Whoever has the detached payload can put it back; the verifier does not.
  { file: "jws/4_5.signature_with_detached_content.json", detached: true },
  { file: "curve25519/jws.json", detached: false },
];

const BY_DESIGN = [
  { file: "jws/4_4.hmac-sha2_integrity_protection.json", form: "json", because: "JSON", code: "malformed_token" },
  { file: "jws/4_4.hmac-sha2_integrity_protection.json", form: "json_flat", because: "JSON", code: "malformed_token" },
  {
    file: "jws/4_5.signature_with_detached_content.json",
    form: "compact",
    because: "detached",
    code: "invalid_signature",
  },
  { file: "jws/4_6.protecting_specific_header_fields.json", form: "json", because: "JSON", code: "malformed_token" },
  { file: "jws/4_7.protecting_content_only.json", form: "json_flat", because: "JSON", code: "malformed_token" },
  { file: "jws/4_8.multiple_signatures.json", form: "json", because: "several signatures", code: "malformed_token" },
  { file: "rfc7797/4.2.hmac-sha2_b64_false.json", form: "json", because: "JSON and b64", code: "malformed_token" },
  { file: "rfc7797/hmac-sha2_b64_false.json", form: "compact", because: "b64 and crit", code: "unsupported_header" },
] as const;

/** The cookbook gives whole key pairs. */
function publicHalf(jwk: Jwk | undefined): Jwk {
  const { d: _d, p: _p, q: _q, dp: _dp, dq: _dq, qi: _qi, ...half } = jwk ?? {};
  return half;
}
