/**
 * CRC-32 (ISO/IEC 3309, as in zlib and PNG), which every frame of the feed carries. It is no protection from an attacker;
 * it keeps a bit that flipped on the way from turning a head, an echo or an entry's key into another that looks as good.
 */
const TABLE = new Uint32Array(256);
for (let octet = 0; octet < 256; octet++) {
  let value = octet;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  TABLE[octet] = value;
}

/** The checksum of the octets from `from` to before `to`, as an unsigned 32-bit number. */
export function crc32(octets: Uint8Array, from = 0, to = octets.length): number {
  let sum = 0xffffffff;
  for (let at = from; at < to; at++) sum = (TABLE[(sum ^ (octets[at] ?? 0)) & 0xff] ?? 0) ^ (sum >>> 8);
  return (sum ^ 0xffffffff) >>> 0;
}
