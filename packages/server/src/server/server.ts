/**
 * The only place that puts things together: from the configuration to a server that answers requests.
 *
 *   storage ─► vault ─► keyring ─► access tokens ─┐
 *      └─► revocation (live set)                  ├─► sign up, log in, refresh ─► routes ─► handler
 *      └─► passwords, throttle ───────────────────┘
 */
import type { Logger } from "pino";
import { type ClientAction, createClientAction } from "../admin/clients.ts";
import type { RevocationAction } from "../admin/revocations.ts";
import { createWebhookAction, type WebhookAction } from "../admin/webhooks.ts";
import type { Confirming } from "../feed/confirming.ts";
import { createAddressReader } from "../http/address.ts";
import { JWKS_MAX_AGE_SECONDS } from "../http/api/discovery.ts";
import { type App, createApp, type Handler, handlerOf } from "../http/app.ts";
import { createAuthenticator } from "../http/authenticate.ts";
import { createOriginPolicy } from "../http/origin.ts";
import { createRoutes } from "../http/routes.ts";
import { createStreamDoor, type Upgrade } from "../http/stream.ts";
import { isShared, type Keyring, openKeyring } from "../keys/keyring.ts";
import type { Passwords } from "../passwords/passwords.ts";
import { StartRefused } from "../prelude/fault.ts";
import type { Secret } from "../prelude/secret.ts";
import { Secret as SecretValue } from "../prelude/secret.ts";
import { VERSION } from "../prelude/version.ts";
import { type SetAlarm, type Sleep, systemAlarm, systemSleep, systemWorld, type World } from "../prelude/world.ts";
import { LiveSet } from "../revocation/live-set.ts";
import { STRATEGIES } from "../sessions/strategy.ts";
import type { Config } from "../settings/config.ts";
import { placesIn } from "../settings/places.ts";
import { createIssuer } from "../signin/issue.ts";
import { createLogIn } from "../signin/log-in.ts";
import { createPasswordAction, type PasswordAction } from "../signin/password.ts";
import { createRefresh } from "../signin/refresh.ts";
import { createReadSession } from "../signin/session.ts";
import { createSignUp, type SignUp } from "../signin/sign-up.ts";
import { openMemoryThrottle } from "../storage/memory/throttle.ts";
import { openStorage } from "../storage/open.ts";
import type { Nature, Storage } from "../storage/storage.ts";
import { createThrottle, type Throttle } from "../throttle/throttle.ts";
import { createAccessTokens } from "../tokens/access-token.ts";
import { createEncrypt, type Encrypt } from "../tokens/encryption.ts";
import { readOrMakeSecret } from "../vault/secret-file.ts";
import { openVault, type Vault } from "../vault/vault.ts";
import { firstStart } from "./first-start.ts";
import { maintain, startMaintenance } from "./maintenance.ts";
import { createMetrics } from "./metrics.ts";
import { openPasswords } from "./passwords-service.ts";
import { openRevocation } from "./revocation-service.ts";
import { openSsf, type Ssf } from "./ssf-service.ts";
import { openStatusService } from "./status-service.ts";
import { startWebhookService } from "./webhook-service.ts";

/** How far a verifier's clock may be off before a retired key's last tokens are in doubt. */
const TOLERANCE_SECONDS = 60;
/** A key is published this long before it signs: many times what a verifier keeps a key set for. */
const PUBLISH_LEAD_MS = 12 * JWKS_MAX_AGE_SECONDS * 1000;

/** Other nodes have heard of a new data key by then: many times what they look for it in (storage/postgres/). */
const KEYS_SETTLE_MS = 5_000;

/** What the command line's local socket may use besides the handler. */
export interface Operations {
  readonly storage: Storage;
  readonly vault: Vault;
  readonly keyring: Keyring;
  readonly encrypt: Encrypt;
  readonly passwords: Passwords;
  readonly passwordAction: PasswordAction;
  readonly signUp: SignUp;
  readonly clientAction: ClientAction;
  readonly webhookAction: WebhookAction;
  readonly ssf: Ssf;
  readonly revoke: RevocationAction;
  readonly confirming: Confirming;
  readonly throttle: Throttle;
  readonly issuer: string;
  readonly audience: string;
  readonly world: World;
}

export interface MapaeServer {
  /** Answers what comes through a socket. */
  readonly app: App;
  /** The same as a `fetch` handler. */
  readonly handler: Handler;
  /** Takes over connections that follow the feed. */
  readonly upgrade: Upgrade;
  readonly operations: Operations;
  readonly nature: Nature;
  /** The example resource server's secret, where this was the first start. */
  readonly exampleSecret: Secret | null;
  /**
   * Answers /readyz with 503 from now on, so that load balancers send no more; asks verifiers to connect elsewhere, and
   * resolves when they have or the time is over, and every stream has ended.
   */
  drain(withinMs?: number): Promise<void>;
  /** Ends what runs in the background and closes the store. Requests under way must be over. */
  close(): Promise<void>;
}

export interface ServerParts {
  readonly config: Config;
  /** The issuer where the configuration leaves it open. */
  readonly issuer: string;
  readonly logger: Logger;
  readonly world?: World;
  readonly alarm?: SetAlarm;
  readonly sleep?: Sleep;
  /** Whether webhooks are delivered; `false` for a process that is only here for a moment. */
  readonly delivers?: boolean;
  /** The configured storage, where the caller began to open it already. */
  readonly storage?: Promise<Storage>;
}

function secretsOf(config: Config, world: World): readonly Secret[] {
  if (config.secret !== null) return config.secret;
  // What lives in memory only may be wrapped by a secret that does too.
  if (config.databaseUrl === "memory:") return [new SecretValue(world.random.bytes(32).toString("base64url"))];
  return readOrMakeSecret(placesIn(config.data).secret, world.random).secrets;
}

/** What another process does to the keys is known here at once: until then this one would sign with a dead key. */
function followKeys(storage: Storage, vault: Vault, keyring: Keyring, logger: Logger): void {
  let looking = false;
  let again = false;
  const look = async (): Promise<void> => {
    again = true;
    if (looking) return;
    looking = true;
    try {
      while (again) {
        again = false;
        await vault.tick();
        await keyring.tick();
      }
    } finally {
      looking = false;
    }
  };
  const changed = () => void look().catch((error: unknown) => logger.warn({ err: error }, "keys could not be read"));
  storage.onKeys(changed);
  storage.revocation.onCommit((entries) => {
    if (entries.some(({ kind }) => kind === "key")) changed();
  });
}

export async function openServer(parts: ServerParts): Promise<MapaeServer> {
  const { config, logger, world = systemWorld, sleep = systemSleep, alarm = systemAlarm } = parts;
  const issuer = config.issuer ?? parts.issuer;
  const audience = config.audience ?? issuer;
  const adminAudience = `${issuer}/admin`;
  const path = new URL(issuer).pathname;
  const base = path === "/" ? "" : path;
  const storage = await (parts.storage ?? openStorage(config, world));
  try {
    // Ordinary tokens go to resource servers, which could use them on the admin API.
    if (audience === adminAudience) throw new StartRefused("MAPAE_AUDIENCE is the admin API's own audience.");
    const secrets = secretsOf(config, world);
    const settleMs = storage.nature.shared ? KEYS_SETTLE_MS : 0;
    const vault = await openVault(storage.vault, secrets, world, { settleMs, sleep });
    const live = await LiveSet.load(storage.revocation);
    const keyring = await openKeyring(
      storage.keys,
      vault,
      {
        alg: config.signingAlg,
        rotateAfterMs: config.keyRotation,
        publishLeadMs: PUBLISH_LEAD_MS,
        cachedMs: JWKS_MAX_AGE_SECONDS * 1000,
        toleranceSeconds: TOLERANCE_SECONDS,
        sharedSecrets: config.sharedSecret ?? [],
      },
      world,
    );
    followKeys(storage, vault, keyring, logger);
    const { admission, passwords, check } = await openPasswords(config, issuer, vault, world);
    const throttle = createThrottle(storage.throttle ?? openMemoryThrottle(world.clock), config.rateLimit === "on");
    const status = openStatusService(storage.status, keyring, { ...config, issuer }, world, alarm);
    const mark = isShared(config.signingAlg) ? vault : null;
    const encrypt = createEncrypt();
    const accessTokens = createAccessTokens(keyring, { issuer, ttlMs: config.accessTtl, mark, encrypt }, world);
    const tokens = createIssuer(accessTokens, vault);
    const signUp = createSignUp(storage.users, passwords, check, world);
    const passwordAction = createPasswordAction({ users: storage.users, passwords, check, throttle });
    const clientAction = createClientAction(storage.clients, { audience, adminAudience }, world);
    const logIn = createLogIn(
      { ...storage, passwords, throttle, issuer: tokens, vault, world, sleep, listSeed: status.listSeed },
      {
        audience,
        limit: { max: config.sessionLimit, action: config.sessionLimitAction, per: config.sessionLimitPer },
        idleMs: config.refreshIdle,
        sessionMs: config.sessionTtl,
        floorMs: config.loginFloor,
      },
    );
    const refresh = createRefresh(
      { ...storage, issuer: tokens, vault, listSeed: status.listSeed },
      { graceMs: config.refreshGrace, idleMs: config.refreshIdle, audience, adminAudience },
    );
    const readSession = createReadSession(
      { grants: storage.grants, vault, clock: world.clock },
      { idleMs: config.refreshIdle, graceMs: config.refreshGrace },
    );
    const service = { storage, vault, config, logger };
    const names = { issuer, audience, adminAudience };
    const { judge, revoke, ...revocation } = await openRevocation({ ...service, keyring, live }, names, world, alarm);
    const { verifiers, feed, confirming } = revocation;
    const webhooks = startWebhookService(service, parts.delivers !== false, world, alarm);
    const webhookAction = createWebhookAction({ ...webhooks, webhooks: storage.webhooks, vault, world });
    const ssf = openSsf({ ...service, keyring, throttle }, parts.delivers !== false, issuer, world, alarm);
    const exampleSecret = await firstStart(storage.clients, clientAction);
    const metrics = createMetrics({
      hashing: () => admission.metrics(),
      revocations: () => live.size,
      feed,
      webhooks: webhooks.runner,
      ssf,
    });
    let draining = false;
    const routes = createRoutes(
      {
        ...storage,
        keyring,
        throttle,
        signUp,
        logIn,
        refresh,
        passwords: passwordAction,
        clientAction,
        webhookAction,
        ...ssf,
        ...revocation,
        revoke,
        statusLists: status.lists,
        check: () => storage.check(),
        draining: () => draining,
        metrics: () => metrics.text(),
      },
      {
        issuer,
        base,
        now: () => world.clock.now(),
        usual: STRATEGIES[config.strategy].carries === "tokens" ? "json" : "session",
        signup: config.signup,
        version: VERSION,
        listed: status.on,
        ssf: ssf.options,
      },
    );
    const app = createApp({
      routes,
      base,
      authenticator: createAuthenticator({ judge, readSession, verifiers }, names),
      origins: createOriginPolicy(issuer, config.corsOrigins),
      addresses: createAddressReader(config.trustedProxies),
      metricsTokens: config.metricsToken ?? [],
      logger,
      world,
      observe: metrics.observe,
    });
    const upkeep = { storage, vault, keyring, live, feed };
    const maintenance = startMaintenance((now) => maintain(upkeep, config, now), world.clock, logger);
    return {
      app,
      handler: handlerOf(app),
      upgrade: createStreamDoor(feed, base),
      operations: {
        ...{ storage, vault, keyring, encrypt, passwords, passwordAction, signUp, clientAction, issuer, audience },
        ...{ world, revoke, confirming, throttle, webhookAction, ssf },
      },
      nature: storage.nature,
      exampleSecret,
      drain: (withinMs = 0) => {
        draining = true;
        ssf.polls.release();
        return feed.drain(withinMs);
      },
      close: async () => {
        feed.close();
        await ssf.stop();
        await webhooks.runner?.stop();
        await maintenance.stop();
        await storage.close();
      },
    };
  } catch (error) {
    await storage.close();
    throw error;
  }
}
