/**
 * The audit log: who did what, to whom, from where, and whether it was allowed. An event is written in the same
 * transaction as what it tells of; the closed table below says what there is to tell.
 */
import type { ClientId, UserId } from "../prelude/ids.ts";

export const AUDIT_EVENTS = {
  "user.created": "An account was made",
  "user.renamed": "A user changed the display name",
  "user.disabled": "An account was disabled; its sessions ended",
  "user.enabled": "A disabled account became active again",
  "user.deleted": "An account was deleted; its sessions ended",
  "user.roles_changed": "A user's roles changed; access tokens with the earlier roles are refused",
  "user.imported": "An account was imported with its password hash",
  "password.changed": "A password was changed",
  "password.upgraded": "A password's hash was replaced by a stronger one at log-in",
  "login.succeeded": "A session began",
  "login.failed": "A log-in was refused: wrong identifier or password",
  "login.throttled": "A log-in was refused unchecked: too many failures",
  "login.limited": "A log-in was refused: the session limit is reached",
  "session.ended": "A session ended",
  "sessions.ended": "Several or all sessions ended",
  "refresh.replayed": "A spent refresh token was presented: theft is assumed",
  "refresh.recovered": "A lost refresh was answered again to the client that proved itself",
  "refresh.fast_forwarded": "A refresh token newer than the store was accepted: the store had lost its tail",
  "client.created": "A client was made",
  "client.keys_changed": "A client's published keys changed: tokens for it are encrypted for them, or not any more",
  "client.deleted": "A client was deleted; its grants ended",
  "pepper.rotated": "Password hashes were encrypted under a new pepper key",
  "key.activated": "A signing key began to sign",
  "key.retired": "A signing key stopped signing",
  "key.revoked": "A signing key was revoked; every token it signed is refused",
  "token.signed": "An operator signed an access token by hand",
  "revocation.requested": "Something was revoked by its id, or by being shown",
  "webhook.created": "A webhook was made",
  "webhook.deleted": "A webhook was deleted",
  "webhook.secret_rotated": "A webhook's secret was replaced; the one before stays good for a while",
  "webhook.replayed": "A webhook was sent back to a position of the log, or resumed",
  "webhook.paused": "A webhook was paused: its receiver is gone, or took nothing for a day",
  "webhook.missed": "Revocations were forgotten before a webhook's receiver took them",
  "ssf.stream_created": "An event stream was made for a resource server",
  "ssf.stream_changed": "An event stream was changed, paused, resumed or disabled",
  "ssf.stream_deleted": "An event stream was deleted",
  "ssf.subject_added": "An event stream is told of a user's events from now on",
  "ssf.subject_removed": "An event stream is no longer told of a user's events",
  "ssf.events_refused": "The receiver of an event stream refused events; they are not sent again",
  "ssf.events_missed": "Events were forgotten before an event stream's receiver took them",
  "ssf.receiver_added": "Events of another provider are taken from now on",
  "ssf.receiver_changed": "How events of another provider are taken was changed",
  "ssf.receiver_removed": "Events of another provider are no longer taken",
  "ssf.event_received": "An event of another provider was taken; the detail says what it led to",
  "store.backed_up": "A backup of the database was written",
  "store.tail_lost": "The database had lost the end of the revocation log, as a verifier proved; a new epoch began",
  "store.restored": "The database was restored from a backup; a new epoch began",
} as const;
export type AuditEventName = keyof typeof AUDIT_EVENTS;

/** Who acted. */
export type Actor =
  | { readonly kind: "user"; readonly id: UserId }
  | { readonly kind: "administrator"; readonly id: UserId }
  | { readonly kind: "client"; readonly id: ClientId } // a resource server
  | { readonly kind: "operator" } // the command line on the server's machine
  | { readonly kind: "anyone" } // nobody had authenticated
  | { readonly kind: "system" };

/** On whose behalf and from where a transition runs. */
export interface Cause {
  readonly actor: Actor;
  readonly address: string | null;
  readonly requestId: string | null;
}

export const SYSTEM: Cause = { actor: { kind: "system" }, address: null, requestId: null };

export interface AuditDraft {
  readonly name: AuditEventName;
  readonly cause: Cause;
  /** The user concerned (not necessarily the one who acted). */
  readonly user: string | null;
  readonly session: string | null;
  readonly client: string | null;
  readonly detail: Readonly<Record<string, string | number | boolean>>;
}

export interface AuditEvent extends AuditDraft {
  /** Grows with every event. */
  readonly id: number;
  /** Unix milliseconds. */
  readonly at: number;
}

export function draft(
  name: AuditEventName,
  cause: Cause,
  about: { user?: string | null; session?: string | null; client?: string | null } = {},
  detail: AuditDraft["detail"] = {},
): AuditDraft {
  return {
    name,
    cause,
    user: about.user ?? null,
    session: about.session ?? null,
    client: about.client ?? null,
    detail,
  };
}
