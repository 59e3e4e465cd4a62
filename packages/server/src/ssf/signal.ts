/**
 * A signal: what happened here, as other systems are told it. It is queued in the transaction of its cause, from the same
 * effects that write the log and the audit, and becomes a signed event (set.ts) when it is sent.
 *
 *   effect or row                               event                   subject
 *   a session ended                             session-revoked         the user and the session, or the session alone
 *   every session of a user, or a user, ended   session-revoked         the user
 *   everyone's sessions ended                   session-revoked         the tenant: this whole server
 *   password.changed                            credential-change       the user
 *   user.roles_changed                          token-claims-change     the user
 *
 * A session whose time ran out was not revoked, and is not told. What another provider's event ended is not told either:
 * two servers that listen to each other would never be done. Ended grants, tokens, clients and keys have no event in
 * CAEP: who needs those follows the feed, or has a webhook.
 */
import type { Actor, AuditDraft, AuditEventName } from "../audit/event.ts";
import type { SessionId, UserId } from "../prelude/ids.ts";
import type { EndReason } from "../revocation/entry.ts";
import type { EventName } from "./event.ts";

/** Who made it happen (CAEP 1.0 §2, `initiating_entity`). */
export type Initiator = "admin" | "user" | "policy" | "system";

/** CAEP 1.0 §3.3.1; of its credential types the ones that there are. */
export interface CredentialChange {
  readonly credential: "password";
  readonly change: "create" | "update" | "revoke" | "delete";
}

export type SignalFacts =
  | { readonly event: "session-revoked"; readonly reason: EndReason }
  | ({ readonly event: "credential-change" } & CredentialChange)
  | { readonly event: "token-claims-change"; readonly roles: readonly string[] };

/** Whom it is about: everyone, a user, one session of a user, or one session of nobody knows whom. */
export interface SignalSubject {
  readonly user: UserId | null;
  readonly session: SessionId | null;
  /** What the user was called, where the account no longer says. */
  readonly identifier: string | null;
}

export interface SignalDraft extends SignalSubject {
  readonly facts: SignalFacts;
}

export interface Signal extends SignalDraft {
  /** Its place in the queue, in the order of commits. Never given twice, unless a backup is restored. */
  readonly seq: number;
  /** Of the log when it was queued: what a restored queue gives the same number has another one. */
  readonly epoch: number;
  /** The number of the first signal of the same cause: all of them are one transaction (SSF 1.0 §4.1.8). */
  readonly cause: number;
  readonly initiator: Initiator;
  /** Unix milliseconds of the commit. */
  readonly at: number;
}

/** A signal before it has a place in the queue. */
export interface NewSignal extends SignalDraft, Pick<Signal, "initiator" | "at"> {
  /** The how manieth of its cause, from 0. */
  readonly nth: number;
}

export const EVERYONE: SignalSubject = { user: null, session: null, identifier: null };

interface Told {
  /** `null`: whoever acted. */
  readonly initiator: Initiator | null;
  /** For logs (`reason_admin`). */
  readonly admin: string;
  /** For the user (`reason_user`), by language (BCP 47). */
  readonly user: { readonly en: string; readonly ko: string };
}

/** What is told of why sessions ended. What is not here is no revocation of a session. */
const ENDS: Partial<Record<EndReason, Told>> = {
  logout: {
    initiator: "user",
    admin: "The user logged out.",
    user: { en: "You signed out.", ko: "로그아웃했습니다." },
  },
  evicted: {
    initiator: "policy",
    admin: "The session limit was reached: a newer log-in took this session's place.",
    user: {
      en: "You were signed out because you signed in on another device.",
      ko: "다른 기기에서 로그인하여 로그아웃되었습니다.",
    },
  },
  replayed: {
    initiator: "policy",
    admin: "A spent refresh token was presented: theft is assumed.",
    user: { en: "You were signed out to protect your account.", ko: "계정을 보호하기 위해 로그아웃되었습니다." },
  },
  admin: {
    initiator: "admin",
    admin: "An administrator ended the session.",
    user: { en: "An administrator signed you out.", ko: "관리자가 로그아웃했습니다." },
  },
  password_changed: {
    initiator: null,
    admin: "The password was changed.",
    user: {
      en: "You were signed out because your password was changed.",
      ko: "비밀번호가 변경되어 로그아웃되었습니다.",
    },
  },
  user_disabled: {
    initiator: "admin",
    admin: "The account was disabled or deleted.",
    user: { en: "Your account is no longer active.", ko: "계정을 더 이상 사용할 수 없습니다." },
  },
  restored: {
    initiator: "system",
    admin: "The login server was restored from a backup.",
    user: { en: "You were signed out. Please sign in again.", ko: "로그아웃되었습니다. 다시 로그인해 주세요." },
  },
};

const CREDENTIALS: Partial<Record<AuditEventName, CredentialChange>> = {
  "password.changed": { credential: "password", change: "update" },
};

/** Sessions ended for a reason; `null` where that is no revocation. */
export function revokedSignal(subject: SignalSubject, reason: EndReason): SignalDraft | null {
  return ENDS[reason] === undefined ? null : { ...subject, facts: { event: "session-revoked", reason } };
}

/** What an event of the audit is to others; `null`: nothing. */
export function auditedSignal({ name, user, detail }: AuditDraft): SignalDraft | null {
  if (user === null) return null;
  const about: SignalSubject = { user: user as UserId, session: null, identifier: null };
  const credential = CREDENTIALS[name];
  if (credential !== undefined) return { ...about, facts: { event: "credential-change", ...credential } };
  if (name !== "user.roles_changed") return null;
  const roles = String(detail.roles ?? "")
    .split(" ")
    .filter((role) => role !== "");
  return { ...about, facts: { event: "token-claims-change", roles } };
}

const BY_ACTOR: Record<Actor["kind"], Initiator> = {
  user: "user",
  administrator: "admin",
  operator: "admin",
  client: "admin",
  anyone: "user",
  system: "system",
};

/** @param actor who acted, where the cause of the signal says so */
export function initiatorOf(facts: SignalFacts, actor: Actor | null): Initiator {
  const fixed = facts.event === "session-revoked" ? ENDS[facts.reason]?.initiator : null;
  return fixed ?? (actor === null ? "system" : BY_ACTOR[actor.kind]);
}

const OTHERS: Record<Exclude<EventName, "session-revoked">, Omit<Told, "initiator">> = {
  "credential-change": {
    admin: "A credential of the user changed.",
    user: { en: "Your sign-in details were changed.", ko: "로그인 정보가 변경되었습니다." },
  },
  "token-claims-change": {
    admin: "The user's roles changed.",
    user: { en: "Your permissions were changed.", ko: "권한이 변경되었습니다." },
  },
};

/** What is told of why, to logs and to the user. */
export function reasonsOf(facts: SignalFacts): Omit<Told, "initiator"> {
  const told = facts.event === "session-revoked" ? ENDS[facts.reason] : OTHERS[facts.event];
  if (told === undefined) throw new Error(`${facts.event} was queued for a reason that is not told`);
  return { admin: told.admin, user: told.user };
}
