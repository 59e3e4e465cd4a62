/**
 * What must end when an older copy takes the place of the database.
 *
 * A backup revives what was taken back after it was made: ended sessions, old passwords, revoked keys. So a new epoch of
 * the log begins, with an entry for everyone; every session is ended and every signing key revoked (REVOCATION §3). An
 * operator who knows that nothing of the sort happened may keep the sessions; the new epoch begins all the same, since
 * numbers of the log may repeat what verifiers have seen.
 */
import { draft } from "../audit/event.ts";
import { LEASE_LONGEST_MS } from "../feed/lease.ts";
import { audit, type Effect } from "../revocation/effects.ts";
import { nextEpoch } from "../revocation/epoch.ts";
import { apply } from "./apply.ts";
import type { Rows } from "./rows.ts";

/** Rows whose log can begin anew. */
export interface EpochRows extends Rows {
  /** Every position from now on is of this epoch, from 0 on. */
  beginEpoch(epoch: number): void;
}

/** What the database about to be replaced knew. */
export interface ReplacedLog {
  readonly epoch: number;
  /** Of any token that it issued, in Unix seconds. */
  readonly highestExp: number;
  /** Of any session that another store holds for it, in Unix seconds; 0 where none does. */
  readonly sessionsUntil: number;
}

export interface Begun {
  /** The epoch that begins. */
  readonly epoch: number;
  readonly sessionsEnded: number;
  readonly keysRevoked: number;
}

/**
 * Tokens may have been issued after the backup was made, up to now: entries of the restore outlive them. No access token
 * is good for longer than a day.
 */
const LONGEST_TOKEN_SECONDS = 24 * 3600;
/** Nor is any session. */
const LONGEST_SESSION_SECONDS = 400 * LONGEST_TOKEN_SECONDS;

/** @param now Unix milliseconds */
export function beginEpoch(rows: EpochRows, replaced: ReplacedLog, keepSessions: boolean, now: number): Begun {
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

  const system = { actor: { kind: "operator" }, address: null, requestId: null } as const;
  const restored = audit(draft("store.restored", system, {}, { epoch, keep_sessions: keepSessions }));
  if (keepSessions) {
    apply(rows, [restored], now);
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
  const sessionsEnded = apply(rows, [...ends, restored], now);
  return { epoch, sessionsEnded, keysRevoked: revoked.length };
}
