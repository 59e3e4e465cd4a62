/**
 * `rev`, the frame that carries entries: binary, so that they are read in place and one buffer goes to a thousand verifiers.
 */

import { crc32 } from "./crc32.ts";
import {
  ENTRY_BYTES,
  encodeEntries,
  entriesInOrder,
  type FeedEntry,
  readNumber,
  readPosition,
  writeNumber,
  writePosition,
} from "./entry.ts";
import { REV_ENTRIES_MAX, REV_HEADER_BYTES, type Rev } from "./frames.ts";
import { comparePositions, type Position } from "./position.ts";

/** "MRF1" */
const REV_MAGIC = 0x4d524631;

/**
 *   0      4                16               28      32                                n
 *   ┌──────┬────────────────┬────────────────┬───────┬─────────────────────────────────┬──────┐
 *   │"MRF1"│ from u48 u48   │ to u48 u48     │ count │ entries, 40 octets each, rising │ crc  │
 *   └──────┴────────────────┴────────────────┴───────┴─────────────────────────────────┴──────┘
 *
 * @param entries as values, or as the octets that they have on the wire already
 * @throws TypeError for entries that are not in order between `from` and `to`, within one epoch: the caller's mistake
 */
export function encodeRev(
  from: Position,
  to: Position,
  entries: readonly FeedEntry[] | Uint8Array,
): Uint8Array<ArrayBuffer> {
  const raw = entries instanceof Uint8Array ? entries : encodeEntries(entries);
  const count = raw.length / ENTRY_BYTES;
  if (count > REV_ENTRIES_MAX) throw new TypeError(`A rev has at most ${REV_ENTRIES_MAX} entries.`);
  const end = REV_HEADER_BYTES + raw.length;
  const octets = new Uint8Array(end + 4);
  writeNumber(octets, 0, 4, REV_MAGIC);
  writePosition(octets, 4, from);
  writePosition(octets, 16, to);
  writeNumber(octets, 28, 4, count);
  octets.set(raw, REV_HEADER_BYTES);
  writeNumber(octets, end, 4, crc32(octets, 0, end));
  if (decodeRev(octets) === null) throw new TypeError("The entries of a rev rise from above `from` to `to`.");
  return octets;
}

/** Null for what is no `rev`, whole and in order. Entries are checked here, and are read in place later. */
export function decodeRev(octets: Uint8Array): Rev | null {
  if (octets.length < REV_HEADER_BYTES + 4 || readNumber(octets, 0, 4) !== REV_MAGIC) return null;
  const count = readNumber(octets, 28, 4);
  const end = REV_HEADER_BYTES + count * ENTRY_BYTES;
  if (count > REV_ENTRIES_MAX || octets.length !== end + 4) return null;
  if (readNumber(octets, end, 4) !== crc32(octets, 0, end)) return null;
  const from = readPosition(octets, 4);
  const to = readPosition(octets, 16);
  // A new epoch begins with a snapshot, never in the middle of a stream.
  if (from.epoch !== to.epoch || comparePositions(from, to) >= 0) return null;
  if (!entriesInOrder(octets, REV_HEADER_BYTES, count, from, to)) return null;
  return { type: "rev", from, to, count, octets };
}
