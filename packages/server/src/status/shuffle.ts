/**
 * A shuffle that needs no memory: from the count of what was given to an index that nobody can guess and that was not
 * given before. A Feistel network over the 17 bits of an index, which is a permutation whatever its round function is.
 *
 *   count ──► ┌ left 8 │ right 9 ┐ ──► left ^= f(right) ──► swap roles ──► … ──► index
 *
 * Consecutive indices would tell who logged in after whom, and how many do (§12.4 and §12.5 ask for random ones).
 */
import { createHmac } from "node:crypto";

const LEFT_BITS = 8;
const RIGHT_BITS = 9;
const ROUNDS = 8;

/** @param count from 0 to 2^17 − 1 @returns another one for each, in the same range */
export function shuffled(count: number, seed: Buffer): number {
  let left = count >> RIGHT_BITS;
  let right = count & ((1 << RIGHT_BITS) - 1);
  for (let round = 0; round < ROUNDS; round += 2) {
    left ^= mix(seed, round, right) & ((1 << LEFT_BITS) - 1);
    right ^= mix(seed, round + 1, left) & ((1 << RIGHT_BITS) - 1);
  }
  return (left << RIGHT_BITS) | right;
}

function mix(seed: Buffer, round: number, half: number): number {
  return createHmac("sha256", seed)
    .update(Uint8Array.of(round, half >> 8, half & 0xff))
    .digest()
    .readUInt16BE();
}
