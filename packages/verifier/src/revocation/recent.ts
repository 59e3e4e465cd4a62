/**
 * The last entries as they came, for as long as a checkpoint may ask for them (checkpoint.ts).
 *
 *   snapshot's end ──► rev ──► rev ──► …        what lies further back than any window is let go
 *   └ base: everything behind it is held
 */
import { digestOf, WINDOW_MAX, windowOctets } from "./checkpoint.ts";
import { ENTRY_AT, ENTRY_BYTES, readPosition } from "./entry.ts";
import { comparePositions, ORIGIN, type Position } from "./position.ts";

/** A run of whole entries, in the order of the log. */
interface Part {
  readonly octets: Uint8Array;
  readonly last: Position;
}

export interface Window {
  readonly sha256: string;
  readonly count: number;
}

export class RecentEntries {
  #base: Position = ORIGIN;
  #parts: Part[] = [];
  #size = 0;

  /** Begins anew with the last ones of a snapshot. @param count that there are from `offset` on */
  begin(octets: Uint8Array, offset: number, count: number): void {
    const kept = Math.min(count, WINDOW_MAX);
    const from = offset + (count - kept) * ENTRY_BYTES;
    this.#base = kept === count ? ORIGIN : positionAt(octets, from - ENTRY_BYTES);
    this.#parts = [];
    this.#size = 0;
    // A copy: a snapshot of a million entries must not stay for the sake of its end.
    this.#push(octets.slice(from, from + kept * ENTRY_BYTES));
  }

  /** Takes in what follows. What is held already is passed over. */
  add(octets: Uint8Array, offset: number, count: number): void {
    const end = offset + count * ENTRY_BYTES;
    const held = this.#parts.at(-1)?.last ?? this.#base;
    let from = offset;
    while (from < end && comparePositions(positionAt(octets, from), held) <= 0) from += ENTRY_BYTES;
    this.#push(octets.subarray(from, end));
    for (let [first] = this.#parts; first !== undefined; [first] = this.#parts) {
      const without = this.#size - first.octets.length / ENTRY_BYTES;
      if (without < WINDOW_MAX) break;
      this.#base = first.last;
      this.#parts.shift();
      this.#size = without;
    }
  }

  #push(octets: Uint8Array): void {
    if (octets.length === 0) return;
    this.#parts.push({ octets, last: positionAt(octets, octets.length - ENTRY_BYTES) });
    this.#size += octets.length / ENTRY_BYTES;
  }

  /** What a checkpoint should say of a window; null where not all of it is held. @param iat seconds since 1970 */
  async window(since: Position, until: Position, iat: number): Promise<Window | null> {
    if (comparePositions(since, this.#base) < 0) return null;
    const pieces = this.#parts
      .filter(({ last }) => comparePositions(last, since) > 0)
      .map(({ octets }) => between(octets, since, until));
    const octets = windowOctets(pieces, iat);
    return { sha256: await digestOf(octets), count: octets.length / ENTRY_BYTES };
  }
}

function positionAt(octets: Uint8Array, offset: number): Position {
  return readPosition(octets, offset + ENTRY_AT.epoch);
}

/** The entries behind a position, up to another. */
function between(octets: Uint8Array, since: Position, until: Position): Uint8Array {
  let from = 0;
  let end = octets.length;
  while (from < end && comparePositions(positionAt(octets, from), since) <= 0) from += ENTRY_BYTES;
  while (end > from && comparePositions(positionAt(octets, end - ENTRY_BYTES), until) > 0) end -= ENTRY_BYTES;
  return octets.subarray(from, end);
}
