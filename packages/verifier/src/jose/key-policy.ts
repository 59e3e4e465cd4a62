/**
 * All policy about a key for signatures, decided once, when it is bound, and the same for every engine. What comes out is
 * clean: one algorithm, and either the octets of a secret or a JWK with nothing but the members that its type defines.
 */
import { ALGORITHMS, type Algorithm, type AlgorithmName, isAlgorithmName } from "./algorithms.ts";
import { type CleanJwk, checkEc, checkOkp, checkRsa, halfOf, octets } from "./key-material.ts";
import { type BindOptions, type Jwk, KeyRefused } from "./keys.ts";

export type Purpose = "verify" | "sign";

/** A key that has passed: `jwk` for a key pair's half, `secret` for HMAC. */
export type AdmittedKey =
  | { readonly algorithm: Algorithm; readonly kid: string | undefined; readonly secret: Uint8Array }
  | { readonly algorithm: Algorithm; readonly kid: string | undefined; readonly jwk: CleanJwk };

const SECRET_BYTES_MAX = 1024;

/** Admits a JWK for one purpose. @throws KeyRefused */
export function admitJwk(jwk: Jwk, options: BindOptions, purpose: Purpose): AdmittedKey {
  const algorithm = algorithmOf(jwk, options.alg);
  const kid = options.kid ?? jwk.kid;
  if (kid !== undefined && typeof kid !== "string") throw new KeyRefused("key_malformed");
  if (jwk.kty !== algorithm.kty) throw new KeyRefused("key_type_mismatch");
  refuseOtherUse(jwk, purpose);
  if (algorithm.kty === "oct") return admitSecret(octets(jwk.k), algorithm, kid);
  if (algorithm.curve !== null && jwk.crv !== algorithm.curve) throw new KeyRefused("key_curve_mismatch");
  PUBLIC_CHECKS[algorithm.kty](jwk, algorithm);
  return { algorithm, kid, jwk: halfOf(jwk, algorithm.kty, purpose === "verify" ? "public" : "private") };
}

/** Admits the octets of an HMAC secret, but for the look into the list of leaked ones, which needs a hash. @throws KeyRefused */
export function admitSecret(secret: Uint8Array, algorithm: Algorithm, kid: string | undefined): AdmittedKey {
  if (algorithm.kty !== "oct") throw new KeyRefused("key_type_mismatch");
  // A public key used as a secret is the RS/HS confusion (RFC 8725 §2.1); everyone knows that "secret".
  if (looksLikeKeyFile(secret)) throw new KeyRefused("key_type_mismatch");
  // RFC 7518 §3.2: at least as long as the hash.
  if (secret.length * 8 < (algorithm.minimumKeyBits ?? 0)) throw new KeyRefused("key_too_small");
  if (secret.length > SECRET_BYTES_MAX) throw new KeyRefused("key_too_large");
  return { algorithm, kid, secret };
}

/** The row of the table: asked for, named by the key, or implied by its curve. Never from a token. */
function algorithmOf(jwk: Jwk, asked: AlgorithmName | undefined): Algorithm {
  const { alg } = jwk;
  if (alg !== undefined && asked !== undefined && alg !== asked) throw new KeyRefused("key_algorithm_mismatch");
  const name = asked ?? alg;
  if (name !== undefined) return algorithmNamed(name);
  const implied = Object.values<Algorithm>(ALGORITHMS).find(
    (row) => row.impliedByKey && row.kty === jwk.kty && row.curve === jwk.crv,
  );
  if (implied === undefined) throw new KeyRefused("key_algorithm_missing");
  return implied;
}

/** @throws KeyRefused `key_algorithm_unsupported` */
export function algorithmNamed(name: unknown): Algorithm {
  if (!isAlgorithmName(name)) throw new KeyRefused("key_algorithm_unsupported");
  return ALGORITHMS[name];
}

/** RFC 7517 §4.2 and §4.3: a key that says what it is for is used for nothing else. */
function refuseOtherUse(jwk: Jwk, purpose: Purpose): void {
  if (jwk.use !== undefined && jwk.use !== "sig") throw new KeyRefused("key_use_forbidden");
  const operations = jwk.key_ops;
  if (operations === undefined) return;
  if (!Array.isArray(operations) || !operations.includes(purpose)) throw new KeyRefused("key_use_forbidden");
}

const PUBLIC_CHECKS: Readonly<Record<"RSA" | "EC" | "OKP" | "AKP", (jwk: Jwk, algorithm: Algorithm) => void>> = {
  RSA: (jwk, { minimumKeyBits }) => checkRsa(jwk, minimumKeyBits ?? 0),
  EC: (jwk, { curve }) => checkEc(jwk, curve ?? ""),
  OKP: (jwk, { curve }) => checkOkp(jwk, curve ?? ""),
  AKP(jwk, algorithm) {
    if (jwk.alg !== algorithm.name) throw new KeyRefused("key_algorithm_mismatch");
    octets(jwk.pub);
  },
};

const KEY_FILE_MARKS = ["-----BEGIN ", "ssh-rsa ", "ssh-ed25519 ", "ecdsa-sha2-"];

function looksLikeKeyFile(secret: Uint8Array): boolean {
  const text = String.fromCharCode(...secret.subarray(0, SECRET_BYTES_MAX));
  return KEY_FILE_MARKS.some((mark) => text.includes(mark));
}
