/** Applies effects (revocation/effects.ts) inside a step: marks what ends, and writes the log and the audit beside it. */
import { asId } from "../prelude/ids.ts";
import type { Effect, RevokeToken } from "../revocation/effects.ts";
import type { EndReason, Position, RevocationEntry, RevocationKind } from "../revocation/entry.ts";
import { entryExpires, entryKept } from "../revocation/expiry.ts";
import { endOf, type Session } from "../sessions/session.ts";
import { auditedSignal, EVERYONE, initiatorOf, revokedSignal, type SignalDraft } from "../ssf/signal.ts";
import type { Rows } from "./rows.ts";
import { invalidate } from "./slots.ts";

/** So many entries of single tokens a grant may have in the log; with the next one, the grant ends instead. */
export const TOKENS_PER_GRANT = 8;

/** @returns how many sessions ended */
export function apply(rows: Rows, effects: readonly Effect[], now: number): number {
  const signals: SignalDraft[] = [];
  let ended = 0;
  for (const effect of effects) ended += applyOne(rows, effect, now, signals);
  if (signals.length > 0 && rows.ssf.anyStream()) enqueue(rows, signals, effects, now);
  return ended;
}

/** All signals of one cause are of one transaction, and of whoever acted in it. */
function enqueue(rows: Rows, signals: readonly SignalDraft[], effects: readonly Effect[], now: number): void {
  const told = effects.find((effect) => effect.effect === "audit");
  const actor = told?.event.cause.actor ?? null;
  for (const [nth, signal] of signals.entries()) {
    rows.ssf.enqueueSignal({ ...signal, nth, initiator: initiatorOf(signal.facts, actor), at: now });
  }
}

function applyOne(rows: Rows, effect: Effect, now: number, signals: SignalDraft[]): number {
  const tell = (signal: SignalDraft | null): void => {
    if (signal !== null) signals.push(signal);
  };
  switch (effect.effect) {
    case "end_session": {
      const session = rows.session(effect.session);
      if (session === undefined || session.ended !== null) return 0;
      return end(rows, [session], effect.reason, now, tell);
    }
    case "end_sessions_of_user": {
      const others = rows.unended(effect.user).filter(({ id }) => id !== effect.except);
      // A wide entry kills what is issued before it; it must not name a session that is spared.
      if (effect.except !== null) return end(rows, others, effect.reason, now, tell);
      revoke(rows, "user", effect.user, effect.reason, now);
      tell(revokedSignal({ user: effect.user, session: null, identifier: effect.identifier ?? null }, effect.reason));
      return end(rows, others, effect.reason, now, null);
    }
    case "end_all_sessions":
      tell(revokedSignal(EVERYONE, effect.reason));
      revoke(rows, "all", "", effect.reason, now);
      return rows.endAllSessions(effect.reason, now);
    case "end_grant":
      if (rows.endGrant(effect.grant, { at: now, reason: effect.reason })) {
        revoke(rows, "grant", effect.grant, effect.reason, now);
      }
      return 0;
    case "revoke_token":
      revokeToken(rows, effect, now);
      return 0;
    case "revoke": {
      const { kind, value, reason, user = null } = effect;
      revoke(rows, kind, value, reason, now);
      if (kind === "session") tell(revokedSignal({ user, session: asId("session", value), identifier: null }, reason));
      return 0;
    }
    case "take_event":
      rows.receivers.take(effect, now);
      return 0;
    case "audit":
      rows.addEvent(effect.event, now);
      tell(auditedSignal(effect.event));
      return 0;
  }
}

/**
 * Marks sessions ended; one whose time had run out before ended for that reason.
 * @param tell who is told of each; `null`: something wider says it for all of them, to the log as well
 */
function end(
  rows: Rows,
  sessions: readonly Session[],
  reason: EndReason,
  now: number,
  tell: ((signal: SignalDraft | null) => void) | null,
): number {
  for (const session of sessions) {
    const because = endOf(session, now) ?? reason;
    rows.endSession(session.id, { at: now, reason: because });
    if (tell === null) continue;
    revoke(rows, "session", session.id, because, now);
    tell(revokedSignal({ user: session.user, session: session.id, identifier: null }, because));
  }
  return sessions.length;
}

function revoke(rows: Rows, kind: RevocationKind, value: string, reason: EndReason, now: number): void {
  if (kind === "token") revokeToken(rows, { jti: value, grant: null, audience: null, reason }, now);
  else addEntry(rows, { kind, value, reason, audience: null, grant: null }, now);
}

function revokeToken(rows: Rows, token: Omit<RevokeToken, "effect">, now: number): void {
  const { jti, grant, audience, reason } = token;
  if (rows.isTokenRevoked(jti) || (grant !== null && rows.isGrantEnded(grant))) return;
  if (grant === null || rows.tokenEntriesOf(grant) < TOKENS_PER_GRANT) {
    addEntry(rows, { kind: "token", value: jti, reason, audience, grant }, now);
    return;
  }
  if (rows.endGrant(grant, { at: now, reason })) revoke(rows, "grant", grant, reason, now);
  else addEntry(rows, { kind: "grant", value: grant, reason, audience: null, grant: null }, now);
  rows.removeTokenEntriesOf(grant);
}

function addEntry(rows: Rows, entry: Omit<RevocationEntry, keyof Position | "at" | "expires">, now: number): void {
  const placed = { ...entry, at: now, expires: entryExpires(rows.highestExp(), now) };
  rows.addEntry(placed, entryKept(placed, rows.sessionsUntil()));
  const { kind, value, reason } = entry;
  invalidate(rows, kind, value);
  if (rows.webhooks.any()) rows.webhooks.enqueue({ ...rows.position(), kind, value, reason, at: now });
}
