/** `mapae serve`: runs the server until it is told to stop. What a person reads goes to stderr, the log to stdout. */
import type { Logger } from "pino";
import type { App } from "../http/app.ts";
import { isShared } from "../keys/keyring.ts";
import type { OperatorSocket } from "../operator/socket.ts";
import { lowerHashing } from "../passwords/priority.ts";
import { StartRefused } from "../prelude/fault.ts";
import { createLogger } from "../prelude/log.ts";
import { systemSleep, systemWorld } from "../prelude/world.ts";
import { EXAMPLE_API } from "../server/first-start.ts";
import { type Listening, listen } from "../server/listen.ts";
import type { MapaeServer } from "../server/server.ts";
import { ssfOff } from "../server/ssf-service.ts";
import { STRATEGIES } from "../sessions/strategy.ts";
import { type Config, readEnvironment } from "../settings/config.ts";
import { placesIn } from "../settings/places.ts";
import { openStorage } from "../storage/open.ts";
import { exitCode } from "./exit.ts";
import { stopSignal } from "./stop-signal.ts";

/** Within this time verifiers leave a node that stops, each at a moment of its own. */
const DRAIN_MS = 2_000;

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Settings that weaken the server are told at every start. */
function warnings(config: Config): readonly string[] {
  const told: string[] = [];
  if (config.rateLimit === "off") {
    told.push("WARNING: MAPAE_RATE_LIMIT=off: passwords can be guessed without limit. For load tests only.");
  }
  if (config.dangerouslyAllowWebhooksTo.length > 0) {
    told.push(
      "WARNING: MAPAE_DANGEROUSLY_ALLOW_WEBHOOKS_TO is set: administrators can send requests into your network.",
    );
  }
  if (config.dangerouslyAllowSsfTo.length > 0) {
    told.push(
      "WARNING: MAPAE_DANGEROUSLY_ALLOW_SSF_TO is set: resource servers can have requests sent into your network.",
    );
  }
  const { promises } = STRATEGIES[config.strategy];
  if (promises.serverLost !== "nothing is lost") {
    told.push(
      `Note: with MAPAE_STRATEGY=${config.strategy}, ${promises.serverLost.replace("its", "a server's")} with it.`,
    );
  }
  if (isShared(config.signingAlg)) {
    told.push(`Note: with ${config.signingAlg}, whoever holds MAPAE_SHARED_SECRET can impersonate any user.`);
    told.push(`Note: ${ssfOff(config)}`);
  }
  return told;
}

function greet(config: Config, issuer: string, server: MapaeServer): void {
  say(`Mapae is ready at ${issuer}`);
  say(`  data        ${server.nature.says}`);
  say(`  strategy    ${config.strategy}: log-ins live in ${STRATEGIES[config.strategy].sessionsIn}`);
  if (config.secret === null && config.databaseUrl !== "memory:") say(`  secret      ${placesIn(config.data).secret}`);
  if (server.exampleSecret !== null) {
    say("");
    say("First start. What to do now:");
    say("  the first administrator    npm run mapae -- users create you@example.com --role admin");
    say(`  a resource server to try   ${EXAMPLE_API} ${server.exampleSecret.reveal()} (shown this once)`);
    say(`  what to try first          ${issuer}/`);
    say("");
  }
  for (const line of server.nature.warnings) say(`WARNING: ${line}.`);
  for (const line of warnings(config)) say(line);
}

/** Opens the door for the command line. An in-memory database has none: it leaves nothing on the disk, no socket either. */
async function openDoor(config: Config, server: MapaeServer, logger: Logger): Promise<OperatorSocket | null> {
  if (config.databaseUrl === "memory:") return null;
  const { socket } = placesIn(config.data);
  const { openSocket } = await import("../operator/socket.ts");
  let operator: Promise<App> | undefined;
  // Its code is loaded with the first request: most servers never see one.
  const opened = await openSocket(socket, () => {
    operator ??= import("../operator/operator.ts").then(({ createOperator }) =>
      createOperator(server.operations, config, logger),
    );
    return operator;
  });
  if ("socket" in opened) return opened.socket;
  say(`Note: the command line cannot reach this server while it runs: ${opened.unavailable}.`);
  return null;
}

/** Runs until SIGTERM or SIGINT; resolves to the exit code. A second signal ends it at once. */
export async function serve(env: Readonly<Record<string, string | undefined>>): Promise<number> {
  const read = readEnvironment(env);
  if (!read.ok) {
    for (const fault of read.faults) say(`mapae: ${fault}`);
    return exitCode("usage");
  }
  const { config } = read;
  const logger = createLogger(config.logLevel);
  let listening: Listening | undefined;
  try {
    listening = await listen(config.host, config.port);
    const issuer = config.issuer ?? `http://localhost:${listening.port}`;
    // The store opens, in a thread of its own, while the rest of the program loads.
    const storage = openStorage(config, systemWorld, (line) => logger.warn(line));
    storage.catch(() => {}); // told where it is awaited
    const { openServer } = await import("../server/server.ts");
    const server = await openServer({ config, issuer, logger, storage });
    await lowerHashing();
    const door = await openDoor(config, server, logger).catch(async (error: unknown) => {
      await server.close();
      throw error;
    });
    listening.answerWith(server.app, server.upgrade);
    // Whoever waits for the greeting may end it at the first line.
    const stopped = stopSignal();
    greet(config, issuer, server);
    const signal = await stopped;
    say(`mapae: ${signal}: finishing what is under way`);
    listening.drain();
    const leaveMs = Math.max(config.shutdownDelay, Math.min(DRAIN_MS, config.shutdownGrace / 4));
    await Promise.all([server.drain(leaveMs), systemSleep(config.shutdownDelay)]);
    await door?.close(config.shutdownGrace);
    await listening.close(config.shutdownGrace);
    await server.close();
    logger.flush();
    return exitCode("ok");
  } catch (error) {
    await listening?.close(0);
    if (!(error instanceof StartRefused)) throw error;
    say(`mapae: ${error.message}`);
    return exitCode(error.passes ? "tryAgain" : "failed");
  }
}
