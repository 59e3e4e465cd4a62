/**
 * Tokens that the issuer itself called inactive. The feed may bring the entry later than the introspection told of it, and
 * a lease from before may still come; what was called revoked here stays so all the same, until the token has run out.
 */
import type { AccessTokenClaims } from "../claims.ts";

export interface Denied {
  has(claims: AccessTokenClaims): boolean;
  /** @param now seconds since 1970 */
  add(claims: AccessTokenClaims, now: number): void;
}

/** So many are asked about only in a long outage; the feed's own entries are not counted here. */
const DENIED_MAX = 10_000;
/** Longer than any verifier's tolerance, in seconds. */
const OVER = 60;

export function createDenied(): Denied {
  /** When each runs out, in seconds since 1970. */
  const ends = new Map<string, number>();
  return {
    has: ({ jti }) => ends.size > 0 && ends.has(jti),
    add({ jti, exp }, now) {
      if (ends.size >= DENIED_MAX) {
        for (const [other, end] of ends) if (end + OVER < now) ends.delete(other);
        const [oldest] = ends.keys();
        if (ends.size >= DENIED_MAX && oldest !== undefined) ends.delete(oldest);
      }
      ends.set(jti, exp);
    },
  };
}
