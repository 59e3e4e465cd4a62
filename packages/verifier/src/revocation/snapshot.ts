/**
 * The snapshot: every live entry up to a position, as one immutable piece, and the signature that says whose it is.
 *
 *   0      4              16            22         26          58       62   64
 *   ┌──────┬──────────────┬─────────────┬──────────┬───────────┬────────┬────┬──────────────────────────┐
 *   │"MRS1"│ position     │ server time │ N        │ feed key  │ count  │ 0  │ entries, 40 octets each, │
 *   │      │ u48 u48      │ u48 ms      │ u32 ms   │ 32 octets │ u32    │u16 │ rising, up to position   │
 *   └──────┴──────────────┴─────────────┴──────────┴───────────┴────────┴────┴──────────────────────────┘
 *
 * The header `Mapae-Checkpoint` carries a checkpoint (checkpoint.ts) over its SHA-256, position and number of entries. So
 * whoever hands the octets on, a cache or a relay, cannot change them.
 */
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
import { FEED_KEY_BYTES } from "./frames.ts";
import { isCount, ORIGIN, type Position } from "./position.ts";

export const SNAPSHOT_TYPE = "application/vnd.mapae.revocations";
export const SNAPSHOT_HEADER_BYTES = 64;
export const CHECKPOINT_HEADER = "mapae-checkpoint";

export interface SnapshotFacts {
  readonly position: Position;
  /** Milliseconds since 1970. */
  readonly serverTime: number;
  readonly leaseMs: number;
  readonly feedKey: Uint8Array;
}

/** The raw entries stand in `octets`, from `SNAPSHOT_HEADER_BYTES` on, `count` times `ENTRY_BYTES`. */
export interface Snapshot extends SnapshotFacts {
  readonly count: number;
  readonly octets: Uint8Array;
}

/** "MRS1" */
const MAGIC = 0x4d525331;
const LEASE_MAX = 2 ** 32 - 1;

/**
 * @param entries as values, or as the octets that they have on the wire already: then in order, which nobody walks again
 * @throws TypeError for entries that do not rise up to the position: the caller's mistake
 */
export function encodeSnapshot(
  facts: SnapshotFacts,
  entries: readonly FeedEntry[] | Uint8Array,
): Uint8Array<ArrayBuffer> {
  const raw = entries instanceof Uint8Array ? entries : encodeEntries(entries);
  const octets = new Uint8Array(SNAPSHOT_HEADER_BYTES + raw.length);
  const { position, serverTime, leaseMs, feedKey } = facts;
  if (!isCount(serverTime) || !isCount(leaseMs) || leaseMs > LEASE_MAX)
    throw new TypeError("A snapshot needs its times.");
  if (feedKey.length !== FEED_KEY_BYTES) throw new TypeError("A feed key has 32 octets.");
  writeNumber(octets, 0, 4, MAGIC);
  writePosition(octets, 4, position);
  writeNumber(octets, 16, 6, serverTime);
  writeNumber(octets, 22, 4, leaseMs);
  octets.set(feedKey, 26);
  const count = raw.length / ENTRY_BYTES;
  writeNumber(octets, 58, 4, count);
  octets.set(raw, SNAPSHOT_HEADER_BYTES);
  if (raw !== entries && !entriesInOrder(octets, SNAPSHOT_HEADER_BYTES, count, ORIGIN, position)) {
    throw new TypeError("The entries of a snapshot rise up to its position.");
  }
  return octets;
}

/**
 * What a snapshot says of itself, and that its size agrees; null for what is none. The entries' order is the signature's
 * matter: walking a million of them here would hold up everything else.
 */
export function decodeSnapshot(octets: Uint8Array): Snapshot | null {
  if (octets.length < SNAPSHOT_HEADER_BYTES || readNumber(octets, 0, 4) !== MAGIC) return null;
  const count = readNumber(octets, 58, 4);
  if (octets.length !== SNAPSHOT_HEADER_BYTES + count * ENTRY_BYTES || readNumber(octets, 62, 2) !== 0) return null;
  return {
    position: readPosition(octets, 4),
    serverTime: readNumber(octets, 16, 6),
    leaseMs: readNumber(octets, 22, 4),
    feedKey: octets.slice(26, 58),
    count,
    octets,
  };
}
