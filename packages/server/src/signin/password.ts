/** Changing one's password: asks for the current one again (ASVS 6.2.3), and ends the other sessions (ASVS 7.4.3). */
import type { Cause } from "../audit/event.ts";
import type { Passwords } from "../passwords/passwords.ts";
import type { SessionId, UserId } from "../prelude/ids.ts";
import type { Throttle } from "../throttle/throttle.ts";
import type { UserStore } from "../users/store.ts";
import type { User } from "../users/user.ts";
import type { CheckPassword } from "./sign-up.ts";

export interface PasswordChange {
  readonly user: UserId;
  /** The session that asks; it stays. */
  readonly session: SessionId;
  readonly current: string;
  readonly next: string;
  readonly endOthers: boolean;
}

export type PasswordRefusal =
  | { readonly code: "invalid_credentials" }
  | { readonly code: "weak_password"; readonly reason: string; readonly message: string }
  | { readonly code: "rate_limited" | "overloaded"; readonly retryAfter: number };
export type PasswordResult = { readonly ok: true } | ({ readonly ok: false } & PasswordRefusal);

export interface PasswordAction {
  /** The user's own wish. */
  change(change: PasswordChange, cause: Cause): Promise<PasswordResult>;
  /** An operator's, with nothing but the account: every session ends. */
  set(user: UserId, next: string, cause: Cause): Promise<PasswordResult | { ok: false; code: "not_found" }>;
}

export function createPasswordAction(services: {
  users: UserStore;
  passwords: Passwords;
  check: CheckPassword;
  throttle: Throttle;
}): PasswordAction {
  const { users, passwords, check, throttle } = services;

  /** Hashes and stores; a change that came in between makes the verified credential stale, and wins. */
  const replace = async (
    user: User,
    next: string,
    keep: SessionId | null,
    keepOthers: boolean,
    cause: Cause,
  ): Promise<PasswordResult> => {
    const verdict = await check(next, [user.identifier ?? "", user.identifierKey ?? "", user.name ?? ""]);
    if (!verdict.ok) return { ok: false, code: "weak_password", reason: verdict.code, message: verdict.message };
    const hash = await passwords.hash(next, user.id);
    if (!hash.ok) return { ok: false, code: "overloaded", retryAfter: hash.retryAfter };
    const { credentialVersion } = user;
    const wish = { kind: "set_password", password: hash.stored, credentialVersion, keep, keepOthers } as const;
    const changed = await users.change(user.id, wish, cause);
    return changed.ok ? { ok: true } : { ok: false, code: "invalid_credentials" };
  };

  return {
    change: async (wish, cause) => {
      const user = await users.find(wish.user);
      if (user === undefined) return { ok: false, code: "invalid_credentials" };
      const admission = await throttle.admit("password_checks_of_account", user.id);
      if (!admission.allowed) return { ok: false, code: "rate_limited", retryAfter: admission.retryAfter };
      try {
        const verified = await passwords.verify(wish.current, user.password ?? undefined, user.id);
        if (!verified.ok) {
          await admission.permit.giveBack();
          return { ok: false, code: "overloaded", retryAfter: verified.retryAfter };
        }
        if (!verified.match) return { ok: false, code: "invalid_credentials" };
        await admission.permit.giveBack();
      } finally {
        admission.permit.keep();
      }
      return replace(user, wish.next, wish.session, !wish.endOthers, cause);
    },
    set: async (id, next, cause) => {
      const user = await users.find(id);
      if (user === undefined || user.state === "deleted") return { ok: false, code: "not_found" };
      return replace(user, next, null, false, cause);
    },
  };
}
