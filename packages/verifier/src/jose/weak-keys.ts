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

/**
 * The two pairs of points of order 8, little-endian: y on edwards25519, u on curve25519. The coordinates of the other weak
 * points are 0, 1 and p − 1 on both.
 */
const ORDER_EIGHT: Readonly<Record<string, readonly string[]>> = {
  Ed25519: [
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  ],
  X25519: [
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
  ],
};

/**
 * Is the public key on Ed25519 or X25519 of small order, or not spelt canonically?
 *
 * Under an Ed25519 point of small order one signature fits many texts: OpenSSL refuses that since 3.5, the one of Node 20
 * accepts it (measured: 64 of 64 texts under the neutral point). What is agreed on with an X25519 point of small order is
 * zero for everybody (RFC 7748 §6.1).
 */
export function hasSmallOrder(publicKey: Uint8Array, curve: string): boolean {
  const coordinate = Uint8Array.from(publicKey);
  // The top bit is the sign of x, or means nothing.
  coordinate[31] = (coordinate[31] ?? 0) & 0x7f;
  const hex = Array.from(coordinate, (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (ORDER_EIGHT[curve]?.includes(hex)) return true;
  const first = coordinate[0] ?? 0;
  const zeroOrOne = first <= 1 && coordinate.subarray(1).every((byte) => byte === 0);
  // p = 2^255 − 19 is ed ff … ff 7f: p − 1 has order 2, and what is not below p has a second spelling.
  const fromMinusOne = first >= 0xec && coordinate.subarray(1, 31).every((byte) => byte === 0xff);
  return zeroOrOne || (fromMinusOne && coordinate[31] === 0x7f);
}
