/**
 * Who is calling: a user by an access token, which the judge believes or not (oauth/judge.ts), or by a session token, which
 * is looked up (signin/session.ts); or a resource server by its id and secret (RFC 6749 §2.3.1).
 *
 *   Authorization ──► Bearer ──► judge ───────────────────► caller
 *        │       └──► Basic ──► id and secret ──► verifier
 *        └ none: Cookie ──► session token ──► where sessions live ──► caller
 */
import { type AccessTokenClaims, bindClaimRules, type ClaimRules, readBearer } from "@mapae/verifier";
import type { Verifier, Verifiers } from "../feed/verifiers.ts";
import type { Standing } from "../grants/grant.ts";
import type { Judge } from "../oauth/judge.ts";
import { asId, type ClientId, type SessionId, type UserId } from "../prelude/ids.ts";
import type { EndReason } from "../revocation/entry.ts";
import type { ReadSession } from "../signin/session.ts";
import { readBasic } from "./basic.ts";
import { clearCookie, readCookie } from "./cookies.ts";
import type { HeaderReader } from "./incoming.ts";
import { problem } from "./problem.ts";
import type { Reply } from "./reply.ts";

export interface Caller {
  readonly user: UserId;
  readonly session: SessionId;
  readonly client: ClientId;
  readonly scope: readonly string[];
  readonly roles: readonly string[];
  /** Of the access token; `null` where it was a session token. */
  readonly claims: AccessTokenClaims | null;
  /** What was looked up for a session token; `null` where an access token said it. */
  readonly standing: Standing | null;
}

export type Authenticated =
  | { readonly ok: true; readonly caller: Caller }
  | { readonly ok: false; readonly reply: Reply };

export type AuthenticatedVerifier =
  | { readonly ok: true; readonly verifier: Verifier }
  | { readonly ok: false; readonly reply: Reply };

export interface Authenticator {
  /** For account routes: the session's ordinary access token, or its session token. */
  account(headers: HeaderReader): Promise<Authenticated>;
  /** For /v1/admin: a token whose only audience is the admin API's. */
  admin(headers: HeaderReader): Promise<Authenticated>;
  /** For those who introspect: by the secret alone. */
  verifier(headers: HeaderReader): Promise<AuthenticatedVerifier>;
  /** For those who follow the feed: by the secret, or by a ticket, which does for nothing else. */
  follower(headers: HeaderReader): Promise<AuthenticatedVerifier>;
}

export interface AuthenticatorOptions {
  readonly issuer: string;
  readonly audience: string;
  readonly adminAudience: string;
}

function refuse(reason: EndReason | null): Authenticated {
  // A change of roles is no end: the next refresh brings the new ones.
  if (reason === null || reason === "roles_changed") return { ok: false, reply: problem("invalid_token") };
  const headers = { "www-authenticate": 'Bearer realm="mapae", error="invalid_token"' };
  return { ok: false, reply: problem("session_ended", { members: { reason }, headers }) };
}

function known(verifier: Verifier | null): AuthenticatedVerifier {
  return verifier === null ? { ok: false, reply: problem("invalid_client") } : { ok: true, verifier };
}

async function bySecret(verifiers: Verifiers, headers: HeaderReader): Promise<AuthenticatedVerifier> {
  const given = readBasic(headers.get("authorization"));
  if (given === null) return known(null);
  return known(await verifiers.authenticate({ clientId: given.id, clientSecret: given.secret }));
}

/** By Basic credentials or a ticket as a bearer token. */
export async function followerOf(verifiers: Verifiers, headers: HeaderReader): Promise<AuthenticatedVerifier> {
  const ticket = /^Bearer +(\S+)$/i.exec(headers.get("authorization") ?? "")?.[1];
  return ticket === undefined ? bySecret(verifiers, headers) : known(await verifiers.authenticate({ ticket }));
}

export function createAuthenticator(
  services: { readonly judge: Judge; readonly readSession: ReadSession; readonly verifiers: Verifiers },
  options: AuthenticatorOptions,
): Authenticator {
  const { judge, readSession, verifiers } = services;
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
    const judged = await judge(bearer.token, rules);
    if (!judged.ok) return refuse(judged.reason);
    const { claims } = judged;
    if (only !== null && claims.aud !== only) return refuse(null);
    // A token that an operator signed by hand hangs under no session: it is for resource servers.
    const { sid, gid } = claims;
    if (sid === undefined || gid === undefined) return refuse(null);
    return {
      ok: true,
      caller: {
        user: asId("user", claims.sub),
        session: asId("session", sid),
        client: asId("client", claims.client_id),
        scope: claims.scope?.split(" ") ?? [],
        roles: claims.roles ?? [],
        claims,
        standing: null,
      },
    };
  };

  const bySession = async (token: string): Promise<Authenticated> => {
    const presented = await readSession(token);
    if (!presented.ok) {
      const refused = presented.code === "session_ended" ? refuse(presented.reason) : refuse(null);
      // It opens nothing any more: the browser need not bring it again.
      if (!refused.ok) refused.reply.cookies.push(clearCookie("session", ""));
      return refused;
    }
    const { standing } = presented;
    const { grant, session, user } = standing;
    return {
      ok: true,
      caller: {
        ...{ user: user.id, session: session.id, client: grant.client, scope: grant.scope, roles: user.roles },
        claims: null,
        standing,
      },
    };
  };

  return {
    account: (headers) => {
      const token = headers.get("authorization") === null ? readCookie(headers, "session") : null;
      return token === null ? authenticate(headers, account, null) : bySession(token);
    },
    admin: (headers) => authenticate(headers, admin, options.adminAudience),
    verifier: (headers) => bySecret(verifiers, headers),
    follower: (headers) => followerOf(verifiers, headers),
  };
}
