/**
 * Log in.
 *
 *   throttles ──► password (hashed even for unknown names) ──► session limit, session, grant: one step ──► tokens, or a session token
 *       │               │ wrong: the answer waits for the floor
 *       └─ 429          └─ 401, the same for a wrong password, an unknown name and a disabled account (ASVS 6.3.8)
 */
import { type Cause, draft } from "../audit/event.ts";
import type { AuditStore } from "../audit/store.ts";
import type { Client } from "../clients/client.ts";
import { CLIENT_KINDS } from "../clients/client.ts";
import type { GrantStore, LogInOutcome } from "../grants/store.ts";
import type { Passwords } from "../passwords/passwords.ts";
import { newId, type SessionId } from "../prelude/ids.ts";
import type { Sleep, World } from "../prelude/world.ts";
import type { SessionLimit } from "../sessions/limit.ts";
import type { Session } from "../sessions/session.ts";
import type { Permit, Throttle } from "../throttle/throttle.ts";
import { readDeviceToken } from "../tokens/device-token.ts";
import { formatSessionToken } from "../tokens/session-token.ts";
import { parseIdentifier } from "../users/identifier.ts";
import type { UserStore } from "../users/store.ts";
import type { User } from "../users/user.ts";
import type { Vault } from "../vault/vault.ts";
import { describeDevice } from "./device.ts";
import type { IssuedTokens, Issuer } from "./issue.ts";
import { SESSION_GENERATION } from "./session.ts";

export interface LogInRequest {
  readonly identifier: string;
  readonly password: string;
  readonly client: Client;
  /** What the client asks for; `null`: all that it may have. */
  readonly scope: readonly string[] | null;
  readonly deviceName: string | null;
  /** Proof of an earlier log-in on this device. */
  readonly deviceToken: string | null;
  readonly userAgent: string | null;
  /** The network that limits count by: an address, or the /64 of IPv6. */
  readonly network: string;
  readonly endSession: SessionId | null;
  /** What the client is to hold: an access and a refresh token, or one session token that is looked up at every request. */
  readonly holds: Holding;
}

export const HOLDINGS = ["tokens", "session_token"] as const;
export type Holding = (typeof HOLDINGS)[number];
export type Held =
  | { readonly holds: "tokens"; readonly tokens: IssuedTokens }
  | { readonly holds: "session_token"; readonly sessionToken: string };

export type LogInRefusal =
  | { readonly code: "invalid_credentials" }
  | { readonly code: "invalid_scope" }
  | { readonly code: "rate_limited"; readonly retryAfter: number }
  | { readonly code: "overloaded"; readonly retryAfter: number }
  | { readonly code: "session_limit"; readonly sessions: readonly Session[] };
export type LogInResult =
  | {
      readonly ok: true;
      readonly user: User;
      readonly session: Session;
      readonly held: Held;
      readonly deviceToken: string;
    }
  | ({ readonly ok: false } & LogInRefusal);

export interface LogInServices {
  readonly users: UserStore;
  readonly grants: GrantStore;
  readonly audit: AuditStore;
  readonly passwords: Passwords;
  readonly throttle: Throttle;
  readonly issuer: Issuer;
  readonly vault: Vault;
  readonly world: World;
  readonly sleep: Sleep;
  /** See `LogIn`. */
  readonly listSeed: () => Buffer | null;
}

export interface LogInSettings {
  readonly audience: string;
  readonly limit: SessionLimit;
  readonly idleMs: number;
  readonly sessionMs: number;
  readonly floorMs: number;
}

export type LogInAction = (request: LogInRequest, cause: Cause) => Promise<LogInResult>;

export function createLogIn(services: LogInServices, settings: LogInSettings): LogInAction {
  const { users, grants, audit, passwords, throttle, issuer, vault, world } = services;

  return async (request, cause) => {
    const start = world.clock.monotonic();
    const scope = grantedScope(request.client, request.scope);
    if (scope === null) return { ok: false, code: "invalid_scope" };
    const parsed = parseIdentifier(request.identifier);
    // What is no identifier names no account; it takes the same way, so that nothing tells the two apart.
    const account = parsed.ok ? parsed.key : `?${request.identifier.slice(0, 254)}`;
    const user = parsed.ok ? await users.findByIdentifier(parsed.key) : undefined;
    const proof = readDeviceToken(request.deviceToken, vault);
    const device = user !== undefined && proof?.isOf(user.id) ? proof.device : null;

    const admission = await admit(throttle, request.network, account, device);
    if (!admission.allowed) {
      // Told once a minute, not once a try: else whoever is refused could fill the disk with the telling.
      const telling = await throttle.admit("throttled_log_ins_told", admission.by);
      if (telling.allowed) {
        telling.permit.keep();
        await audit.append([draft("login.throttled", cause, { user: user?.id ?? null })]);
      }
      return { ok: false, code: "rate_limited", retryAfter: admission.retryAfter };
    }
    const { permit } = admission;
    try {
      const check = await passwords.verify(request.password, user?.password ?? undefined, user?.id);
      if (!check.ok) {
        await permit.giveBack();
        return { ok: false, code: "overloaded", retryAfter: check.retryAfter };
      }
      if (!check.match || user?.state !== "active") {
        const reason = check.match ? "disabled" : user === undefined ? "unknown" : "password";
        await audit.append([draft("login.failed", cause, { user: user?.id ?? null }, { reason })]);
        await services.sleep(Math.max(0, start + settings.floorMs - world.clock.monotonic()));
        return { ok: false, code: "invalid_credentials" };
      }
      await permit.giveBack();
      if (check.upgraded !== undefined) {
        const upgrade = { kind: "upgrade_hash", password: check.upgraded, credentialVersion: user.credentialVersion };
        await users.change(user.id, { ...upgrade, kind: "upgrade_hash" }, cause);
      }
      if (request.holds === "tokens") await issuer.reserve();
      const begin = opening(request, user, scope, device ?? newId("device", world.random), cause);
      return await finish(await grants.open(begin), request.holds);
    } finally {
      permit.keep();
    }
  };

  function opening(
    request: LogInRequest,
    user: User,
    scope: readonly string[],
    device: Session["device"]["id"],
    cause: Cause,
  ): Parameters<GrantStore["open"]>[0] {
    const now = world.clock.now();
    const { client } = request;
    const label = describeDevice(request.userAgent, request.deviceName);
    const times = { createdAt: now, idleExpiresAt: now + settings.idleMs, ended: null };
    const session: Session = {
      ...times,
      id: newId("session", world.random),
      user: user.id,
      client: client.id,
      device: { id: device, ...label },
      address: cause.address,
      amr: ["pwd"],
      lastSeenAt: now,
      expiresAt: now + settings.sessionMs,
    };
    const { rotates, replayEnds } = CLIENT_KINDS[client.kind];
    return {
      session,
      grant: {
        ...times,
        secretId: world.random.bytes(16),
        id: newId("grant", world.random),
        session: session.id,
        client: client.id,
        scope,
        // A session token stays the same as long as its session: there is no generation to come back.
        policy: { rotates: rotates && request.holds === "tokens", replayEnds },
        generation: SESSION_GENERATION,
        macKey: vault.current("refresh-mac").id,
        rotatedAt: now,
        proof: null,
        usedAt: now,
      },
      credentialVersion: user.credentialVersion,
      limit: settings.limit,
      chosen: request.endSession,
      listSeed: request.holds === "tokens" ? services.listSeed() : null,
      cause,
    };
  }

  async function finish(outcome: LogInOutcome, holds: Holding): Promise<LogInResult> {
    switch (outcome.kind) {
      case "opened": {
        const { standing } = outcome;
        const { user, session } = standing;
        const held: Held =
          holds === "tokens"
            ? { holds, tokens: await issuer.tokens(standing, settings.audience, null) }
            : { holds, sessionToken: formatSessionToken(standing.grant, vault) };
        return { ok: true, user, session, held, deviceToken: issuer.deviceToken(standing) };
      }
      case "session_limit":
        return { ok: false, code: "session_limit", sessions: outcome.sessions };
      case "stale_credential":
        return { ok: false, code: "invalid_credentials" };
    }
  }
}

/** RFC 6749 §3.3: what was asked for, if the client may have all of it. */
function grantedScope(client: Client, asked: readonly string[] | null): readonly string[] | null {
  if (asked === null) return client.scope;
  return asked.every((scope) => client.scope.includes(scope)) ? asked : null;
}

type LogInAdmission =
  | { readonly allowed: true; readonly permit: Permit }
  /** `by`: what was counted too often. */
  | { readonly allowed: false; readonly retryAfter: number; readonly by: string };

/** Takes a unit for the address and one for the account, or for the device where one is known: both or neither. */
async function admit(
  throttle: Throttle,
  network: string,
  account: string,
  device: string | null,
): Promise<LogInAdmission> {
  const ofAddress = await throttle.admit("login_failures_of_address", network);
  if (!ofAddress.allowed) return { ...ofAddress, by: network };
  try {
    const by = device === null ? account : `${device} ${account}`;
    const limit = device === null ? "login_failures_of_account" : "login_failures_of_device";
    const second = await throttle.admit(limit, by);
    if (second.allowed) return { allowed: true, permit: both(ofAddress.permit, second.permit) };
    await ofAddress.permit.giveBack();
    return { ...second, by };
  } catch (error) {
    ofAddress.permit.keep(); // nobody may wait for an attempt that is over
    throw error;
  }
}

function both(left: Permit, right: Permit): Permit {
  return {
    giveBack: async () => {
      await left.giveBack();
      await right.giveBack();
    },
    keep: () => {
      left.keep();
      right.keep();
    },
  };
}
