/**
 * What every key of a type has to be, whatever it is used for: complete, canonically written, large enough, and of no family
 * that is known to be weak. key-policy.ts asks this for signatures, jwe/keys.ts for encryption.
 *
 * Whether a point lies on its curve is left to the engine's import (OpenSSL and WebCrypto both check); the weak points
 * that lie on it are refused here.
 */
import { decodeBase64url } from "./base64url.ts";
import { type Jwk, KeyRefused } from "./keys.ts";
import { hasSmallOrder, isRocaModulus } from "./weak-keys.ts";

/** A JWK with nothing but the members that its type defines. */
export type CleanJwk = { -readonly [Member in Exclude<keyof Jwk, "kid" | "use" | "key_ops">]?: string };

/** What a key is bound for decides which half of it may be there. */
export type Half = "public" | "private";

const MODULUS_BITS_MAX = 16_384;
const EXPONENT_BYTES_MAX = 8;
const COORDINATE_BYTES: Readonly<Record<string, number>> = {
  "P-256": 32,
  "P-384": 48,
  "P-521": 66,
  Ed25519: 32,
  X25519: 32,
};

/** The members of each key type: RFC 7518 §6, RFC 8037 §2, RFC 9964 §3. */
const MEMBERS = {
  RSA: { public: ["n", "e"], private: ["d", "p", "q", "dp", "dq", "qi"] },
  EC: { public: ["crv", "x", "y"], private: ["d"] },
  OKP: { public: ["crv", "x"], private: ["d"] },
  AKP: { public: ["alg", "pub"], private: ["priv"] },
} as const;

/** @param minimumBits smallest modulus */
export function checkRsa(jwk: Jwk, minimumBits: number): void {
  const modulus = unsignedInteger(jwk.n);
  const bits = modulus.length * 8 - Math.clz32(modulus[0] ?? 0) + 24;
  if (bits < minimumBits) throw new KeyRefused("key_too_small");
  if (bits > MODULUS_BITS_MAX) throw new KeyRefused("key_too_large");
  const exponent = unsignedInteger(jwk.e);
  if (exponent.length > EXPONENT_BYTES_MAX) throw new KeyRefused("key_too_large");
  // FIPS 186-5 §5.4: odd and above 2^16. An exponent of 1 makes every text its own signature.
  const isOdd = ((exponent.at(-1) ?? 0) & 1) === 1;
  if (!isOdd || exponent.length < 3) throw new KeyRefused("key_exponent_unsafe");
  if (isRocaModulus(modulus)) throw new KeyRefused("key_weak");
}

export function checkEc(jwk: Jwk, curve: string): void {
  coordinate(jwk.x, curve);
  coordinate(jwk.y, curve);
}

export function checkOkp(jwk: Jwk, curve: string): void {
  if (hasSmallOrder(coordinate(jwk.x, curve), curve)) throw new KeyRefused("key_weak");
}

/** The public or private half of a JWK, without everything else that was in it. */
export function halfOf(jwk: Jwk, kty: keyof typeof MEMBERS, half: Half): CleanJwk {
  const { public: publicMembers, private: privateMembers } = MEMBERS[kty];
  const present = privateMembers.filter((member) => jwk[member] !== undefined);
  if (half === "public" && present.length > 0) throw new KeyRefused("key_private");
  if (half === "private" && present.length !== privateMembers.length) throw new KeyRefused("key_not_private");
  for (const member of present) octets(jwk[member]);
  const clean: CleanJwk = { kty };
  for (const member of [...publicMembers, ...present]) clean[member] = jwk[member] ?? "";
  return clean;
}

export function octets(text: unknown): Uint8Array {
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
function coordinate(text: unknown, curve: string): Uint8Array {
  const bytes = octets(text);
  if (bytes.length !== COORDINATE_BYTES[curve]) throw new KeyRefused("key_malformed");
  return bytes;
}
