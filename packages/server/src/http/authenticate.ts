/**
 * Who is calling: the server's own API believes an access token by the rules every verifier applies, and then asks what
 * an offline verifier cannot know at once: is it revoked.
 *
 *   Authorization ──► signature and claims ──► revocation, in memory ──► caller
 *                                    └─ with a shared secret: the mark of issue, and the session's row ─┘
 */
import { type AccessTokenClaims, bindClaimRules, type ClaimRules, checkClaims, readBearer } from "@mapae/verifier";
import { checkSignature, parseJws } from "@mapae/verifier/jose";
import type { Keyring } from "../keys/keyring.ts";
import { asId, type ClientId, type SessionId, type UserId } from "../prelude/ids.ts";
import type { Clock } from "../prelude/world.ts";
import type { EndReason } from "../revocation/entry.ts";
import type { LiveSet } from "../revocation/live-set.ts";
import { isLive } from "../sessions/session.ts";
import type { SessionStore } from "../sessions/store.ts";
import { bearsMark } from "../tokens/issue-mark.ts";
import type { Vault } from "../vault/vault.ts";
import type { HeaderReader } from "./incoming.ts";
import { problem } from "./problem.ts";
import type { Reply } from "./reply.ts";

export interface Caller {
  readonly user: UserId;
  readonly session: SessionId;
  readonly client: ClientId;
  readonly scope: readonly string[];
  readonly roles: readonly string[];
  readonly claims: AccessTokenClaims;
}

export type Authenticated =
  | { readonly ok: true; readonly caller: Caller }
  | { readonly ok: false; readonly reply: Reply };

export interface Authenticator {
  /** For account routes: the session's ordinary token. */
  account(headers: HeaderReader): Promise<Authenticated>;
  /** For /v1/admin: a token whose only audience is the admin API's. */
  admin(headers: HeaderReader): Promise<Authenticated>;
}

export interface AuthenticatorOptions {
  readonly issuer: string;
  readonly audience: string;
  readonly adminAudience: string;
  /** With HS* every verifier can sign: no token is believed without its mark of issue and its row. */
  readonly sharedSecret: boolean;
}

function refuse(reason: EndReason | null): Authenticated {
  if (reason === null) return { ok: false, reply: problem("invalid_token") };
  const headers = { "www-authenticate": 'Bearer realm="mapae", error="invalid_token"' };
  return { ok: false, reply: problem("session_ended", { members: { reason }, headers }) };
}

export function createAuthenticator(
  services: { keyring: Keyring; vault: Vault; live: LiveSet; sessions: SessionStore; clock: Clock },
  options: AuthenticatorOptions,
): Authenticator {
  const { keyring, vault, live, sessions, clock } = services;
  const account = bindClaimRules({ issuer: options.issuer, audience: options.audience });
  const admin = bindClaimRules({ issuer: options.issuer, audience: options.adminAudience });

  const authenticate = async (
    headers: HeaderReader,
    rules: ClaimRules,
    only: string | null,
  ): Promise<Authenticated> => {
    const authorization = headers.get("authorization");
    const bearer = readBearer(authorization === null ? [] : [authorization]);
    if (!bearer.ok) {
      return { ok: false, reply: problem(bearer.code === "missing_token" ? "missing_token" : "invalid_token") };
    }
    const jws = parseJws(bearer.token);
    if (!jws.ok) return refuse(null);
    const key = keyring.find(jws.header.kid);
    if (key === undefined || checkSignature(jws, key) !== null) return refuse(null);
    const checked = checkClaims(jws, rules, clock.now() / 1000);
    if (!checked.ok) return refuse(null);
    const { claims } = checked;
    if (claims.sid === undefined || claims.gid === undefined) return refuse(null);
    if (only !== null && claims.aud !== only) return refuse(null);
    const reason = live.reasonFor(claims, jws.header.kid);
    if (reason === "roles_changed") return refuse(null); // not an end: the next refresh brings the new roles
    if (reason !== null) return refuse(reason);
    const session = asId("session", claims.sid);
    if (options.sharedSecret) {
      if (!bearsMark(claims, vault)) return refuse(null);
      const row = await sessions.find(session);
      if (row === undefined || row.user !== claims.sub || !isLive(row, clock.now())) return refuse(null);
    }
    return {
      ok: true,
      caller: {
        user: asId("user", claims.sub),
        session,
        client: asId("client", claims.client_id),
        scope: claims.scope?.split(" ") ?? [],
        roles: claims.roles ?? [],
        claims,
      },
    };
  };

  return {
    account: (headers) => authenticate(headers, account, null),
    admin: (headers) => authenticate(headers, admin, options.adminAudience),
  };
}
