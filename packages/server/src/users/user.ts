/**
 * A user and what can become of one.
 *
 *   active ◄──► disabled          both ──► deleted (final: the name is free again, the id is never reused)
 *
 * `change` is the whole rule: from a user and a wish to the user after it and the effects that the store applies in the
 * same step (sessions that end, entries of the revocation log, the audit).
 */
import { type Cause, draft } from "../audit/event.ts";
import type { SessionId, UserId } from "../prelude/ids.ts";
import { audit, type Effect, type EndSessionsOfUser } from "../revocation/effects.ts";

export const USER_STATES = ["active", "disabled", "deleted"] as const;
export type UserState = (typeof USER_STATES)[number];

/** The role that may ask for a token of the admin API. */
export const ADMIN_ROLE = "admin";

export interface User {
  readonly id: UserId;
  /** As the user wrote it; `null` once deleted. */
  readonly identifier: string | null;
  /** The normalised form that is unique and looked up: see identifier.ts. */
  readonly identifierKey: string | null;
  readonly name: string | null;
  readonly state: UserState;
  readonly roles: readonly string[];
  /** Unix milliseconds. */
  readonly createdAt: number;
  readonly updatedAt: number;
  /** The password's hash, encrypted under the pepper; `null` where the user has none. */
  readonly password: Buffer | null;
  /** Counts the credential's changes. A log-in names the version it verified, so that a change in between wins. */
  readonly credentialVersion: number;
}

/** What of a user decides about sessions, and goes into tokens. */
export type Account = Pick<User, "id" | "state" | "roles">;

export type UserChange =
  | { readonly kind: "rename"; readonly name: string | null }
  | { readonly kind: "set_roles"; readonly roles: readonly string[] }
  | { readonly kind: "disable" }
  | { readonly kind: "enable" }
  | { readonly kind: "delete" }
  | {
      readonly kind: "set_password";
      readonly password: Buffer;
      readonly credentialVersion: number;
      /** The session that stays; `null` ends them all. `keepOthers` ends none. */
      readonly keep: SessionId | null;
      readonly keepOthers: boolean;
      /** Ends of sessions that only another store knows: applied with the change, in the same step. */
      readonly also?: readonly Effect[];
    }
  /** The same hash under a newer pepper: nobody's password, so nothing ends and nothing is told. Yields to any change in between. */
  | { readonly kind: "rewrap_hash"; readonly password: Buffer; readonly from: Buffer }
  /** The same password under a stronger hash: ends nothing, and yields to any change in between. */
  | { readonly kind: "upgrade_hash"; readonly password: Buffer; readonly credentialVersion: number };

export type ChangeRefusal = "not_found" | "conflict";
export type ChangeOutcome =
  | { readonly ok: true; readonly user: User; readonly effects: readonly Effect[] }
  | { readonly ok: false; readonly refusal: ChangeRefusal };

/** Decides one change at a time `now` (Unix milliseconds). */
export function change(user: User, wish: UserChange, cause: Cause, now: number): ChangeOutcome {
  if (user.state === "deleted") return { ok: false, refusal: "not_found" };
  const about = { user: user.id };
  const done = (changed: Partial<User>, ...effects: readonly Effect[]): ChangeOutcome => ({
    ok: true,
    user: { ...user, ...changed, updatedAt: now },
    effects,
  });
  switch (wish.kind) {
    case "rename":
      return done({ name: wish.name }, audit(draft("user.renamed", cause, about)));
    case "set_roles":
      return done(
        { roles: wish.roles },
        // Not a log-out: only the access tokens that carry the earlier roles die; the next refresh brings the new ones.
        { effect: "revoke", kind: "user", value: user.id, reason: "roles_changed" },
        audit(draft("user.roles_changed", cause, about, { roles: wish.roles.join(" ") })),
      );
    case "disable":
      if (user.state === "disabled") return done({});
      return done({ state: "disabled" }, endAll(user.id), audit(draft("user.disabled", cause, about)));
    case "enable":
      if (user.state === "active") return done({});
      return done({ state: "active" }, audit(draft("user.enabled", cause, about)));
    case "delete":
      return done(
        {
          state: "deleted",
          identifier: null,
          identifierKey: null,
          name: null,
          password: null,
          roles: [],
          credentialVersion: user.credentialVersion + 1,
        },
        { ...endAll(user.id), identifier: user.identifier },
        audit(draft("user.deleted", cause, about)),
      );
    case "set_password": {
      if (wish.credentialVersion !== user.credentialVersion) return { ok: false, refusal: "conflict" };
      const next = { password: wish.password, credentialVersion: user.credentialVersion + 1 };
      const told = audit(draft("password.changed", cause, about));
      if (wish.keepOthers) return done(next, told);
      return done(
        next,
        { effect: "end_sessions_of_user", user: user.id, except: wish.keep, reason: "password_changed" },
        ...(wish.also ?? []),
        told,
      );
    }
    case "rewrap_hash":
      if (user.password === null || !wish.from.equals(user.password)) return { ok: false, refusal: "conflict" };
      return done({ password: wish.password });
    case "upgrade_hash":
      if (wish.credentialVersion !== user.credentialVersion) return { ok: false, refusal: "conflict" };
      return done({ password: wish.password }, audit(draft("password.upgraded", cause, about)));
  }
}

function endAll(user: UserId): EndSessionsOfUser {
  return { effect: "end_sessions_of_user", user, except: null, reason: "user_disabled" };
}
