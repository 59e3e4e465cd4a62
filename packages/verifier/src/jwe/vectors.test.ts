/**
 * The public vectors of JWE: Wycheproof's and RFC 7520 §5 and §6, each twice. Beneath, the library that does the
 * cryptography has to behave as the files say; above it, the strict layer opens what has one of its algorithms and refuses
 * everything else, valid or not.
 */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import {
  compactDecrypt,
  type FlattenedJWE,
  flattenedDecrypt,
  type GeneralJWE,
  generalDecrypt,
  importJWK,
  type JWK,
} from "jose";
import { readVectors } from "../jose/engines.test-support.ts";
import { bindKey } from "../jose/jwk.ts";
import { verifyJws } from "../jose/jws.ts";
import { type Jwk, KeyRefused } from "../jose/keys.ts";
import { CONTENT_ENCRYPTION, KEY_MANAGEMENT } from "./algorithms.ts";
import { openJwe, parseJwe } from "./compact.ts";
import { bindDecryptionKey, type DecryptionKey } from "./keys.ts";

interface WycheproofFile {
  readonly testGroups: readonly {
    readonly comment: string;
    readonly private: Jwk | { readonly keys: readonly Jwk[] };
    readonly tests: readonly {
      readonly tcId: number;
      readonly comment: string;
      readonly jwe?: string;
      readonly pt?: string;
      readonly result: "valid" | "invalid";
    }[];
  }[];
}

const FILES = [
  // Those that the strict layer opens: RSA-OAEP-256 and ECDH-ES over P-256, both with A256GCM.
  { file: "json_web_encryption_test.json", cases: 139, ours: [78, 90] },
  { file: "json_web_crypto_test.json", cases: 34, ours: [] },
] as const;

/** No padding of RSA1_5 is ever looked at: RFC 8725 §3.2 advises against it, and jose has left it out. */
const isRsa15 = (keys: readonly Jwk[]) => keys.some(({ alg }) => alg === "RSA1_5");

const keysOf = (source: Jwk | { readonly keys: readonly Jwk[] }): readonly Jwk[] =>
  "keys" in source ? source.keys : [source];

async function bound(keys: readonly Jwk[]): Promise<readonly DecryptionKey[]> {
  const usable: DecryptionKey[] = [];
  for (const key of keys) {
    try {
      usable.push(await bindDecryptionKey(key));
    } catch (error) {
      if (!(error instanceof KeyRefused)) throw error;
    }
  }
  return usable;
}

async function strictly(jwe: string, keys: readonly DecryptionKey[]): Promise<Uint8Array | null> {
  const parsed = parseJwe(jwe, 8192, ["kid", "typ", "cty"]);
  for (const key of keys) {
    const content = parsed === null ? null : await openJwe(parsed, key);
    if (content !== null) return content;
  }
  return null;
}

async function beneath(jwe: string, keys: readonly Jwk[]): Promise<Uint8Array | null> {
  for (const key of keys) {
    // A content key itself is "direct" (RFC 7518 §4.5).
    const alg = /^A\d+(GCM|CBC)/.test(key.alg ?? "") && !key.alg?.endsWith("KW") ? "dir" : (key.alg ?? "");
    try {
      const options = { keyManagementAlgorithms: [alg] };
      return (await compactDecrypt(jwe, await importJWK(key as JWK), options)).plaintext;
    } catch {}
  }
  return null;
}

const hex = (octets: Uint8Array | null) => (octets === null ? null : Buffer.from(octets).toString("hex"));

for (const { file, cases, ours } of FILES) {
  test(`Wycheproof ${file}: jose behaves as it says, and the strict layer opens only what is its own`, async () => {
    let seen = 0;
    const opened: number[] = [];
    for (const group of readVectors<WycheproofFile>(`wycheproof/${file}`).testGroups) {
      const keys = keysOf(group.private);
      const usable = await bound(keys);
      for (const { tcId, comment, jwe, pt, result } of group.tests) {
        if (jwe === undefined) continue;
        seen += 1;
        const label = `${tcId} ${group.comment} ${comment}`;
        const expected = result === "valid" && !isRsa15(keys);
        const plaintext = await beneath(jwe, keys);
        assert.equal(plaintext !== null, expected, label);
        const content = await strictly(jwe, usable);
        if (content === null) continue;
        assert.equal(result, "valid", label);
        assert.equal(hex(content), hex(plaintext), label);
        if (pt !== undefined) assert.equal(hex(content), pt, label);
        opened.push(tcId);
      }
    }
    assert.equal(seen, cases);
    assert.deepEqual(opened, ours);
  });
}

interface Cookbook {
  readonly input: {
    readonly plaintext: string;
    readonly key?: Jwk | readonly Jwk[];
    readonly pwd?: string;
    readonly alg: string | readonly string[];
    readonly enc: string;
    readonly zip?: string;
  };
  readonly output: { readonly compact?: string; readonly json: object; readonly json_flat?: FlattenedJWE };
}

/** Under jwe/: all that RFC 7520 prints; and the one of its authors' that has an X25519 key. */
const COOKBOOK = [
  "5_1.key_encryption_using_rsa_v15_and_aes-hmac-sha2",
  "5_2.key_encryption_using_rsa-oaep_with_aes-gcm",
  "5_3.key_wrap_using_pbes2-aes-keywrap_with-aes-cbc-hmac-sha2",
  "5_4.key_agreement_with_key_wrapping_using_ecdh-es_and_aes-keywrap_with_aes-gcm",
  "5_5.key_agreement_using_ecdh-es_with_aes-cbc-hmac-sha2",
  "5_6.direct_encryption_using_aes-gcm",
  "5_7.key_wrap_using_aes-gcm_keywrap_with_aes-cbc-hmac-sha2",
  "5_8.key_wrap_using_aes-keywrap_with_aes-gcm",
  "5_9.compressed_content",
  "5_10.including_additional_authentication_data",
  "5_11.protecting_specific_header_fields",
  "5_12.protecting_content_only",
  "5_13.encrypting_to_multiple_recipients",
  "../curve25519/ecdh-es",
];

const isGeneral = (json: object): json is GeneralJWE => "recipients" in json;
const isFlattened = (json: object): json is FlattenedJWE => "ciphertext" in json && !isGeneral(json);

/** What jose makes of every serialisation that is printed, with one of the example's keys. */
async function plaintexts(
  { compact, json, json_flat: flat }: Cookbook["output"],
  key: CryptoKey | Uint8Array,
  alg: string,
) {
  const options = { keyManagementAlgorithms: [alg] };
  const opened: [string, Uint8Array][] = [];
  if (compact !== undefined) opened.push(["compact", (await compactDecrypt(compact, key, options)).plaintext]);
  if (isGeneral(json)) opened.push(["general", (await generalDecrypt(json, key, options)).plaintext]);
  for (const each of [json, flat ?? {}]) {
    if (isFlattened(each)) opened.push(["flattened", (await flattenedDecrypt(each, key, options)).plaintext]);
  }
  return opened;
}

test("RFC 7520 §5: jose opens all as printed but RSA1_5; the strict layer refuses them, each for its algorithm or form", async () => {
  const seen = { compact: 0, general: 0, flattened: 0 };
  const leftOut: string[] = [];
  const folder = new URL("../../vectors/ietf-jose-cookbook/jwe/", import.meta.url);
  const printed = readdirSync(folder).map((file) => file.replace(/\.json$/, ""));
  assert.deepEqual(COOKBOOK.slice(0, -1).toSorted(), printed.toSorted(), "every one of them is here");
  for (const name of COOKBOOK) {
    const { input, output } = readVectors<Cookbook>(`ietf-jose-cookbook/jwe/${name}.json`);
    const keys = [input.key ?? []].flat();
    const usable = await bound(keys.map((key) => ({ ...key, alg: undefined })));
    for (const text of [output.compact, JSON.stringify(output.json)]) {
      if (text !== undefined) assert.equal(await strictly(text, usable), null, name);
    }
    // None has an algorithm of the table together with its one content encryption.
    const isOurs = KEY_MANAGEMENT.some(({ name }) => name === input.alg) && input.enc === CONTENT_ENCRYPTION;
    assert.equal(isOurs && input.zip === undefined, false, name);
    for (const [index, alg] of [input.alg].flat().entries()) {
      if (alg === "RSA1_5") {
        leftOut.push(name);
        continue;
      }
      const secret = input.pwd === undefined ? undefined : new TextEncoder().encode(input.pwd);
      const key = secret ?? (await importJWK({ ...keys[index], alg } as JWK));
      for (const [form, plaintext] of await plaintexts(output, key, alg)) {
        assert.equal(new TextDecoder().decode(plaintext), input.plaintext, `${name} ${form}`);
        seen[form as keyof typeof seen] += 1;
      }
    }
  }
  assert.deepEqual(seen, { compact: 9, general: 11, flattened: 15 });
  // jose has no RSA1_5 (RFC 8725 §3.2), one of the three recipients of §5.13.
  assert.deepEqual(leftOut, [COOKBOOK[0], COOKBOOK[12]]);
});

test("RFC 7520 §6: a JWS nested in a JWE comes out of jose and holds under the token layer", async () => {
  const nesting = readVectors<{
    sign: { input: { payload: string; key: Jwk; alg: string }; output: { compact: string } };
    encrypt: { input: { key: Jwk; alg: string }; output: { compact: string } };
  }>("ietf-jose-cookbook/6.nesting_signatures_and_encryption.json");
  const { sign, encrypt } = nesting;
  const key = await importJWK({ ...encrypt.input.key, alg: encrypt.input.alg } as JWK);
  const { plaintext } = await compactDecrypt(encrypt.output.compact, key);
  const inner = new TextDecoder().decode(plaintext);
  assert.equal(inner, sign.output.compact);
  const { d: _d, p: _p, q: _q, dp: _dp, dq: _dq, qi: _qi, ...half } = sign.input.key;
  const verdict = verifyJws(inner, () => bindKey(half, { alg: "PS256" }));
  assert.ok(verdict.ok);
  assert.equal(new TextDecoder().decode(verdict.payload), sign.input.payload);
});
