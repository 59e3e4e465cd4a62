/**
 * `mapae relay`: follows the feed of a login server or of another relay, and serves it to verifiers until it is told to stop
 * (docs/relay.md).
 */
import { openIssuerKeys, platformWorld } from "@mapae/verifier/revocation";
import type { Logger } from "pino";
import type { ServingNotice } from "../../feed/serving.ts";
import { createStreamDoor } from "../../http/stream.ts";
import { newId } from "../../prelude/ids.ts";
import { createLogger } from "../../prelude/log.ts";
import { systemAlarm, systemWorld } from "../../prelude/world.ts";
import { createRelayApp } from "../../relay/app.ts";
import { createRelayMetrics } from "../../relay/metrics.ts";
import { openRelay } from "../../relay/relay.ts";
import { type RelayConfig, readRelayConfig } from "../../relay/settings.ts";
import { createWatch } from "../../relay/watch.ts";
import { logNotice } from "../../server/feed-service.ts";
import { listen } from "../../server/listen.ts";
import type { Command } from "../context.ts";
import { CommandFailed, exitCode } from "../exit.ts";
import { stopSignal } from "../stop-signal.ts";

/** How often it is looked whether there is something to tell. */
const WATCH_MS = 500;

function warnings({ listen: { host } }: RelayConfig): readonly string[] {
  if (host === "localhost" || host === "::1" || host.startsWith("127.")) return [];
  return ["Note: the relay speaks plain HTTP, and verifiers take https: alone from other machines: put TLS before it."];
}

function note(logger: Logger, notice: ServingNotice): void {
  if (notice.kind !== "position_ahead") {
    logNotice(logger, notice);
    return;
  }
  // It followed somebody who is further, and that is no fault of the log's.
  const { client, position, head } = notice;
  logger.warn({ client, position, head }, "a verifier knows a later position than this relay, and loads a snapshot");
}

/** Runs until SIGTERM or SIGINT. A second signal ends it at once. */
export const relay: Command = async ({ given, output, env }) => {
  const read = readRelayConfig(given, env);
  if (!read.ok) throw new CommandFailed("usage", read.faults.join(" "));
  const { config } = read;
  const { issuer, upstream, credentials, jwksUri } = config;
  const logger = createLogger(config.logLevel);
  const world = systemWorld;
  const outside = platformWorld({
    fetch: (url, init) => fetch(url, init),
    now: () => world.clock.now(),
    after: systemAlarm,
  });
  const listening = await listen(config.listen.host, config.listen.port, { host: "--listen", port: "--listen" });
  const keys = openIssuerKeys(jwksUri === null ? { issuer } : { jwksUri }, outside);
  const running = await openRelay({
    id: newId("relay", world.random),
    issuer,
    issuerBase: issuer,
    upstreamBase: upstream,
    clientId: credentials.clientId,
    clientSecret: credentials.clientSecret.reveal(),
    keys,
    maxConnections: config.connections,
    maxEntries: config.maxEntries,
    world,
    alarm: systemAlarm,
    outside,
    notice: (notice) => note(logger, notice),
  });
  let draining = false;
  const app = createRelayApp({
    relay: running,
    issuer,
    draining: () => draining,
    metrics: createRelayMetrics(running),
    metricsTokens: config.metricsTokens,
    logger,
    world,
  });
  const stopped = stopSignal();
  listening.answerWith(app, createStreamDoor(running, ""));
  const { host } = config.listen;
  output.say(`Mapae's relay answers at http://${host.includes(":") ? `[${host}]` : host}:${listening.port}`);
  for (const line of warnings(config)) output.say(line);

  const watch = createWatch({ upstream, clientId: credentials.clientId });
  const look = (): void => {
    const news = watch(running.status());
    if (news === null) return;
    logger[news.level](news.says);
    output.say(`mapae relay: ${news.says}`);
  };
  const watching = setInterval(look, WATCH_MS);
  void running.ready().then(look, look);

  const signal = await stopped;
  clearInterval(watching);
  draining = true;
  output.say(`mapae relay: ${signal}: verifiers are asked to go elsewhere`);
  listening.drain();
  await running.drain(config.leaveWithin);
  await listening.close(config.shutdownGrace);
  running.close();
  keys.close();
  logger.flush();
  return exitCode("ok");
};
