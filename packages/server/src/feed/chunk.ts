/**
 * A run of the log's entries in their form on the wire, and beside each of them whom it concerns. Chunks are of a fixed
 * size, so that growing and forgetting never move more than 160 KiB at a time.
 */
import {
  ENTRY_AT,
  ENTRY_BYTES,
  type FeedEntry,
  REVOCATION_KINDS,
  readNumber,
  readPosition,
  writeEntry,
} from "@mapae/verifier/revocation";
import { isBefore, type Position } from "../revocation/entry.ts";

export const CHUNK_ENTRIES = 4096;
/** Of an entry that everyone has to hear. */
export const EVERYONE = 0;

export interface Chunk {
  readonly octets: Uint8Array<ArrayBuffer>;
  readonly audiences: Uint16Array<ArrayBuffer>;
  count: number;
  /** How many of them concern one audience only. */
  scoped: number;
  /** Unix seconds: none of them expires before. */
  expires: number;
}

export function emptyChunk(): Chunk {
  return {
    octets: new Uint8Array(CHUNK_ENTRIES * ENTRY_BYTES),
    audiences: new Uint16Array(CHUNK_ENTRIES),
    count: 0,
    scoped: 0,
    expires: Number.POSITIVE_INFINITY,
  };
}

export function append(chunk: Chunk, entry: FeedEntry, audience: number): void {
  writeEntry(chunk.octets, chunk.count * ENTRY_BYTES, entry);
  count(chunk, audience);
}

/** Takes in an entry in its form on the wire. */
export function appendOctets(chunk: Chunk, from: Uint8Array, offset: number, audience: number): void {
  chunk.octets.set(from.subarray(offset, offset + ENTRY_BYTES), chunk.count * ENTRY_BYTES);
  count(chunk, audience);
}

const KEY_OCTET = REVOCATION_KINDS.key.octet;

/** Counts the entry that was written behind the last one. */
function count(chunk: Chunk, audience: number): void {
  const at = chunk.count * ENTRY_BYTES;
  chunk.audiences[chunk.count] = audience;
  chunk.count += 1;
  if (audience !== EVERYONE) chunk.scoped += 1;
  // Those of kind `key` stay, however long: they must not make the chunk look as if there were something to forget.
  if (chunk.octets[at + ENTRY_AT.kind] === KEY_OCTET) return;
  chunk.expires = Math.min(chunk.expires, readNumber(chunk.octets, at + ENTRY_AT.expires, 5));
}

export function positionOf(chunk: Chunk, index: number): Position {
  return readPosition(chunk.octets, index * ENTRY_BYTES + ENTRY_AT.epoch);
}

/** When an entry was committed, in Unix seconds. */
export function atOf(chunk: Chunk, index: number): number {
  return readNumber(chunk.octets, index * ENTRY_BYTES + ENTRY_AT.at, 5);
}

/** The index of the first entry behind a position. */
export function firstAfter(chunk: Chunk, position: Position): number {
  let low = 0;
  let high = chunk.count;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBefore(position, positionOf(chunk, middle))) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** Whether some entry from an index on concerns one audience only. */
export function isScoped(chunk: Chunk, from: number): boolean {
  return chunk.scoped > 0 && chunk.audiences.subarray(from, chunk.count).some((audience) => audience !== EVERYONE);
}

/** The octets of a run that concern an audience; where that is all, without a copy. */
export function octetsFor(chunk: Chunk, from: number, until: number, audience: number): Uint8Array {
  const run = chunk.octets.subarray(from * ENTRY_BYTES, until * ENTRY_BYTES);
  if (chunk.scoped === 0) return run;
  const kept: Uint8Array[] = [];
  for (let index = from; index < until; index += 1) {
    const concerns = chunk.audiences[index];
    if (concerns !== EVERYONE && concerns !== audience) continue;
    kept.push(run.subarray((index - from) * ENTRY_BYTES, (index - from + 1) * ENTRY_BYTES));
  }
  return kept.length === until - from ? run : Buffer.concat(kept);
}

/** The chunk without the entries that may go: expired before a time (Unix seconds), or before an entry for everyone. */
export function without(chunk: Chunk, expiredBefore: number, coveredBy: Position | null): Chunk {
  const left = emptyChunk();
  for (let index = 0; index < chunk.count; index += 1) {
    const at = index * ENTRY_BYTES;
    const isKey = chunk.octets[at + ENTRY_AT.kind] === KEY_OCTET;
    const expires = readNumber(chunk.octets, at + ENTRY_AT.expires, 5);
    const covered = coveredBy !== null && isBefore(positionOf(chunk, index), coveredBy);
    if (!isKey && (expires < expiredBefore || covered)) continue;
    appendOctets(left, chunk.octets, at, chunk.audiences[index] ?? EVERYONE);
  }
  return left;
}
