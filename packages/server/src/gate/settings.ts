/**
 * The table of the gate's settings (settings/program-settings.ts). The gate is a process of its own, without data folder and database:
 * it reads `MAPAE_GATE_*` and nothing else.
 */
import type { StalePolicy } from "@mapae/verifier";
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
import { choice, duration, text } from "../settings/setting.ts";
import type { Place } from "./door.ts";

const STALE_POLICIES = ["introspect", "reject", "accept"] as const satisfies readonly StalePolicy[];

export const GATE_SETTINGS = {
  issuer: row("--issuer <url>", text("MAPAE_GATE_ISSUER", null, "whose tokens: `iss`, as it stands in them")),
  audience: row(
    "--audience <name>",
    text("MAPAE_GATE_AUDIENCE", null, "what the API is called in `aud`; one of several is enough"),
    ",",
  ),
  listen: row(
    "--listen <place>",
    text("MAPAE_GATE_LISTEN", "127.0.0.1:4100", "host:port, or unix:/path (its group may connect)"),
  ),
  jwksUri: row(
    "--jwks-uri <url>",
    text("MAPAE_GATE_JWKS_URI", null, "where the keys are; found through the issuer where it is left out"),
  ),
  keyFile: row(
    "--key-file <file>",
    text("MAPAE_GATE_KEY_FILE", null, "the API's private keys, where it has encrypted tokens: the gate opens them"),
  ),
  scope: row("--scope <scopes>", text("MAPAE_GATE_SCOPE", null, "scopes that every request needs"), " "),
  role: row("--role <role>", text("MAPAE_GATE_ROLE", null, "roles that every request needs"), ","),
  realm: row("--realm <name>", text("MAPAE_GATE_REALM", null, "`realm` of WWW-Authenticate; else the audience")),
  clockTolerance: row(
    "--clock-tolerance <duration>",
    duration("MAPAE_GATE_CLOCK_TOLERANCE", "0s", "0s", "60s", "by how much the issuer's clock may differ"),
  ),
  clientId: row(
    "--client-id <id>",
    text("MAPAE_GATE_CLIENT_ID", null, "this resource server at the issuer: follow its revocations"),
  ),
  clientSecretFile: row(
    "--client-secret-file <file>",
    text("MAPAE_GATE_CLIENT_SECRET_FILE", null, "the file that holds its secret"),
  ),
  clientSecret: row(null, text("MAPAE_GATE_CLIENT_SECRET", null, "its secret")),
  onStale: row(
    "--on-stale <policy>",
    choice<StalePolicy>("MAPAE_GATE_ON_STALE", "introspect", STALE_POLICIES, "while revocations are not known"),
  ),
  acceptFor: row(
    "--accept-for <duration>",
    duration("MAPAE_GATE_ACCEPT_FOR", "0s", "0s", "1d", "for accept: how long beyond the lease"),
  ),
  maxStaleness: row(
    "--max-staleness <duration>",
    duration(
      "MAPAE_GATE_MAX_STALENESS",
      "1d",
      "1s",
      "1d",
      "the longest lease, where it is to be shorter than the issuer's",
    ),
  ),
  feed: row("--feed <url>", text("MAPAE_GATE_FEED", null, "where the feed is, where that is not the issuer: a relay")),
  shutdownGrace: row(
    "--shutdown-grace <duration>",
    duration("MAPAE_GATE_SHUTDOWN_GRACE", "10s", "0s", "5m", "how long requests under way may take at the end"),
  ),
} as const satisfies Record<string, ProgramRow<unknown>>;

export interface GateConfig {
  readonly issuer: string;
  readonly audience: readonly string[];
  readonly listen: Place;
  readonly jwksUri: string | null;
  /** Private keys that open encrypted tokens. */
  readonly keyFile: string | null;
  readonly scope: readonly string[];
  readonly role: readonly string[];
  readonly realm: string | null;
  /** Milliseconds, as are all durations. */
  readonly clockTolerance: number;
  /** Whom to follow revocations as; `null`: they are not followed. */
  readonly credentials: ProgramCredentials | null;
  readonly onStale: StalePolicy;
  readonly acceptFor: number;
  readonly maxStaleness: number | null;
  readonly feed: string | null;
  readonly shutdownGrace: number;
}

export type GateConfigRead =
  | { readonly ok: true; readonly config: GateConfig }
  | { readonly ok: false; readonly faults: readonly string[] };

/** The rows as options, for the table of commands. */
export const GATE_OPTIONS = optionsOf(GATE_SETTINGS);

/** Reads every row, and what they say together. */
export function readGateConfig(flags: Flags, env: Readonly<Record<string, string | undefined>>): GateConfigRead {
  const values = readProgram("gate", GATE_SETTINGS, flags, env);
  const { faults, textOf, numberOf, itemsOf, need, label } = values;
  const issuer = need("issuer");
  need("audience");
  const listen = placeOf(textOf("listen") ?? "");
  if (listen === null) faults.push(`${label("listen")} must be host:port or unix:/path.`);
  const credentials = readCredentials(values);
  const onStale = STALE_POLICIES.find((policy) => policy === textOf("onStale")) ?? "introspect";
  const staleness = numberOf("maxStaleness");
  if (faults.length > 0 || listen === null) return { ok: false, faults };
  return {
    ok: true,
    config: {
      issuer,
      audience: itemsOf("audience"),
      listen,
      jwksUri: textOf("jwksUri"),
      keyFile: textOf("keyFile"),
      scope: itemsOf("scope"),
      role: itemsOf("role"),
      realm: textOf("realm"),
      clockTolerance: numberOf("clockTolerance"),
      credentials,
      onStale,
      acceptFor: numberOf("acceptFor"),
      maxStaleness: staleness === 86_400_000 ? null : staleness,
      feed: textOf("feed"),
      shutdownGrace: numberOf("shutdownGrace"),
    },
  };
}

/** `host:port`, `[::1]:port` or `unix:/path`. */
export function placeOf(value: string): Place | null {
  if (!value.startsWith("unix:")) return addressOf(value);
  return value.startsWith("unix:/") ? { path: value.slice("unix:".length) } : null;
}
