/**
 * Checkpoints: what the issuer signs of its log, so that nobody on the way can leave out or change an entry unnoticed.
 *
 *   of a snapshot    { iss, aud, epoch, seq, count, sha256, iat }           over all octets of the snapshot
 *   of the stream    { iss, aud, epoch, seq, count, sha256, iat, since }    over the entries of the window
 *
 *              since ────────────── window ──────────────► seq
 *   ───────────┼──────────────┼─────────────────────────────┼───────────►  the log
 *                             └ verified by an earlier one: from here on nothing is missing, up to seq
 *
 * The window's digest is over the entries as they stand on the wire, in order, of those that this audience hears; without
 * those that one side may have forgotten before the other: what ends within a minute of `iat`, which concerns no living
 * token, and what comes before the last entry for everyone in the window and is no key's, which that one covers. Each window
 * reaches back further than the one before begins, so that some may be lost.
 */
import { encodeBase64url } from "../jose/base64url.ts";
import type { JsonObject } from "../jose/json.ts";
import { ENTRY_AT, ENTRY_BYTES, REVOCATION_KINDS } from "./entry.ts";
import { isCount, type Position } from "./position.ts";

/** `typ` of a checkpoint's header. */
export const CHECKPOINT_TYP = "revocation-checkpoint+jwt";
/** Most entries of a window. */
export const WINDOW_MAX = 8_192;
/** Entries that end within so many seconds of `iat` are not in the digest. */
const ENDING_SECONDS = 60;

/** The claims of a checkpoint. */
export interface Checkpoint {
  readonly iss: string;
  /** Whose single tokens are among the entries: a resource server's audience. */
  readonly aud: string;
  readonly position: Position;
  /** Where the window begins; null in that of a snapshot. */
  readonly since: Position | null;
  /** Entries that the digest covers. */
  readonly count: number;
  /** Of the snapshot, or of the window's entries; base64url. */
  readonly sha256: string;
  /** Seconds since 1970. */
  readonly iat: number;
}

/** The payload to sign, as JSON members. @throws TypeError for a window that does not lie in one epoch */
export function checkpointClaims({ iss, aud, position, since, count, sha256, iat }: Checkpoint): JsonObject {
  if (since !== null && since.epoch !== position.epoch) throw new TypeError("A window lies in one epoch.");
  return { iss, aud, ...position, count, sha256, iat, ...(since === null ? {} : { since: since.seq }) };
}

/** Reads a payload whose signature held; null for what is no checkpoint. */
export function readCheckpoint({ iss, aud, epoch, seq, since, count, sha256, iat }: JsonObject): Checkpoint | null {
  if (typeof iss !== "string" || typeof aud !== "string" || typeof sha256 !== "string") return null;
  if (!isCount(epoch) || !isCount(seq) || !isCount(count) || !isCount(iat)) return null;
  const facts = { iss, aud, position: { epoch, seq }, count, sha256, iat };
  if (since === undefined) return { ...facts, since: null };
  return isCount(since) && since <= seq ? { ...facts, since: { epoch, seq: since } } : null;
}

const KEY = REVOCATION_KINDS.key.octet;
const EVERYONE = REVOCATION_KINDS.all.octet;

/**
 * The octets that a window's digest is over.
 * @param pieces runs of whole entries, in the order of the log @param iat seconds since 1970
 */
export function windowOctets(pieces: readonly Uint8Array[], iat: number): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(pieces.reduce((size, piece) => size + piece.length, 0));
  let end = 0;
  for (const piece of pieces) {
    let from = 0;
    // Runs of entries that stay are copied together.
    const copy = (until: number): void => {
      all.set(piece.subarray(from, until), end);
      end += until - from;
    };
    const view = new DataView(piece.buffer, piece.byteOffset, piece.length);
    for (let at = 0; at < piece.length; at += ENTRY_BYTES) {
      const staysUntil = view.getUint8(at + ENTRY_AT.expires) * 2 ** 32 + view.getUint32(at + ENTRY_AT.expires + 1);
      if (staysUntil <= iat + ENDING_SECONDS) {
        copy(at);
        from = at + ENTRY_BYTES;
      } else if (piece[at + ENTRY_AT.kind] === EVERYONE) {
        copy(at);
        from = at;
        end = keepKeys(all, end);
      }
    }
    copy(piece.length);
  }
  return all.subarray(0, end);
}

/** Leaves only the entries of keys of those up to an end. @returns their end */
function keepKeys(entries: Uint8Array, end: number): number {
  let kept = 0;
  for (let at = 0; at < end; at += ENTRY_BYTES) {
    if (entries[at + ENTRY_AT.kind] !== KEY) continue;
    entries.copyWithin(kept, at, at + ENTRY_BYTES);
    kept += ENTRY_BYTES;
  }
  return kept;
}

/** A digest as a checkpoint spells it. */
export async function digestOf(octets: Uint8Array<ArrayBuffer>): Promise<string> {
  return encodeBase64url(new Uint8Array(await crypto.subtle.digest("SHA-256", octets)));
}
