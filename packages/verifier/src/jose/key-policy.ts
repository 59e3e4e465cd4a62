/**
 * All policy about a key, decided once, when it is bound, and the same for every engine. What comes out is clean: one
 * algorithm, and either the octets of a secret or a JWK with nothing but the members that its type defines.
 *
 * Whether a point lies on its curve is left to the engine's import (OpenSSL and WebCrypto both check); the weak points
 * that lie on it are refused here.
 */
import { ALGORITHMS, type Algorithm, type AlgorithmName, isAlgorithmName } from "./algorithms.ts";
import { decodeBase64url } from "./base64url.ts";
import { type BindOptions, type Jwk, KeyRefused } from "./keys.ts";
import { hasSmallOrder, isRocaModulus } from "./weak-keys.ts";

export type Purpose = "verify" | "sign";

/** A key that has passed: `jwk` for a key pair's half, `secret` for HMAC. */
export type AdmittedKey =
  | { readonly algorithm: Algorithm; readonly kid: string | undefined; readonly secret: Uint8Array }
  | { readonly algorithm: Algorithm; readonly kid: string | undefined; readonly jwk: CleanJwk };

/** A JWK with nothing but the members that its type defines. */
export type CleanJwk = { -readonly [Member in Exclude<keyof Jwk, "kid" | "use" | "key_ops">]?: string };

const MODULUS_BITS_MAX = 16_384;
const EXPONENT_BYTES_MAX = 8;
const SECRET_BYTES_MAX = 1024;
const COORDINATE_BYTES: Readonly<Record<string, number>> = { "P-256": 32, "P-384": 48, "P-521": 66, Ed25519: 32 };

/** The members of each key type: RFC 7518 §6, RFC 8037 §2, RFC 9964 §3. */
const MEMBERS = {
  RSA: { public: ["n", "e"], private: ["d", "p", "q", "dp", "dq", "qi"] },
  EC: { public: ["crv", "x", "y"], private: ["d"] },
  OKP: { public: ["crv", "x"], private: ["d"] },
  AKP: { public: ["alg", "pub"], private: ["priv"] },
} as const;

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
  return { algorithm, kid, jwk: halfOf(jwk, algorithm.kty, purpose) };
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
  RSA(jwk, algorithm) {
    const modulus = unsignedInteger(jwk.n);
    const bits = modulus.length * 8 - Math.clz32(modulus[0] ?? 0) + 24;
    if (bits < (algorithm.minimumKeyBits ?? 0)) throw new KeyRefused("key_too_small");
    if (bits > MODULUS_BITS_MAX) throw new KeyRefused("key_too_large");
    const exponent = unsignedInteger(jwk.e);
    if (exponent.length > EXPONENT_BYTES_MAX) throw new KeyRefused("key_too_large");
    // FIPS 186-5 §5.4: odd and above 2^16. An exponent of 1 makes every text its own signature.
    const isOdd = ((exponent.at(-1) ?? 0) & 1) === 1;
    if (!isOdd || exponent.length < 3) throw new KeyRefused("key_exponent_unsafe");
    if (isRocaModulus(modulus)) throw new KeyRefused("key_weak");
  },
  EC(jwk, algorithm) {
    coordinate(jwk.x, algorithm);
    coordinate(jwk.y, algorithm);
  },
  OKP(jwk, algorithm) {
    if (hasSmallOrder(coordinate(jwk.x, algorithm))) throw new KeyRefused("key_weak");
  },
  AKP(jwk, algorithm) {
    if (jwk.alg !== algorithm.name) throw new KeyRefused("key_algorithm_mismatch");
    octets(jwk.pub);
  },
};

/** The public or private half of a JWK, without everything else that was in it. */
function halfOf(jwk: Jwk, kty: keyof typeof MEMBERS, purpose: Purpose): CleanJwk {
  const { public: publicMembers, private: privateMembers } = MEMBERS[kty];
  const present = privateMembers.filter((member) => jwk[member] !== undefined);
  if (purpose === "verify" && present.length > 0) throw new KeyRefused("key_private");
  if (purpose === "sign" && present.length !== privateMembers.length) throw new KeyRefused("key_not_private");
  for (const member of present) octets(jwk[member]);
  const clean: CleanJwk = { kty };
  for (const member of [...publicMembers, ...present]) clean[member] = jwk[member] ?? "";
  return clean;
}

function octets(text: unknown): Uint8Array {
  const bytes = typeof text === "string" ? decodeBase64url(text) : null;
  if (bytes === null) throw new KeyRefused("key_malformed");
  return bytes;
}

/** RFC 7518 §2, Base64urlUInt: the fewest octets, so without a leading zero. */
function unsignedInteger(text: unknown): Uint8Array {
  const bytes = octets(text);
  if (bytes.length === 0 || bytes[0] === 0) throw new KeyRefused("key_malformed");
  return bytes;
}

/** RFC 7518 §6.2.1.2: exactly as long as the curve's field. */
function coordinate(text: unknown, algorithm: Algorithm): Uint8Array {
  const bytes = octets(text);
  if (bytes.length !== COORDINATE_BYTES[algorithm.curve ?? ""]) throw new KeyRefused("key_malformed");
  return bytes;
}

const KEY_FILE_MARKS = ["-----BEGIN ", "ssh-rsa ", "ssh-ed25519 ", "ecdsa-sha2-"];

function looksLikeKeyFile(secret: Uint8Array): boolean {
  const text = String.fromCharCode(...secret.subarray(0, SECRET_BYTES_MAX));
  return KEY_FILE_MARKS.some((mark) => text.includes(mark));
}
