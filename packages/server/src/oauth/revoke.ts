/**
 * Token revocation (RFC 7009): whoever holds a token and is the one that it was meant for, or issued to, takes it back.
 *
 *   refresh token   of the client ──► its grant ends, and with a first-party app the session (§2.1)
 *   access token    of a resource server's audience, or issued to the client ──► an entry of the log
 *   unknown, over, revoked before ──► nothing, and no error (§2.2)
 *
 * To show a token is the proof of the right to it, so that a leaked token can be put out by whoever finds it in his logs.
 */
import { type AccessTokenClaims, bindClaimRules } from "@mapae/verifier";
import { type Cause, draft } from "../audit/event.ts";
import { CLIENT_KINDS } from "../clients/client.ts";
import type { ClientStore } from "../clients/store.ts";
import type { Verifier } from "../feed/verifiers.ts";
import type { GrantStore } from "../grants/store.ts";
import { asId, type ClientId } from "../prelude/ids.ts";
import { audit } from "../revocation/effects.ts";
import type { RevocationStore } from "../revocation/store.ts";
import { learnMacKey } from "../tokens/mac-key.ts";
import { parseRefreshToken } from "../tokens/refresh-token.ts";
import type { Vault } from "../vault/vault.ts";
import type { Judge } from "./judge.ts";

/** Who asks: a resource server by its secret, or a public client by its id (RFC 7009 §2.1). */
export type Revoker =
  | { readonly kind: "resource_server"; readonly verifier: Verifier }
  | { readonly kind: "public"; readonly client: ClientId };

/** `unreadable`: it is encrypted for a resource server, and only that can read it (RFC 7009 §2.2.1). */
export type RevokeOutcome = "done" | "issued_to_another" | "unreadable";

export interface RevokeToken {
  (token: string, by: Revoker, cause: Cause): Promise<RevokeOutcome>;
  /** The public client of an id; `null` where there is none. */
  publicClient(id: string): Promise<Revoker | null>;
}

export function createRevokeToken(
  services: {
    readonly judge: Judge;
    readonly log: RevocationStore;
    readonly grants: GrantStore;
    readonly clients: ClientStore;
    readonly vault: Vault;
  },
  settings: { readonly issuer: string; readonly audience: string; readonly adminAudience: string },
): RevokeToken {
  const { judge, log, grants, clients, vault } = services;
  const { issuer, audience, adminAudience } = settings;

  const revoke = async (token: string, by: Revoker, cause: Cause): Promise<RevokeOutcome> => {
    await learnMacKey(token, vault);
    const parts = parseRefreshToken(token, vault);
    if (parts !== undefined) {
      const client = by.kind === "public" ? by.client : by.verifier.client;
      await grants.end({ secretId: parts.secretId, client }, "logout", cause);
      return "done";
    }
    // Saying "done" of what nobody here can read would leave it alive.
    if (token.split(".", 6).length === 5) return "unreadable";
    const audiences =
      by.kind === "public" ? [audience, adminAudience, ...(await clients.audiences())] : [by.verifier.audience];
    const judged = await judge(token, bindClaimRules({ issuer, audience: audiences }));
    // RFC 7009 §2.1: a good token of somebody else is refused, and the client told.
    if (!judged.ok) return judged.code === "invalid_audience" ? "issued_to_another" : "done";
    const { claims } = judged;
    if (by.kind === "public" && claims.client_id !== by.client) return "issued_to_another";
    await log.apply([
      {
        effect: "revoke_token",
        jti: claims.jti,
        grant: claims.gid === undefined ? null : asId("grant", claims.gid),
        audience: typeof claims.aud === "string" ? claims.aud : null,
        reason: by.kind === "public" ? "logout" : "admin",
      },
      audit(draft("revocation.requested", cause, aboutOf(claims), { kind: "token", id: claims.jti })),
    ]);
    return "done";
  };
  const publicClient = async (id: string): Promise<Revoker | null> => {
    const client = await clients.find(asId("client", id));
    return client !== undefined && CLIENT_KINDS[client.kind].public ? { kind: "public", client: client.id } : null;
  };
  return Object.assign(revoke, { publicClient });
}

function aboutOf({ sub, sid, client_id }: AccessTokenClaims): { user: string; session: string | null; client: string } {
  return { user: sub, session: sid ?? null, client: client_id };
}
