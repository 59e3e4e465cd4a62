/**
 * What a verifier answers about a token. Three outcomes, because two are not enough: a server that cannot reach the
 * issuer's keys does not know whether a token is good, and must not say that it is bad. A client told "invalid" throws a
 * good token away; a client told "not now" tries again.
 *
 *   Accepted ── the claims, frozen
 *   Refusal ─── a definite no about this token          (refusals.ts)    → 401
 *   Undecided ─ no answer can be had here and now       (this file)      → 503
 */
import type { AccessTokenClaims } from "./claims.ts";
import { REFUSALS, type Refusal, type RefusalCode, type Revoked } from "./refusals.ts";
import type { RevocationReason } from "./revocation/entry.ts";

export const UNDECIDED = {
  keys_unavailable: "The issuer's keys cannot be had at the moment.",
  check_required: "This can only be verified asynchronously: call check() instead of verify().",
  verifier_closed: "The verifier was closed.",
  revocation_unknown: "Whether the token was revoked cannot be known at the moment.",
  verification_fault: "The verification failed for a reason that is not the token's.",
} as const;

export type UndecidedCode = keyof typeof UNDECIDED;

/** The token and its claims were verified. `claims` is frozen to its leaves and may be shared by many callers. */
export interface Accepted {
  readonly ok: true;
  readonly claims: AccessTokenClaims;
}

/** Neither yes nor no. */
export interface Undecided {
  readonly ok: false;
  readonly code: UndecidedCode;
  readonly message: string;
}

export type Verdict = Accepted | Refusal | Revoked | Undecided;

function undecided(code: UndecidedCode): Undecided {
  return Object.freeze({ ok: false, code, message: UNDECIDED[code] });
}

export const KEYS_UNAVAILABLE: Undecided = undecided("keys_unavailable");
export const CHECK_REQUIRED: Undecided = undecided("check_required");
export const VERIFIER_CLOSED: Undecided = undecided("verifier_closed");
export const REVOCATION_UNKNOWN: Undecided = undecided("revocation_unknown");
export const VERIFICATION_FAULT: Undecided = undecided("verification_fault");

/** Thrown by `verifyOrThrow` in place of a verdict that is not Accepted. Carries the code, never the token. */
export class TokenNotAccepted extends Error {
  override readonly name = "TokenNotAccepted";
  readonly code: RefusalCode | UndecidedCode;
  /** True for a definite no; false where the question could not be answered, so that asking again may help. */
  readonly definite: boolean;
  /** Of a token that was revoked: why. */
  readonly reason: RevocationReason | null;

  constructor(verdict: Refusal | Revoked | Undecided) {
    super(verdict.message);
    this.code = verdict.code;
    this.reason = verdict.code === "token_revoked" ? verdict.reason : null;
    this.definite = Object.hasOwn(REFUSALS, verdict.code);
  }
}
