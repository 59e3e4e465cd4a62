/**
 * The revocation log's entries: what has been taken back, why, and until when anyone must remember it.
 *
 *   kind      matches a token by     kills
 *   token     jti                    that token
 *   session   sid                    every token of the session
 *   grant     gid                    every token of the grant
 *   key       kid                    every token the key signed
 *   user      sub        ┐
 *   client    client_id  ├ and rsq < entry: only tokens issued before, so that logging in again works at once
 *   all       –          ┘
 */

import type { GrantId } from "../prelude/ids.ts";

/** How an entry matches: by its value alone, or only tokens issued at an earlier position of the log. */
export const REVOCATION_KINDS = {
  token: { claim: "jti", onlyEarlier: false },
  session: { claim: "sid", onlyEarlier: false },
  grant: { claim: "gid", onlyEarlier: false },
  key: { claim: "kid", onlyEarlier: false },
  user: { claim: "sub", onlyEarlier: true },
  client: { claim: "client_id", onlyEarlier: true },
  all: { claim: null, onlyEarlier: true },
} as const;
export type RevocationKind = keyof typeof REVOCATION_KINDS;

/** Why a session ended or a token was taken back; told to the client as `reason`. */
export const END_REASONS = [
  "logout",
  "evicted",
  "replayed",
  "admin",
  "password_changed",
  "user_disabled",
  "expired",
  "roles_changed",
  "client_deleted",
  "key_revoked",
  "restored",
  "reported",
] as const;
export type EndReason = (typeof END_REASONS)[number];

/** A place in the log: the epoch (a new one begins after a restore) and the sequence number within it. */
export interface Position {
  readonly epoch: number;
  readonly seq: number;
}

/** Added to an entry's life for verifiers whose clock is off (REVOCATION: skew margin). */
export const SKEW_MARGIN_SECONDS = 600;

export interface RevocationEntry extends Position {
  readonly kind: RevocationKind;
  /** The id that the kind matches by; empty for `all`. */
  readonly value: string;
  readonly reason: EndReason;
  /** Unix milliseconds of the commit. */
  readonly at: number;
  /** Unix seconds after which no token that the entry concerns can be alive. */
  readonly expires: number;
  /** Of the one token, where it is known: no verifier of another audience need hear of it. `null`: everybody's. */
  readonly audience: string | null;
  /** The grant that the one token hangs under, where it is known: many such entries become one of the grant. */
  readonly grant: GrantId | null;
}

export function isBefore(left: Position, right: Position): boolean {
  return left.epoch < right.epoch || (left.epoch === right.epoch && left.seq < right.seq);
}
