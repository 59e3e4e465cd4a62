/**
 * Token introspection (RFC 7662): a resource server asks about a token that it was shown.
 *
 *   access token    of its own audience ──► judged after a linearizable read of the log ──► active, with its claims
 *   refresh token   only its own client may ask; a resource server has none
 *   anything else   ──► inactive, and nothing more (§2.2)
 *
 * The answer may be acted on for N from when the question was sent, as a lease is, so it must not be read from a copy that
 * may lag: the head of the log is read first, and everything up to it is known here by then. And it counts as a lease: a
 * verifier says for how long it will act on the answer (`lease_ms`) and is told for how long it may, and a confirmation
 * waits for that. Who does not say so is nobody's verifier: he sees what was true, and is outside the guarantee.
 */
import { type AccessTokenClaims, bindClaimRules } from "@mapae/verifier";
import type { Feed } from "../feed/feed.ts";
import type { Verifier } from "../feed/verifiers.ts";
import type { Standing } from "../grants/grant.ts";
import type { GrantStore } from "../grants/store.ts";
import type { Clock } from "../prelude/world.ts";
import type { RevocationStore } from "../revocation/store.ts";
import { endOf } from "../sessions/session.ts";
import { learnMacKey } from "../tokens/mac-key.ts";
import { parseRefreshToken } from "../tokens/refresh-token.ts";
import type { Vault } from "../vault/vault.ts";
import type { Judge } from "./judge.ts";

/** RFC 7662 §2.2. */
export type Introspection =
  | { readonly active: false }
  | ({ readonly active: true } & Readonly<Record<string, unknown>>);

/** @param leaseMs for how long the answer will be acted on, in milliseconds; `null`: not by a verifier */
export type Introspect = (token: string, verifier: Verifier, leaseMs: number | null) => Promise<Introspection>;

const INACTIVE: Introspection = { active: false };

export function createIntrospect(
  services: {
    readonly judge: Judge;
    readonly log: RevocationStore;
    readonly feed: Pick<Feed, "lend">;
    readonly grants: GrantStore;
    readonly vault: Vault;
    readonly clock: Clock;
  },
  issuer: string,
): Introspect {
  const { judge, log, feed, grants, vault, clock } = services;
  return async (token, verifier, leaseMs) => {
    await learnMacKey(token, vault);
    const parts = parseRefreshToken(token, vault);
    if (parts !== undefined) {
      const standing = await grants.find(parts.secretId);
      // RFC 7662 §4: nobody learns of tokens that are not his to use.
      if (standing === undefined || standing.grant.client !== verifier.client) return INACTIVE;
      return ofGrant(standing, parts.generation, issuer, clock.now());
    }
    await log.readHead();
    const lent = leaseMs === null ? {} : { lease_ms: await feed.lend(verifier, leaseMs) };
    const judged = await judge(token, bindClaimRules({ issuer, audience: verifier.audience }));
    return judged.ok ? { ...ofClaims(judged.claims), ...lent } : INACTIVE;
  };
}

function ofClaims(claims: AccessTokenClaims): Introspection & { active: true } {
  const { iss, sub, aud, exp, iat, jti, client_id, scope, sid, roles, auth_time, amr } = claims;
  const told = { iss, sub, aud, exp, iat, jti, client_id, scope, sid, roles, auth_time, amr };
  return { active: true, token_type: "Bearer", ...told };
}

function ofGrant({ grant, session, user }: Standing, generation: number, issuer: string, now: number): Introspection {
  const ended = grant.ended !== null || endOf(session, now) !== null || user.state !== "active";
  if (ended || generation !== grant.generation) return INACTIVE;
  return {
    active: true,
    token_type: "refresh_token",
    iss: issuer,
    sub: user.id,
    client_id: grant.client,
    scope: grant.scope.join(" "),
    exp: Math.floor(Math.min(grant.idleExpiresAt, session.expiresAt) / 1000),
    iat: Math.floor(grant.rotatedAt / 1000),
  };
}
