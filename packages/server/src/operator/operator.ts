/**
 * The operator API: everything that the command line does, as routes behind one handler.
 *
 *   mapae users create …  ──►  no server on this data folder: the handler, in the same process
 *                         └─►  a server runs: the local socket ──► the same handler, in the server
 *
 * It answers the routes of the admin API, and beside them what only the operator of the machine may: set a password,
 * take over hashes, sign a token, write a backup. There is no token: who may open the socket (mode 0600) is the one who
 * could read the database and its secret as well. The audit names the actor `operator`.
 */
import type { Logger } from "pino";
import { createImport } from "../admin/import.ts";
import { createAddressReader } from "../http/address.ts";
import { adminAuditRoute } from "../http/api/admin-audit.ts";
import { adminClientRoutes } from "../http/api/admin-clients.ts";
import { adminKeyRoutes } from "../http/api/admin-keys.ts";
import { adminSessionRoutes } from "../http/api/admin-sessions.ts";
import { adminSsfRoutes } from "../http/api/admin-ssf.ts";
import { adminReceiverRoutes } from "../http/api/admin-ssf-receivers.ts";
import { adminUserRoutes } from "../http/api/admin-users.ts";
import { adminWebhookRoutes } from "../http/api/admin-webhooks.ts";
import { revocationRoutes } from "../http/api/revocations.ts";
import { type App, createApp } from "../http/app.ts";
import type { Authenticated, Authenticator } from "../http/authenticate.ts";
import { createOriginPolicy } from "../http/origin.ts";
import { problem } from "../http/problem.ts";
import type { Route } from "../http/route.ts";
import type { Operations } from "../server/server.ts";
import type { Config } from "../settings/config.ts";
import { aboutRoute } from "./about.ts";
import { backupRoutes } from "./backups.ts";
import { importRoute } from "./imports.ts";
import { pepperRoute } from "./pepper.ts";
import { tokenRoute } from "./tokens.ts";
import { operatorUserRoutes } from "./users.ts";

/** Nobody comes here with a token. */
const NO_TOKENS: Authenticator = { account: refuse, admin: refuse, verifier: refuse, follower: refuse };

async function refuse(): Promise<Authenticated & { ok: false }> {
  return { ok: false, reply: problem("forbidden") };
}

export function createOperator(operations: Operations, config: Config, logger: Logger): App {
  const { storage, keyring, clientAction, webhookAction, ssf, confirming, world, issuer } = operations;
  const shared: readonly Route[] = [
    ...adminUserRoutes({ ...storage, confirming }),
    ...adminSessionRoutes({ ...storage, confirming }),
    ...adminKeyRoutes({ keyring, confirming }, () => world.clock.now()),
    ...revocationRoutes(operations),
    ...adminClientRoutes(storage.clients, clientAction),
    ...adminWebhookRoutes({ ...storage, webhookAction }),
    ...adminSsfRoutes({ ...storage, ...ssf }, ssf.options),
    ...adminReceiverRoutes({ ...storage, ...ssf }, world.clock.now),
    adminAuditRoute(storage.audit),
  ];
  const importUser = createImport({ ...operations, users: storage.users }, config.loginFloor);
  const routes: readonly Route[] = [
    ...shared.map((route): Route => ({ ...route, access: "operator" })),
    ...operatorUserRoutes(operations),
    importRoute(importUser),
    tokenRoute(operations, config.accessTtl),
    pepperRoute(operations),
    ...backupRoutes(operations),
    aboutRoute(operations, config),
  ];
  return createApp({
    routes,
    base: "",
    authenticator: NO_TOKENS,
    origins: createOriginPolicy(issuer, []),
    addresses: createAddressReader([]),
    metricsTokens: [],
    logger: logger.child({ door: "operator" }),
    world,
    observe: () => {},
    operatorDoor: true,
  });
}
