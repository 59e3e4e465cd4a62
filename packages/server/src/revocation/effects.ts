/**
 * What a transition asks of the store besides its own row. The rules decide, as pure functions, and return their
 * effects as data; every driver applies them in the same atomic step as the row. So what is ended, revoked and audited
 * is written once, here and in the rules, and no driver can forget it.
 */
import type { AuditDraft } from "../audit/event.ts";
import type { GrantId, ReceiverId, SessionId, UserId } from "../prelude/ids.ts";
import type { EndReason, RevocationKind } from "./entry.ts";

/** Marks one session ended and writes its entry. Nothing where it had already ended. */
export interface EndSession {
  readonly effect: "end_session";
  readonly session: SessionId;
  readonly reason: EndReason;
}

/** Ends every live session of a user: one `user` entry, or one `session` entry each where one session is spared. */
export interface EndSessionsOfUser {
  readonly effect: "end_sessions_of_user";
  readonly user: UserId;
  readonly except: SessionId | null;
  readonly reason: EndReason;
  /** What the user was called, where the row no longer says when this is applied. */
  readonly identifier?: string | null;
}

/** Ends every live session there is, with one `all` entry. */
export interface EndAllSessions {
  readonly effect: "end_all_sessions";
  readonly reason: EndReason;
}

/** Ends one grant of a session, and the tokens issued under it. */
export interface EndGrant {
  readonly effect: "end_grant";
  readonly grant: GrantId;
  readonly reason: EndReason;
}

/**
 * Revokes one token that was shown, so that more is known of it than its id. Nothing where it is dead already; and a
 * grant of which many tokens were revoked ends as a whole, so that nobody fills the log with tokens (RFC 7009 §2.1 lets a
 * server end the grant with the token).
 */
export interface RevokeToken {
  readonly effect: "revoke_token";
  readonly jti: string;
  readonly grant: GrantId | null;
  readonly audience: string | null;
  readonly reason: EndReason;
}

/** Writes an entry of the log. */
export interface Revoke {
  readonly effect: "revoke";
  readonly kind: RevocationKind;
  readonly value: string;
  readonly reason: EndReason;
  /** Of a session that is in another store: whose it is, where that is known. */
  readonly user?: UserId;
}

/** Remembers that an event of another provider was taken, under the name that the provider gave it. */
export interface TakeEvent {
  readonly effect: "take_event";
  readonly receiver: ReceiverId;
  readonly jti: string;
  /** How it counts. `unmatched`: it named nobody who is known here; `control`: it was about the stream. */
  readonly as: "event" | "unmatched" | "control";
}

/** Writes an event of the audit log. */
export interface Audit {
  readonly effect: "audit";
  readonly event: AuditDraft;
}

export type Effect =
  | EndSession
  | EndSessionsOfUser
  | EndAllSessions
  | EndGrant
  | RevokeToken
  | Revoke
  | TakeEvent
  | Audit;

export function audit(event: AuditDraft): Audit {
  return { effect: "audit", event };
}
