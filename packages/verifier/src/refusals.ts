/**
 * Every way in which a token is refused: a closed table from a stable code to a sentence for people.
 *
 * A refusal is a value, not an exception: an invalid token is an ordinary event on the open internet. No sentence carries
 * any part of the token, so a refusal may be logged and shown. The codes are the package's contract; the sentences are not.
 */
import type { Revocation, RevocationReason } from "./revocation/entry.ts";

export const REFUSALS = {
  malformed_token: "The token is not a JWS in compact serialisation with canonical base64url parts.",
  token_too_large: "The token or its header is larger than a token may be.",
  not_decryptable: "The token is encrypted, and cannot be opened here.",
  malformed_header: "The token's header is not a JSON object with an alg and unique members.",
  unsupported_header: "The token's header has a parameter that is not allowed.",
  unsupported_algorithm: "The token's algorithm is not one that is supported.",
  algorithm_mismatch: "The token's algorithm is not the one of its key.",
  unknown_key: "The token's key is not known here.",
  invalid_signature: "The token's signature does not verify.",
  malformed_claims: "The token's payload is not a JSON object with unique members in valid UTF-8.",
  invalid_type: "The token is not an access token (typ at+jwt).",
  missing_claim: "A required claim is missing.",
  invalid_claim: "A claim has the wrong type or is out of range.",
  invalid_issuer: "The token was issued by someone else.",
  invalid_audience: "The token is meant for another audience.",
  token_expired: "The token has expired.",
  token_not_yet_valid: "The token is not valid yet.",
  token_lifetime_exceeded: "The token lives longer than is accepted here.",
  token_revoked: "The token was revoked.",
} as const;

export type RefusalCode = keyof typeof REFUSALS;

/** The codes that say everything; `token_revoked` comes with its reason. */
export type PlainRefusalCode = Exclude<RefusalCode, "token_revoked">;

/** A definite "no". `code` is stable, `message` is English for people; neither says anything about the token's content. */
export interface Refusal {
  readonly ok: false;
  readonly code: PlainRefusalCode;
  readonly message: string;
}

/** The definite "no" to a token that was good: it was taken back, and why. */
export interface Revoked {
  readonly ok: false;
  readonly code: "token_revoked";
  readonly message: string;
  /** For the API's user: "evicted" is "you signed in on another device". */
  readonly reason: RevocationReason;
  /** What was revoked, and where in the log that stands; null where the issuer only said that the token is not active. */
  readonly revocation: Revocation | null;
}

export function revoked(revocation: Revocation | null): Revoked {
  const reason = revocation?.reason ?? "unknown";
  return Object.freeze({ ok: false, code: "token_revoked", message: REFUSALS.token_revoked, reason, revocation });
}

const refusals = new Map<PlainRefusalCode, Refusal>();

/** The refusal of a code: one frozen object each, so that refusing allocates nothing. */
export function refuse(code: PlainRefusalCode): Refusal {
  let refusal = refusals.get(code);
  if (refusal === undefined) {
    refusal = Object.freeze({ ok: false, code, message: REFUSALS[code] } as const);
    refusals.set(code, refusal);
  }
  return refusal;
}
