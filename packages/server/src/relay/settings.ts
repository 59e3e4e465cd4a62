/**
 * The table of a relay's settings (settings/program-settings.ts). It is a process of its own, without data folder and database: it
 * reads `MAPAE_RELAY_*` and nothing else.
 */

import type { Secret } from "../prelude/secret.ts";
import {
  addressOf,
  type Flags,
  optionsOf,
  type ProgramCredentials,
  type ProgramRow,
  readCredentials,
  readProgram,
  row,
} from "../settings/program-settings.ts";
import { choice, duration, integer, origin, secrets, text } from "../settings/setting.ts";

const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;

export const RELAY_SETTINGS = {
  issuer: row("--issuer <url>", origin("MAPAE_RELAY_ISSUER", null, "whose revocations: `iss`, as it stands in tokens")),
  upstream: row(
    "--upstream <url>",
    origin("MAPAE_RELAY_UPSTREAM", null, "whom to follow, where that is another relay and not the issuer"),
  ),
  listen: row("--listen <place>", text("MAPAE_RELAY_LISTEN", "127.0.0.1:4200", "host:port, where verifiers come to")),
  clientId: row(
    "--client-id <id>",
    text("MAPAE_RELAY_CLIENT_ID", null, "the resource server to follow as: its audience is what the relay serves"),
  ),
  clientSecretFile: row(
    "--client-secret-file <file>",
    text("MAPAE_RELAY_CLIENT_SECRET_FILE", null, "the file that holds its secret"),
  ),
  clientSecret: row(null, text("MAPAE_RELAY_CLIENT_SECRET", null, "its secret")),
  jwksUri: row(
    "--jwks-uri <url>",
    text("MAPAE_RELAY_JWKS_URI", null, "where the keys are; found through the issuer where it is left out"),
  ),
  connections: row(
    "--connections <count>",
    integer("MAPAE_RELAY_CONNECTIONS", 5_000, 1, 100_000, "verifiers that may follow over a stream at once"),
  ),
  maxEntries: row(
    "--max-entries <count>",
    integer("MAPAE_RELAY_MAX_ENTRIES", 4_000_000, 1_000, 10_000_000, "entries held at most: 80 bytes each"),
  ),
  leaveWithin: row(
    "--leave-within <duration>",
    duration("MAPAE_RELAY_LEAVE_WITHIN", "2s", "0s", "1m", "how long verifiers have to go elsewhere at the end"),
  ),
  shutdownGrace: row(
    "--shutdown-grace <duration>",
    duration("MAPAE_RELAY_SHUTDOWN_GRACE", "10s", "0s", "5m", "how long requests under way may take at the end"),
  ),
  metricsToken: row(
    null,
    secrets(
      "MAPAE_RELAY_METRICS_TOKEN",
      "Bearer tokens that may read /metrics from elsewhere; newest first.",
      "tokens of at least 16 characters",
      (value) => value.length >= 16,
    ),
  ),
  logLevel: row("--log-level <level>", choice("MAPAE_RELAY_LOG_LEVEL", "info", LOG_LEVELS, "the least level logged")),
} as const satisfies Record<string, ProgramRow<unknown>>;

export interface RelayConfig {
  readonly issuer: string;
  readonly upstream: string;
  readonly listen: { readonly host: string; readonly port: number };
  readonly credentials: ProgramCredentials;
  readonly jwksUri: string | null;
  readonly connections: number;
  readonly maxEntries: number;
  /** Milliseconds, as are all durations. */
  readonly leaveWithin: number;
  readonly shutdownGrace: number;
  readonly metricsTokens: readonly Secret[];
  readonly logLevel: string;
}

export type RelayConfigRead =
  | { readonly ok: true; readonly config: RelayConfig }
  | { readonly ok: false; readonly faults: readonly string[] };

/** The rows as options, for the table of commands. */
export const RELAY_OPTIONS = optionsOf(RELAY_SETTINGS);

/** Reads every row, and what they say together. */
export function readRelayConfig(flags: Flags, env: Readonly<Record<string, string | undefined>>): RelayConfigRead {
  const values = readProgram("relay", RELAY_SETTINGS, flags, env);
  const { faults, textOf, numberOf, need, label, secretsOf } = values;
  const issuer = need("issuer");
  const listen = addressOf(textOf("listen") ?? "");
  if (listen === null) faults.push(`${label("listen")} must be host:port.`);
  const credentials = readCredentials(values);
  if (credentials === null && faults.length === 0) faults.push(`${label("clientId")} is needed.`);
  if (faults.length > 0 || listen === null || credentials === null) return { ok: false, faults };
  return {
    ok: true,
    config: {
      issuer,
      upstream: textOf("upstream") ?? issuer,
      listen,
      credentials,
      jwksUri: textOf("jwksUri"),
      connections: numberOf("connections"),
      maxEntries: numberOf("maxEntries"),
      leaveWithin: numberOf("leaveWithin"),
      shutdownGrace: numberOf("shutdownGrace"),
      metricsTokens: secretsOf("metricsToken"),
      logLevel: textOf("logLevel") ?? "info",
    },
  };
}
