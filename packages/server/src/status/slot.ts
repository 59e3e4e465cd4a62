/**
 * Which bit of which status list stands for a token (Token Status List, draft-ietf-oauth-status-list-21).
 *
 *   grant ──first token──► slot (list, index) ──► every token issued under the grant names it
 *              │
 *              └ another one with the next token where the slot was made invalid while the grant lives on (a token, the
 *                user's roles, a key was taken back), where its list takes no more (a day old), or in a new epoch
 *
 *   list:  open ── a day, or every index given ──► closed ── two more days ──► forgotten: no token that names it is alive
 *
 * Mapae keeps no row for a token, so tokens that live and die together share a bit, on purpose (§13.2); a bit of its own
 * for each would write a row with every refresh. Within a list an index is given once and never again: what is reused is
 * nothing, what is forgotten is the list. Lists are numbered by time, as epochs are (revocation/epoch.ts), so that a
 * database that lost its end does not give the number of a lost list to another one.
 */
import type { ClientId, GrantId, SessionId, UserId } from "../prelude/ids.ts";
import type { Random } from "../prelude/world.ts";
import type { Position } from "../revocation/entry.ts";
import { nextEpoch } from "../revocation/epoch.ts";
import { shuffled } from "./shuffle.ts";

export interface Slot {
  readonly list: number;
  readonly idx: number;
}

/** Whom a slot stands for: a grant, and what it hangs under. */
export interface SlotHolder {
  readonly grant: GrantId;
  readonly session: SessionId;
  readonly user: UserId;
  readonly client: ClientId;
}

export interface StatusList {
  readonly id: number;
  /** Of the log, when it was opened: in another one, it takes nobody. */
  readonly epoch: number;
  /** Shuffles its indices: 16 random octets. */
  readonly seed: Buffer;
  /** How many indices were given. */
  readonly used: number;
  /** Unix milliseconds. */
  readonly openedAt: number;
  /** Everyone's tokens were taken back since: all of it is invalid. */
  readonly void: boolean;
}

/** A slot that was made invalid, and the entry of the log that did. */
export interface InvalidSlot extends Slot, Position {}

/** Bits of a list: 16 KiB before they are compressed, and a crowd for everyone in it to hide among (§12.1). */
export const LIST_BITS = 2 ** 17;
export const SEED_BYTES = 16;
/** A list takes tokens for this long: so there are as many as sessions were active in the last days, and not as ever began. */
export const OPEN_MS = 24 * 3_600_000;
/** No access token lives for longer than a day (`MAPAE_ACCESS_TTL`); the rest is for clocks. */
export const KEPT_MS = OPEN_MS + 25 * 3_600_000;

/** Whether tokens issued now may name the list. A clock that was set far back or ahead closes it as well. */
export function takesTokens(list: StatusList, epoch: number, now: number): boolean {
  return !list.void && list.epoch === epoch && Math.abs(now - list.openedAt) < OPEN_MS;
}

/**
 * The next slot: of the newest list, or of one that is opened.
 * @param newest with the highest number of all that there are
 * @param seed for a list that is opened
 * @param now Unix milliseconds
 * @returns the slot, and its list as it is afterwards
 */
export function nextSlot(
  newest: StatusList | undefined,
  epoch: number,
  seed: Buffer,
  now: number,
): { readonly list: StatusList; readonly slot: Slot } {
  const room = newest !== undefined && newest.used < LIST_BITS && takesTokens(newest, epoch, now);
  const list: StatusList = room
    ? newest
    : { id: nextEpoch(now, newest?.id ?? 0), epoch, seed, used: 0, openedAt: now, void: false };
  const slot = { list: list.id, idx: shuffled(list.used, list.seed) };
  return { list: { ...list, used: list.used + 1 }, slot };
}

/** Where lists are, below the issuer. */
export const LISTS_PATH = "/status-lists";

/** The address of a list: `uri` in a token, `sub` of the list. */
export function listUri(issuer: string, list: number): string {
  return `${issuer}${LISTS_PATH}/${list}`;
}

const NONCE = 16;
const INDEX_AT = 21;
const LENGTH = 24;
const TEXT = /^[A-Za-z0-9_-]{32}$/;

/**
 * A `jti` that says which slot its token names, so that one token can be taken back by its id alone. It tells nothing
 * that the token's `status` does not.
 *
 *   jti = base64url( random 16 ‖ list 5 ‖ index 3 )
 */
export function jtiWith({ list, idx }: Slot, random: Random): string {
  const id = Buffer.alloc(LENGTH);
  random.bytes(NONCE).copy(id);
  id.writeUIntBE(list, NONCE, INDEX_AT - NONCE);
  id.writeUIntBE(idx, INDEX_AT, LENGTH - INDEX_AT);
  return id.toString("base64url");
}

/** The slot that a `jti` names, where it was made by `jtiWith`; of any other text, none that there is. */
export function slotOfJti(jti: string): Slot | null {
  if (!TEXT.test(jti)) return null;
  const id = Buffer.from(jti, "base64url");
  const idx = id.readUIntBE(INDEX_AT, LENGTH - INDEX_AT);
  return idx < LIST_BITS ? { list: id.readUIntBE(NONCE, INDEX_AT - NONCE), idx } : null;
}
