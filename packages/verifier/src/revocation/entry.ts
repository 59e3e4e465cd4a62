/**
 * One entry of the feed, in 40 octets, all numbers big endian:
 *
 *   0     1       2          8        14      19         24                       40
 *   ┌─────┬───────┬──────────┬────────┬───────┬──────────┬────────────────────────┐
 *   │kind │reason │ epoch    │ seq    │ at    │ expires  │ key                    │
 *   │ u8  │ u8    │ u48      │ u48    │ u40 s │ u40 s    │ 128 bits of a keyed hash (entry-key.ts)
 *   └─────┴───────┴──────────┴────────┴───────┴──────────┴────────────────────────┘
 *
 * `key` stands for what is revoked, so that relays and logs learn no subject. The fixed size lets a frame or a snapshot
 * be read in place, without an object for each entry.
 */
import { COUNT_MAX, isCount, type Position } from "./position.ts";

/**
 * What can be revoked: its octet on the wire, the claim by which it meets a token, and whether it kills only tokens that
 * were issued at an earlier position (so that logging in again works at once).
 */
export const REVOCATION_KINDS = {
  token: { octet: 1, claim: "jti", onlyEarlier: false },
  session: { octet: 2, claim: "sid", onlyEarlier: false },
  grant: { octet: 3, claim: "gid", onlyEarlier: false },
  key: { octet: 4, claim: "kid", onlyEarlier: false },
  user: { octet: 5, claim: "sub", onlyEarlier: true },
  client: { octet: 6, claim: "client_id", onlyEarlier: true },
  all: { octet: 7, claim: null, onlyEarlier: true },
} as const;

export type RevocationKind = keyof typeof REVOCATION_KINDS;

/** In the order of their octets, which begin at 1. */
export const KINDS = Object.keys(REVOCATION_KINDS) as RevocationKind[];

/** Why, by the octet on the wire. An octet beyond the table is a reason of a later version: the entry counts all the same. */
export const REVOCATION_REASONS = [
  "logout",
  "evicted",
  "replayed",
  "admin",
  "password_changed",
  "user_disabled",
  "expired",
  "roles_changed",
  "client_deleted",
  "key_revoked",
  "restored",
  "reported",
] as const;

export type RevocationReason = (typeof REVOCATION_REASONS)[number] | "unknown";

export interface FeedEntry {
  readonly kind: RevocationKind;
  readonly reason: RevocationReason;
  readonly position: Position;
  /** When it was committed, in whole seconds since 1970: the cut-off for tokens without a position of their own. */
  readonly at: number;
  /** Seconds since 1970 after which no token that it names can be alive. */
  readonly expires: number;
  /** 16 octets. */
  readonly key: Uint8Array;
}

/** The entry that kills a token. */
export interface Revocation {
  readonly kind: RevocationKind;
  readonly reason: RevocationReason;
  readonly position: Position;
}

export const ENTRY_BYTES = 40;
export const KEY_BYTES = 16;

/** Largest time on the wire, and `expires` of an entry that has no end. */
export const SECONDS_MAX = 2 ** 40 - 1;

/** Where the members begin within an entry. */
export const ENTRY_AT = { kind: 0, reason: 1, epoch: 2, seq: 8, at: 14, expires: 19, key: 24 } as const;

/** @throws TypeError for a value that has no place in the octets: the caller's mistake */
export function writeEntry(into: Uint8Array, offset: number, entry: FeedEntry): void {
  const { position, at, expires, key } = entry;
  if (!isCount(position.epoch) || !isCount(position.seq)) throw new TypeError("An entry needs a position.");
  if (!isSeconds(at) || !isSeconds(expires)) throw new TypeError("An entry's times are whole seconds since 1970.");
  if (key.length !== KEY_BYTES) throw new TypeError("An entry's key has 16 octets.");
  into[offset + ENTRY_AT.kind] = REVOCATION_KINDS[entry.kind].octet;
  into[offset + ENTRY_AT.reason] = reasonOctet(entry.reason);
  writeNumber(into, offset + ENTRY_AT.epoch, 6, position.epoch);
  writeNumber(into, offset + ENTRY_AT.seq, 6, position.seq);
  writeNumber(into, offset + ENTRY_AT.at, 5, at);
  writeNumber(into, offset + ENTRY_AT.expires, 5, expires);
  into.set(key, offset + ENTRY_AT.key);
}

/** Entries as they stand in a frame or a snapshot, one after the other. */
export function encodeEntries(entries: readonly FeedEntry[]): Uint8Array<ArrayBuffer> {
  const octets = new Uint8Array(entries.length * ENTRY_BYTES);
  for (const [index, entry] of entries.entries()) writeEntry(octets, index * ENTRY_BYTES, entry);
  return octets;
}

/** The entry at an offset; null where its kind is none of this version. */
export function readEntry(from: Uint8Array, offset: number): FeedEntry | null {
  const kind = KINDS[(from[offset + ENTRY_AT.kind] ?? 0) - 1];
  if (kind === undefined) return null;
  return {
    kind,
    reason: reasonNamed(from[offset + ENTRY_AT.reason] ?? 0xff),
    position: readPosition(from, offset + ENTRY_AT.epoch),
    at: readNumber(from, offset + ENTRY_AT.at, 5),
    expires: readNumber(from, offset + ENTRY_AT.expires, 5),
    key: from.slice(offset + ENTRY_AT.key, offset + ENTRY_BYTES),
  };
}

/**
 * True where `count` entries stand from `offset` on whose kinds are known and whose positions rise, from above `after` to
 * `last` at most. What is not in order was not written by an issuer.
 */
export function entriesInOrder(
  octets: Uint8Array,
  offset: number,
  count: number,
  after: Position,
  last: Position,
): boolean {
  let { epoch, seq } = after;
  for (let entry = 0, at = offset; entry < count; entry++, at += ENTRY_BYTES) {
    const kind = octets[at + ENTRY_AT.kind] ?? 0;
    if (kind < 1 || kind > KINDS.length) return false;
    const nextEpoch = readNumber(octets, at + ENTRY_AT.epoch, 6);
    const nextSeq = readNumber(octets, at + ENTRY_AT.seq, 6);
    if (nextEpoch < epoch || (nextEpoch === epoch && nextSeq <= seq)) return false;
    epoch = nextEpoch;
    seq = nextSeq;
  }
  return epoch < last.epoch || (epoch === last.epoch && seq <= last.seq);
}

export function writePosition(into: Uint8Array, offset: number, { epoch, seq }: Position): void {
  if (!isCount(epoch) || !isCount(seq)) throw new TypeError(`A position has two whole numbers up to ${COUNT_MAX}.`);
  writeNumber(into, offset, 6, epoch);
  writeNumber(into, offset + 6, 6, seq);
}

export function readPosition(from: Uint8Array, offset: number): Position {
  return { epoch: readNumber(from, offset, 6), seq: readNumber(from, offset + 6, 6) };
}

export function writeNumber(into: Uint8Array, offset: number, size: number, value: number): void {
  let rest = value;
  for (let at = offset + size - 1; at >= offset; at--) {
    into[at] = rest % 256;
    rest = Math.floor(rest / 256);
  }
}

/** Of at most 6 octets, so that the number is exact. */
export function readNumber(from: Uint8Array, offset: number, size: number): number {
  let value = 0;
  for (let at = offset; at < offset + size; at++) value = value * 256 + (from[at] ?? 0);
  return value;
}

function isSeconds(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0 && value <= SECONDS_MAX;
}

export function reasonNamed(octet: number): RevocationReason {
  return REVOCATION_REASONS[octet] ?? "unknown";
}

function reasonOctet(reason: RevocationReason): number {
  return reason === "unknown" ? 0xff : REVOCATION_REASONS.indexOf(reason);
}
