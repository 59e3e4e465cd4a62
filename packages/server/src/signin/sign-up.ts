/** Sign up: an identifier and a password become a user. */
import { type Cause, draft } from "../audit/event.ts";
import type { Passwords } from "../passwords/passwords.ts";
import type { PasswordVerdict } from "../passwords/rules.ts";
import { newId } from "../prelude/ids.ts";
import type { World } from "../prelude/world.ts";
import { audit } from "../revocation/effects.ts";
import { type IdentifierFault, parseIdentifier } from "../users/identifier.ts";
import type { UserStore } from "../users/store.ts";
import type { User } from "../users/user.ts";

export interface NewUser {
  readonly identifier: string;
  readonly password: string;
  readonly name: string | null;
  readonly roles: readonly string[];
}

export type SignUpRefusal =
  | { readonly code: "invalid_identifier"; readonly fault: IdentifierFault; readonly message: string }
  | { readonly code: "weak_password"; readonly reason: string; readonly message: string }
  | { readonly code: "identifier_taken" }
  | { readonly code: "overloaded"; readonly retryAfter: number };
export type SignUpResult = { readonly ok: true; readonly user: User } | ({ readonly ok: false } & SignUpRefusal);

export type SignUp = (wish: NewUser, cause: Cause) => Promise<SignUpResult>;

/** Whether a password may be set; `about` is what the user is called. */
export type CheckPassword = (password: string, about: readonly string[]) => Promise<PasswordVerdict>;

export function createSignUp(users: UserStore, passwords: Passwords, check: CheckPassword, world: World): SignUp {
  return async (wish, cause) => {
    const identifier = parseIdentifier(wish.identifier);
    if (!identifier.ok) return { ...identifier, code: "invalid_identifier" };
    const verdict = await check(wish.password, [identifier.identifier, identifier.key, wish.name ?? ""]);
    if (!verdict.ok) return { ok: false, code: "weak_password", reason: verdict.code, message: verdict.message };
    const id = newId("user", world.random);
    const hash = await passwords.hash(wish.password, id);
    if (!hash.ok) return { ok: false, code: "overloaded", retryAfter: hash.retryAfter };
    const now = world.clock.now();
    const user: User = {
      id,
      identifier: identifier.identifier,
      identifierKey: identifier.key,
      name: wish.name,
      state: "active",
      roles: wish.roles,
      createdAt: now,
      updatedAt: now,
      password: hash.stored,
      credentialVersion: 1,
    };
    const roles = wish.roles.length > 0 ? { roles: wish.roles.join(" ") } : {};
    const created = await users.create(user, [audit(draft("user.created", cause, { user: id }, roles))]);
    return created === "created" ? { ok: true, user } : { ok: false, code: "identifier_taken" };
  };
}
