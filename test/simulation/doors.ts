/**
 * What a node listens to: the routes of the real server that verifiers use, and the stream, on the simulated network. The
 * one thing that is not here is the WebSocket's own framing (http/stream.ts), which the other tests try on real sockets.
 */
import pino from "pino";
import type { FeedConnection } from "../../packages/server/src/feed/link.ts";
import type { FollowedFeed } from "../../packages/server/src/feed/serving.ts";
import { createAddressReader } from "../../packages/server/src/http/address.ts";
import { discoveryRoutes } from "../../packages/server/src/http/api/discovery.ts";
import { feedRoutes, ticketRoutes } from "../../packages/server/src/http/api/feed.ts";
import { oauthRoutes } from "../../packages/server/src/http/api/oauth.ts";
import { createApp, handlerOf } from "../../packages/server/src/http/app.ts";
import { createAuthenticator } from "../../packages/server/src/http/authenticate.ts";
import { createOriginPolicy } from "../../packages/server/src/http/origin.ts";
import { createIntrospect } from "../../packages/server/src/oauth/introspect.ts";
import { createJudge } from "../../packages/server/src/oauth/judge.ts";
import { createRevokeToken } from "../../packages/server/src/oauth/revoke.ts";
import { createReadSession } from "../../packages/server/src/signin/session.ts";
import { openMemoryThrottle } from "../../packages/server/src/storage/memory/throttle.ts";
import { createThrottle } from "../../packages/server/src/throttle/throttle.ts";
import type { Server } from "./node.ts";
import { AUDIENCES, ISSUER } from "./people.ts";
import type { Answerer } from "./requests.ts";
import type { Acceptor } from "./transport.ts";

const ADMIN = `${ISSUER}/admin`;
export const SILENT = pino({ level: "silent" });

export function acceptorOf(feed: Pick<FollowedFeed, "connect">): Acceptor {
  return (end) => {
    let connection: FeedConnection | null = null;
    return {
      opened: () => {
        connection = feed.connect({
          send: (frame) => end.send(typeof frame === "string" ? frame : Uint8Array.from(frame)),
          waiting: () => end.backlog,
          close: (code) => end.close(code),
        });
      },
      message: (data) => connection?.received(typeof data === "string" ? data : null),
      closed: (code) => connection?.closed(code),
    };
  };
}

export function answererOf(server: Server): Answerer {
  const { keyring, vault, live, storage, verifiers, feed, world } = server;
  const { clock } = world;
  const { revocation: log, grants, clients, sessions } = storage;
  const judge = createJudge({ keyring, vault, live, sessions, clock }, false);
  const readSession = createReadSession({ grants, vault, clock }, { idleMs: 0, graceMs: 0 });
  const throttle = createThrottle(openMemoryThrottle(clock), false);
  const introspect = createIntrospect({ judge, log, feed, grants, vault, clock }, ISSUER);
  const settings = { issuer: ISSUER, audience: AUDIENCES[0], adminAudience: ADMIN };
  const revokeToken = createRevokeToken({ judge, log, grants, clients, vault }, settings);
  return handlerOf(
    createApp({
      routes: [
        ...feedRoutes(feed),
        ...ticketRoutes(feed),
        ...oauthRoutes({ introspect, revokeToken, verifiers, throttle }),
        ...discoveryRoutes(keyring, ISSUER, false),
      ],
      base: "",
      authenticator: createAuthenticator({ judge, readSession, verifiers }, settings),
      origins: createOriginPolicy(ISSUER, []),
      addresses: createAddressReader([]),
      metricsTokens: [],
      logger: SILENT,
      world,
      observe: () => {},
    }),
  );
}
