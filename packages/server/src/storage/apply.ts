/** Applies effects (revocation/effects.ts) inside a step: marks what ends, and writes the log and the audit beside it. */
import type { Effect } from "../revocation/effects.ts";
import type { EndReason, RevocationKind } from "../revocation/entry.ts";
import { entryExpires } from "../revocation/expiry.ts";
import { endOf, type Session } from "../sessions/session.ts";
import type { Rows } from "./rows.ts";

/** @returns how many sessions ended */
export function apply(rows: Rows, effects: readonly Effect[], now: number): number {
  let ended = 0;
  for (const effect of effects) ended += applyOne(rows, effect, now);
  return ended;
}

function applyOne(rows: Rows, effect: Effect, now: number): number {
  switch (effect.effect) {
    case "end_session": {
      const session = rows.session(effect.session);
      if (session === undefined || session.ended !== null) return 0;
      return end(rows, [session], effect.reason, now, true);
    }
    case "end_sessions_of_user": {
      const others = rows.unended(effect.user).filter(({ id }) => id !== effect.except);
      // A wide entry kills what is issued before it; it must not name a session that is spared.
      if (effect.except === null) revoke(rows, "user", effect.user, effect.reason, now);
      return end(rows, others, effect.reason, now, effect.except !== null);
    }
    case "end_all_sessions":
      revoke(rows, "all", "", effect.reason, now);
      return rows.endAllSessions(effect.reason, now);
    case "end_grant":
      if (rows.endGrant(effect.grant, { at: now, reason: effect.reason })) {
        revoke(rows, "grant", effect.grant, effect.reason, now);
      }
      return 0;
    case "revoke":
      revoke(rows, effect.kind, effect.value, effect.reason, now);
      return 0;
    case "audit":
      rows.addEvent(effect.event, now);
      return 0;
  }
}

/** Marks sessions ended; one whose time had run out before ended for that reason. */
function end(rows: Rows, sessions: readonly Session[], reason: EndReason, now: number, oneByOne: boolean): number {
  for (const session of sessions) {
    const because = endOf(session, now) ?? reason;
    rows.endSession(session.id, { at: now, reason: because });
    if (oneByOne) revoke(rows, "session", session.id, because, now);
  }
  return sessions.length;
}

function revoke(rows: Rows, kind: RevocationKind, value: string, reason: EndReason, now: number): void {
  rows.addEntry({ kind, value, reason, at: now, expires: entryExpires(rows.highestExp(), now) });
}
