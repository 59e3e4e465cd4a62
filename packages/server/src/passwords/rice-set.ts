/**
 * A set of texts as a sorted list of small hashes, each stored as its distance to the one before (a Golomb-Rice coded
 * set; Putze, Sanders & Singler, "Cache-, Hash- and Space-Efficient Bloom Filters", 2007).
 *
 *   text ──SHA-256──► 48 bits ──mod n·2^p──► value        sorted:  17  94 203 …
 *                                                          gaps:   17  77 109 …  = quotient in unary ‖ p low bits
 *
 * It never forgets a member, and takes a stranger for one with probability 2^-p. It costs about p + 1.5 bits a member
 * (a Bloom filter: 1.44·p) and cannot be read back into the texts.
 *
 * File: "GRS1" ‖ p (u8) ‖ n (u32) ‖ values that are stored (u32) ‖ bits, numbers in big-endian order.
 */
import { createHash } from "node:crypto";

const MAGIC = "GRS1";
const HEADER = 13;
/** Values are kept in 32 bits once read. */
const RANGE_LIMIT = 2 ** 32;

export interface RiceSet {
  has(text: string): boolean;
  /** Members that the file was made from. */
  readonly size: number;
  /** The chance that a text which is no member is taken for one. */
  readonly falsePositiveRate: number;
}

function hashOf(text: string, range: number): number {
  return createHash("sha256").update(text, "utf8").digest().readUIntBE(0, 6) % range;
}

/** The file of a set of distinct texts. `p`: the false positive rate is 2^-p. */
export function encodeRiceSet(texts: readonly string[], p: number): Buffer {
  const range = texts.length * 2 ** p;
  if (range > RANGE_LIMIT) throw new RangeError("a Rice set of this size and rate does not fit in 32 bits");
  const values = [...new Set(texts.map((text) => hashOf(text, range)))].sort((left, right) => left - right);
  const bits: number[] = [];
  let before = 0;
  for (const value of values) {
    const gap = value - before;
    for (let quotient = Math.floor(gap / 2 ** p); quotient > 0; quotient--) bits.push(1);
    bits.push(0);
    for (let bit = p - 1; bit >= 0; bit--) bits.push(Math.floor(gap / 2 ** bit) % 2);
    before = value;
  }
  const file = Buffer.alloc(HEADER + Math.ceil(bits.length / 8));
  file.write(MAGIC, "latin1");
  file.writeUInt8(p, 4);
  file.writeUInt32BE(texts.length, 5);
  file.writeUInt32BE(values.length, 9);
  bits.forEach((bit, index) => {
    const at = HEADER + (index >> 3);
    file[at] = (file[at] ?? 0) | (bit << (7 - (index & 7)));
  });
  return file;
}

/** Reads a file of `encodeRiceSet`. Throws where it is none, or is cut short: a damaged installation. */
export function readRiceSet(file: Buffer): RiceSet {
  if (file.length < HEADER || file.toString("latin1", 0, 4) !== MAGIC) throw new Error("not a Rice set");
  const p = file.readUInt8(4);
  const size = file.readUInt32BE(5);
  const range = size * 2 ** p;
  const values = decodeValues(file, p, file.readUInt32BE(9));
  return { size, falsePositiveRate: 2 ** -p, has: (text) => size > 0 && contains(values, hashOf(text, range)) };
}

function decodeValues(file: Buffer, p: number, count: number): Uint32Array {
  if (count > (file.length - HEADER) * 8) throw new Error("a Rice set that is cut short");
  const values = new Uint32Array(count);
  const end = file.length * 8;
  let at = HEADER * 8;
  const next = (): number => {
    if (at >= end) throw new Error("a Rice set that is cut short");
    const bit = ((file[at >> 3] ?? 0) >> (7 - (at & 7))) & 1;
    at++;
    return bit;
  };
  let value = 0;
  for (let index = 0; index < count; index++) {
    let quotient = 0;
    while (next() === 1) quotient++;
    let low = 0;
    for (let bit = 0; bit < p; bit++) low = low * 2 + next();
    value += quotient * 2 ** p + low;
    values[index] = value;
  }
  return values;
}

function contains(sorted: Uint32Array, wanted: number): boolean {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? 0) < wanted) low = middle + 1;
    else high = middle;
  }
  return sorted[low] === wanted;
}
