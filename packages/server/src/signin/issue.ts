/** From a standing (grant, session, user, position) to the tokens that its client gets. */
import type { PublishedKeys } from "../clients/published-keys.ts";
import type { Standing } from "../grants/grant.ts";
import type { AccessTokens } from "../tokens/access-token.ts";
import { formatDeviceToken } from "../tokens/device-token.ts";
import { formatRefreshToken } from "../tokens/refresh-token.ts";
import type { Vault } from "../vault/vault.ts";

export interface IssuedTokens {
  readonly accessToken: string;
  /** Seconds. */
  readonly expiresIn: number;
  readonly scope: readonly string[];
  readonly refreshToken: string;
  /** When the refresh token is of no use any more, if it is not used: Unix milliseconds. */
  readonly refreshExpiresAt: number;
}

export interface Issuer {
  /** Before the step that the tokens come from: see `AccessTokens.reserve`. */
  reserve(): Promise<void>;
  /** @param recipient what the audience's resource server published; `null`: the access token is not encrypted */
  tokens(standing: Standing, audience: string, recipient: PublishedKeys | null): Promise<IssuedTokens>;
  deviceToken(standing: Standing): string;
}

export function createIssuer(accessTokens: AccessTokens, vault: Vault): Issuer {
  return {
    reserve: accessTokens.reserve,
    tokens: async ({ grant, session, user, position, slot }, audience, recipient) => {
      const access = await accessTokens.issue({
        sub: user.id,
        client: grant.client,
        session: session.id,
        grant: grant.id,
        audience,
        recipient,
        scope: grant.scope,
        roles: user.roles,
        authenticatedAt: session.createdAt,
        amr: session.amr,
        position,
        // Nor does it outlive an idle time that is shorter than its own life.
        notAfter: Math.min(session.expiresAt, grant.idleExpiresAt),
        slot,
      });
      // A repeated answer may be under a key of another node's.
      await vault.learn("refresh-mac", grant.macKey);
      return {
        accessToken: access.token,
        expiresIn: access.expiresIn,
        scope: grant.scope,
        refreshToken: formatRefreshToken(grant, vault),
        refreshExpiresAt: Math.min(grant.idleExpiresAt, session.expiresAt),
      };
    },
    deviceToken: ({ session }) => formatDeviceToken(session.device.id, session.user, vault),
  };
}
