/** Refresh: a refresh token for an access token and the next refresh token. The rule itself is grants/refresh-rule.ts. */
import { createHash } from "node:crypto";
import type { Cause } from "../audit/event.ts";
import type { PublishedKeys } from "../clients/published-keys.ts";
import type { ClientStore } from "../clients/store.ts";
import type { Standing } from "../grants/grant.ts";
import type { RefreshRefusal, RefreshSettings } from "../grants/refresh-rule.ts";
import type { GrantStore } from "../grants/store.ts";
import type { ClientId } from "../prelude/ids.ts";
import { readDeviceToken } from "../tokens/device-token.ts";
import { learnMacKey } from "../tokens/mac-key.ts";
import { parseRefreshToken, type RefreshTokenParts } from "../tokens/refresh-token.ts";
import { parseSessionToken } from "../tokens/session-token.ts";
import { ADMIN_ROLE } from "../users/user.ts";
import type { Vault } from "../vault/vault.ts";
import type { IssuedTokens, Issuer } from "./issue.ts";
import { SESSION_GENERATION } from "./session.ts";

export interface RefreshRequest {
  /** A session token gets an access token, and stays as it is. */
  readonly presented: { readonly refreshToken: string } | { readonly sessionToken: string };
  readonly client: ClientId;
  /** The audience asked for; `null`: the ordinary one. */
  readonly audience: string | null;
  readonly idempotencyKey: string | null;
  readonly deviceToken: string | null;
}

export type RefreshResult =
  | { readonly ok: true; readonly standing: Standing; readonly tokens: IssuedTokens }
  | ({ readonly ok: false } & (RefreshRefusal | { readonly code: "invalid_audience" }));

export interface RefreshActionSettings extends RefreshSettings {
  readonly audience: string;
  /** The audience of the admin API: only for users with the role, and never sent to a resource server. */
  readonly adminAudience: string;
}

export type RefreshAction = (request: RefreshRequest, cause: Cause) => Promise<RefreshResult>;

export function createRefresh(
  services: {
    readonly grants: GrantStore;
    readonly clients: ClientStore;
    readonly issuer: Issuer;
    readonly vault: Vault;
    /** See `PresentedRefresh`. */
    readonly listSeed: () => Buffer | null;
  },
  settings: RefreshActionSettings,
): RefreshAction {
  const { grants, clients, issuer, vault, listSeed } = services;
  /** The keys to encrypt for; `null`: none. `undefined` where nobody is meant by the audience. */
  const keysFor = async (audience: string): Promise<PublishedKeys | null | undefined> =>
    audience === settings.audience || audience === settings.adminAudience ? null : clients.keysFor(audience);

  return async (request, cause) => {
    const { presented } = request;
    await learnMacKey("refreshToken" in presented ? presented.refreshToken : presented.sessionToken, vault);
    const parts = partsOf(presented, vault);
    if (parts === undefined) return { ok: false, code: "invalid_refresh_token" };
    const audience = request.audience ?? settings.audience;
    // ASVS 9.2.4: an audience that nobody registered would name whoever claims it later. Refused before anything moves.
    const recipient = await keysFor(audience);
    if (recipient === undefined) return { ok: false, code: "invalid_audience" };
    await issuer.reserve();
    const used = await grants.use(
      {
        secretId: parts.secretId,
        generation: parts.generation,
        client: request.client,
        proof: request.idempotencyKey === null ? null : createHash("sha256").update(request.idempotencyKey).digest(),
        device: readDeviceToken(request.deviceToken, vault)?.device ?? null,
        macKey: vault.current("refresh-mac").id,
        requiredRole: audience === settings.adminAudience ? ADMIN_ROLE : null,
        listSeed: listSeed(),
      },
      settings,
      cause,
    );
    if (!used.allow) return { ok: false, ...used.refusal };
    return { ok: true, standing: used.standing, tokens: await issuer.tokens(used.standing, audience, recipient) };
  };
}

function partsOf(
  presented: RefreshRequest["presented"],
  vault: Vault,
): Pick<RefreshTokenParts, "secretId" | "generation"> | undefined {
  if ("refreshToken" in presented) return parseRefreshToken(presented.refreshToken, vault);
  const secretId = parseSessionToken(presented.sessionToken, vault);
  return secretId && { secretId, generation: SESSION_GENERATION };
}
