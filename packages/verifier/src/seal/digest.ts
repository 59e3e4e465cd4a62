/**
 * Hashes and random octets over WebCrypto, and the chain of hashes that stands for a content in pieces.
 *
 *   c₀ = SHA-256("")      cᵢ₊₁ = SHA-256( cᵢ ‖ SHA-256(pieceᵢ) )
 *
 * A chain needs constant memory and no hash that can be fed bit by bit, which WebCrypto has not; the pieces' own hashes can
 * be computed side by side, where a runtime has threads for them.
 */

/** Octets that own their memory, as WebCrypto wants them. */
export type Octets = Uint8Array<ArrayBuffer>;

export async function sha256(octets: Uint8Array): Promise<Octets> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", owned(octets)));
}

/** HMAC-SHA-256 (RFC 2104). */
export async function hmac(secret: Uint8Array, octets: Uint8Array): Promise<Octets> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", owned(secret), algorithm, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", key, owned(octets)));
}

export function randomOctets(count: number): Octets {
  return crypto.getRandomValues(new Uint8Array(count));
}

export function joined(...parts: readonly Uint8Array[]): Octets {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Octets that came in parts as one; copied only where there are several. */
export function whole(parts: readonly Uint8Array[]): Uint8Array {
  const [first = new Uint8Array(), ...others] = parts.filter(({ length }) => length > 0);
  return others.length === 0 ? first : joined(first, ...others);
}

export const CHAIN_START: Octets = Uint8Array.from(
  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".match(/../g) ?? [],
  (octet) => Number.parseInt(octet, 16),
);

export function same(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((octet, at) => octet === other[at]);
}

/** WebCrypto takes no view of shared memory; that it is none is checked, and nothing is copied. */
export function owned(octets: Uint8Array): Octets {
  return octets.buffer instanceof ArrayBuffer ? (octets as Octets) : Uint8Array.from(octets);
}
