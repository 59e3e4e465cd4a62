/**
 * What must end when an older copy takes the place of the database: put there by `mapae restore`, or by whoever copied a
 * file or rolled a disk back, which is known once somebody proves a later position (feed/tail.ts).
 *
 * A backup revives what was taken back after it was made: ended sessions, old passwords, revoked keys. So a new epoch of
 * the log begins, with an entry for everyone; every session is ended and every signing key revoked (REVOCATION §3). An
 * operator who knows that nothing of the sort happened may keep the sessions; the new epoch begins all the same, since
 * numbers of the log may repeat what verifiers have seen.
 */
import { type AuditDraft, draft, SYSTEM } from "../audit/event.ts";
import { LEASE_LONGEST_MS } from "../feed/lease.ts";
import { audit, type Effect } from "../revocation/effects.ts";
import { isBefore, type Position } from "../revocation/entry.ts";
import { nextEpoch } from "../revocation/epoch.ts";
import type { Begun } from "../revocation/store.ts";
import { apply } from "./apply.ts";
import type { Rows } from "./rows.ts";

/** What the database about to be replaced knew. */
export interface ReplacedLog {
  readonly epoch: number;
  /** Of any token that it issued, in Unix seconds. */
  readonly highestExp: number;
  /** Of any session that another store holds for it, in Unix seconds; 0 where none does. */
  readonly sessionsUntil: number;
}

/**
 * Tokens may have been issued after the backup was made, up to now: entries of the restore outlive them. No access token
 * is good for longer than a day.
 */
const LONGEST_TOKEN_SECONDS = 24 * 3600;
/** Nor is any session. */
const LONGEST_SESSION_SECONDS = 400 * LONGEST_TOKEN_SECONDS;

const OPERATOR = { actor: { kind: "operator" }, address: null, requestId: null } as const;
function restored(epoch: number, keepSessions: boolean): AuditDraft {
  return draft("store.restored", OPERATOR, {}, { epoch, keep_sessions: keepSessions });
}

/**
 * @param now Unix milliseconds
 * @param event that the audit has of it
 */
export function beginEpoch(
  rows: Rows,
  replaced: ReplacedLog,
  keepSessions: boolean,
  now: number,
  event: typeof restored = restored,
): Begun {
  const epoch = nextEpoch(now, Math.max(rows.position().epoch, replaced.epoch));
  rows.beginEpoch(epoch);
  // The process before may have given leases of any length: nobody knows, so the longest is waited for.
  rows.setLeaseMs(LEASE_LONGEST_MS);
  const { keys } = rows.keySet();
  const mark = Math.max(replaced.highestExp, Math.ceil(now / 1000) + LONGEST_TOKEN_SECONDS);
  for (const { kid } of keys) rows.raiseMark(kid, mark);
  // Sessions that another store holds are not in the backup, and may have begun after it was made.
  if (rows.sessionsUntil() + replaced.sessionsUntil > 0) {
    rows.raiseSessionsUntil(Math.max(replaced.sessionsUntil, Math.ceil(now / 1000) + LONGEST_SESSION_SECONDS));
  }

  const told = audit(event(epoch, keepSessions));
  if (keepSessions) {
    apply(rows, [told], now);
    return { epoch, sessionsEnded: 0, keysRevoked: 0 };
  }
  // A shared secret is the operator's setting, not the backup's: the new epoch refuses its tokens without ending it.
  const revoked = keys.filter(({ state, publicJwk }) => state !== "revoked" && publicJwk !== null);
  const ends: Effect[] = [{ effect: "end_all_sessions", reason: "restored" }];
  for (const key of revoked) {
    rows.putKey({ ...key, state: "revoked", sealedPrivate: null, retiredAt: now });
    ends.push({ effect: "revoke", kind: "key", value: key.kid, reason: "restored" });
  }
  rows.bumpKeySet();
  const sessionsEnded = apply(rows, [...ends, told], now);
  return { epoch, sessionsEnded, keysRevoked: revoked.length };
}

/**
 * The log had a position once and has it no more: what must end, ends, once.
 * @returns `null` where the log reaches the position, as it may since another node began an epoch
 */
export function restartLog(rows: Rows, lost: Position, keepSessions: boolean, now: number): Begun | null {
  const head = rows.position();
  if (!isBefore(head, lost)) return null;
  const detail = { lost_epoch: lost.epoch, lost_seq: lost.seq, head_epoch: head.epoch, head_seq: head.seq };
  return beginEpoch(rows, { epoch: lost.epoch, highestExp: 0, sessionsUntil: 0 }, keepSessions, now, (epoch, keeps) =>
    draft("store.tail_lost", SYSTEM, {}, { epoch, keep_sessions: keeps, ...detail }),
  );
}
