/**
 * `mapae gate`: answers a proxy's question whether a request may pass, until it is told to stop. Around
 * `@mapae/verifier`, for whoever cannot put that library into an API: docs/gate.md.
 */
import { createVerifier, type Jwk, type Verifier, type VerifierOptions } from "@mapae/verifier";
import { createDecide } from "../../gate/decision.ts";
import { openDoor } from "../../gate/door.ts";
import { createGateMetrics, type Source } from "../../gate/metrics.ts";
import { createReader } from "../../gate/requirements.ts";
import { type GateConfig, readGateConfig } from "../../gate/settings.ts";
import type { Command } from "../context.ts";
import { CommandFailed, exitCode } from "../exit.ts";
import { decryptionKeys } from "../seal/party-keys.ts";
import { stopSignal } from "../stop-signal.ts";

type Say = (line: string) => void;

interface Parts {
  readonly config: GateConfig;
  /** What opens encrypted tokens. */
  readonly keys: { readonly keys: readonly Jwk[] } | null;
  readonly say: Say;
}

function optionsOf({ config, keys, say }: Parts): VerifierOptions {
  const { issuer, audience, jwksUri, clockTolerance, credentials, onStale, acceptFor, maxStaleness, feed } = config;
  const base: VerifierOptions = {
    issuer,
    audience,
    ...(jwksUri === null ? {} : { keys: { jwksUri } }),
    ...(keys === null ? {} : { decryptionKeys: keys }),
    clockTolerance: clockTolerance / 1000,
    warn: (message) => say(`Note: ${message}`),
  };
  if (credentials === null) return base;
  return {
    ...base,
    credentials: { clientId: credentials.clientId, clientSecret: credentials.clientSecret.reveal() },
    revocation: {
      onStale,
      ...(acceptFor === 0 ? {} : { acceptFor: acceptFor / 1000 }),
      ...(maxStaleness === null ? {} : { maxStaleness: maxStaleness / 1000 }),
      ...(feed === null ? {} : { feed }),
    },
  };
}

function verifierOf(parts: Parts): Verifier {
  try {
    return createVerifier(optionsOf(parts));
  } catch (error) {
    throw new CommandFailed("usage", error instanceof Error ? error.message : String(error));
  }
}

/** What can be told of the feed; nothing without one. */
function sourcesOf(verifier: Verifier, isReady: () => boolean): readonly Source[] {
  const sources: Source[] = [
    { name: "mapae_gate_ready", help: "1: tokens can be judged", read: () => Number(isReady()) },
  ];
  if (verifier.status() === null) return sources;
  const status = (name: string, help: string, read: (of: NonNullable<ReturnType<Verifier["status"]>>) => number) =>
    sources.push({
      name: `mapae_gate_revocation_${name}`,
      help,
      read: () => {
        const now = verifier.status();
        return now === null ? Number.NaN : read(now);
      },
    });
  status("trusted", "1: within the lease", ({ trust }) => Number(trust === "live"));
  status("lease_left_seconds", "What is left of the lease", ({ leaseLeft }) => leaseLeft / 1000);
  status("entries", "Revocations in force", ({ entries }) => entries);
  status("lag_entries", "Entries by which the copy is behind", ({ lag }) => lag ?? Number.NaN);
  return sources;
}

function warnings({ listen }: GateConfig): readonly string[] {
  if ("path" in listen || listen.host === "localhost" || listen.host === "::1" || listen.host.startsWith("127.")) {
    return [];
  }
  return [
    "WARNING: the gate listens beyond this machine and speaks plain HTTP: whoever is on the way reads the tokens.",
  ];
}

/** Says when tokens can be judged; tries again until then. */
async function becomeReady(verifier: Verifier, say: Say, alive: () => boolean): Promise<void> {
  let told = "";
  for (let wait = 250; alive(); wait = Math.min(2 * wait, 5_000)) {
    const reason = await verifier.ready().then(
      () => null,
      (error: unknown) => (error instanceof Error ? error.message : "not ready"),
    );
    if (reason === null) return say("mapae gate: ready");
    if (reason !== told) say(`mapae gate: not ready, every token is answered 503: ${reason}`);
    told = reason;
    await new Promise<void>((resolve) => setTimeout(resolve, wait).unref());
  }
}

/** Runs until SIGTERM or SIGINT. A second signal ends it at once. */
export const gate: Command = async (context) => {
  const { given, output, env } = context;
  const read = readGateConfig(given, env);
  if (!read.ok) throw new CommandFailed("usage", read.faults.join(" "));
  const { config } = read;
  const say: Say = (line) => output.say(line);
  const keys = config.keyFile === null ? null : await decryptionKeys(context, config.keyFile);
  const verifier = verifierOf({ config, keys, say });
  let ready = false;
  const metrics = createGateMetrics(sourcesOf(verifier, () => ready));
  const requirements = createReader(config, verifier.stalePolicies);
  try {
    const decide = createDecide(verifier, requirements, config.realm ?? config.audience[0] ?? "");
    const door = await openDoor(config.listen, { decide, metrics, ready: () => verifier.ready() });
    const stopped = stopSignal();
    say(`Mapae's gate answers at ${door.at}`);
    for (const line of warnings(config)) say(line);
    let alive = true;
    void becomeReady(verifier, say, () => alive).then(() => {
      ready = alive;
    });
    const signal = await stopped;
    alive = false;
    say(`mapae gate: ${signal}: finishing what is under way`);
    await door.close(config.shutdownGrace);
    return exitCode("ok");
  } finally {
    verifier.close();
  }
};
