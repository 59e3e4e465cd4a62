/**
 * What a relay answers over HTTP: the feed's routes and the operator's, of the very code that the login server answers with.
 * Each answer names the relays between here and the issuer, so that one that stands in a circle finds out.
 */
import { RELAYS_HEADER } from "@mapae/verifier/revocation";
import type { Logger } from "pino";
import { createAddressReader } from "../http/address.ts";
import { feedRoutes } from "../http/api/feed.ts";
import { operationsRoutes } from "../http/api/operations.ts";
import { type App, createApp } from "../http/app.ts";
import { type Authenticator, followerOf } from "../http/authenticate.ts";
import { createOriginPolicy } from "../http/origin.ts";
import { problem } from "../http/problem.ts";
import { Unavailable } from "../prelude/fault.ts";
import type { Secret } from "../prelude/secret.ts";
import type { World } from "../prelude/world.ts";
import type { Relay } from "./relay.ts";

export interface RelayAppParts {
  readonly relay: Relay;
  readonly issuer: string;
  readonly draining: () => boolean;
  readonly metrics: () => Promise<{ readonly type: string; readonly text: string }>;
  readonly metricsTokens: readonly Secret[];
  readonly logger: Logger;
  readonly world: World;
}

export function createRelayApp(parts: RelayAppParts): App {
  const { relay, issuer, draining, metrics, metricsTokens, logger, world } = parts;
  const nobody = async () => ({ ok: false, reply: problem("forbidden") }) as const;
  const authenticator: Authenticator = {
    account: nobody,
    admin: nobody,
    verifier: nobody,
    follower: async (headers) => {
      const who = await followerOf(relay.verifiers, headers);
      // RFC 6750 §3: no error code for who shows nothing.
      const code = headers.get("authorization") === null ? "missing_token" : "invalid_token";
      return who.ok
        ? who
        : { ok: false, reply: problem(code, { detail: "A relay takes tickets of its issuer (Bearer)." }) };
    },
  };
  const app = createApp({
    routes: [
      ...feedRoutes(relay),
      ...operationsRoutes({
        check: async () => {
          if (relay.status().leaseLeft <= 0) throw new Unavailable("no lease");
        },
        unready: () => `The relay holds no lease: ${relay.status().trouble ?? "upstream has not answered yet"}.`,
        draining,
        metrics,
      }),
    ],
    base: "",
    authenticator,
    origins: createOriginPolicy(issuer, []),
    addresses: createAddressReader([]),
    metricsTokens,
    logger,
    world,
    observe: () => {},
  });
  return async (incoming, connection) => {
    const reply = await app(incoming, connection);
    reply.headers[RELAYS_HEADER] = relay.relays.join(", ");
    return reply;
  };
}
