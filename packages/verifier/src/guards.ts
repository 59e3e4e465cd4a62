/**
 * What a route asks of a token that is already verified: scopes, roles, a recent login.
 *
 * A guard is a pure function from claims (and the time) to an allowance or a refusal; bearer.ts says how a refusal looks
 * on the wire. Several guards given to a route must all allow; `anyOf` needs one of them. What a guard is asked for is
 * checked when it is made, so a misspelt route fails when the server starts, not when a user comes.
 */
import type { AccessTokenClaims } from "./claims.ts";

/** The token is good, but not enough for what was asked. */
export type GuardRefusal =
  | { readonly ok: false; readonly code: "insufficient_scope"; readonly message: string; readonly scope: string }
  | { readonly ok: false; readonly code: "insufficient_role"; readonly message: string }
  | { readonly ok: false; readonly code: "login_too_old"; readonly message: string; readonly maxAge: number };

export type GuardVerdict = { readonly ok: true } | GuardRefusal;

/** @param now seconds since 1970 */
export type Guard = (claims: AccessTokenClaims, now: number) => GuardVerdict;

const ALLOWED: GuardVerdict = Object.freeze({ ok: true });

// RFC 6749 §3.3: scope-token = 1*( %x21 / %x23-5B / %x5D-7E ).
const SCOPE_TOKEN = /^[\x21\x23-\x5b\x5d-\x7e]+$/;

/** Allows tokens whose `scope` (RFC 8693 §4.2: names separated by spaces) has every one of `scopes`. */
export function requireScope(...scopes: readonly string[]): Guard {
  if (scopes.length === 0) throw new TypeError("requireScope needs at least one scope.");
  for (const scope of scopes) {
    if (typeof scope !== "string" || !SCOPE_TOKEN.test(scope)) {
      throw new TypeError("requireScope takes scopes one by one, without spaces, quotes or backslashes.");
    }
  }
  const refusal = Object.freeze({
    ok: false,
    code: "insufficient_scope",
    message: "The token does not carry a scope that this asks for.",
    scope: scopes.join(" "),
  } as const);
  return (claims) => {
    const { scope } = claims;
    if (typeof scope !== "string") return refusal;
    const held = scope.split(" ");
    return scopes.every((needed) => held.includes(needed)) ? ALLOWED : refusal;
  };
}

/** Allows tokens whose `roles` (RFC 9068 §2.2.3.1) has every one of `roles`. */
export function requireRole(...roles: readonly string[]): Guard {
  if (roles.length === 0) throw new TypeError("requireRole needs at least one role.");
  for (const role of roles) {
    if (typeof role !== "string" || role === "") throw new TypeError("requireRole takes names of roles.");
  }
  const refusal = Object.freeze({
    ok: false,
    code: "insufficient_role",
    message: "The token does not carry a role that this asks for.",
  } as const);
  return (claims) => {
    const held: unknown = claims.roles;
    return Array.isArray(held) && roles.every((needed) => held.includes(needed)) ? ALLOWED : refusal;
  };
}

/**
 * Allows tokens whose user authenticated (`auth_time`) at most `maxAge` seconds ago. A refusal tells the client to send
 * the user through a login again (RFC 9470 §3, step-up); refreshing the token does not help, and does not move `auth_time`.
 */
export function requireFreshLogin({ maxAge }: { readonly maxAge: number }): Guard {
  if (!Number.isSafeInteger(maxAge) || maxAge < 0) {
    throw new TypeError("requireFreshLogin needs maxAge, a whole number of seconds.");
  }
  const refusal = Object.freeze({
    ok: false,
    code: "login_too_old",
    message: "The user's login is longer ago than this allows.",
    maxAge,
  } as const);
  return (claims, now) => {
    const at: unknown = claims.auth_time;
    return typeof at === "number" && now - at <= maxAge ? ALLOWED : refusal;
  };
}

/** Allows what at least one of `guards` allows; refuses with the first one's refusal. */
export function anyOf(...guards: readonly Guard[]): Guard {
  if (guards.length === 0) throw new TypeError("anyOf needs at least one guard.");
  return (claims, now) => {
    let first: GuardVerdict = ALLOWED;
    for (const [index, guard] of guards.entries()) {
      const verdict = guard(claims, now);
      if (verdict.ok) return verdict;
      if (index === 0) first = verdict;
    }
    return first;
  };
}

/** The first refusal among `guards`, or an allowance. */
export function passGuards(guards: readonly Guard[], claims: AccessTokenClaims, now: number): GuardVerdict {
  for (const guard of guards) {
    const verdict = guard(claims, now);
    if (!verdict.ok) return verdict;
  }
  return ALLOWED;
}
