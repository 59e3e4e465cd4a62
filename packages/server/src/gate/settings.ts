/**
 * The table of the gate's settings. One row is an option of `mapae gate` and an environment variable at once, and prints
 * the help. The gate is a process of its own, without data folder and database: it reads `MAPAE_GATE_*` and nothing
 * else, and a name that is not here stops it. What stands on the command line wins.
 */
import { readFileSync } from "node:fs";
import type { StalePolicy } from "@mapae/verifier";
import { Secret } from "../prelude/secret.ts";
import { choice, duration, type Setting, text } from "../setting.ts";
import type { Place } from "./door.ts";

const PREFIX = "MAPAE_GATE_";
const STALE_POLICIES = ["introspect", "reject", "accept"] as const satisfies readonly StalePolicy[];

interface Row<T> extends Setting<T> {
  /** As it is typed; `null`: in the environment only, because arguments can be read by every user of the machine. */
  readonly flags: string | null;
  /** The option may stand several times; the variable separates by this. */
  readonly several?: "," | " ";
}

function row<T>(flags: string | null, setting: Setting<T>, several?: "," | " "): Row<T> {
  return { ...setting, flags, ...(several === undefined ? {} : { several }) };
}

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
} as const satisfies Record<string, Row<unknown>>;

type Name = keyof typeof GATE_SETTINGS;

export interface GateConfig {
  readonly issuer: string;
  readonly audience: readonly string[];
  readonly listen: Place;
  readonly jwksUri: string | null;
  readonly scope: readonly string[];
  readonly role: readonly string[];
  readonly realm: string | null;
  /** Milliseconds, as are all durations. */
  readonly clockTolerance: number;
  /** Whom to follow revocations as; `null`: they are not followed. */
  readonly credentials: { readonly clientId: string; readonly clientSecret: Secret } | null;
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
export const GATE_OPTIONS = (Object.values(GATE_SETTINGS) as Row<unknown>[]).flatMap(
  ({ flags, sentence, env, several, default: preset }) => {
    if (flags === null) return [];
    const note = preset === null ? env : `${env}; default: ${preset}`;
    return [{ flags, says: `${sentence} (${note})`, ...(several === undefined ? {} : { many: true }) }];
  },
);

/** What the command line has; as `cli/given.ts` gives it. */
export interface Flags {
  text(name: string): string | undefined;
  texts(name: string): readonly string[];
}

/** The option's name as the parser hands it over: `--jwks-uri <url>` is `jwksUri`, which is the row's name. */
function given(name: Name, flags: Flags, env: Readonly<Record<string, string | undefined>>): string | undefined {
  const row: Row<unknown> = GATE_SETTINGS[name];
  const typed = row.flags === null ? undefined : (flags.text(name) ?? several(flags.texts(name), row.several));
  if (typed !== undefined) return typed;
  const variable = env[row.env];
  return variable === "" ? undefined : variable;
}

function several(values: readonly string[], by: string | undefined): string | undefined {
  return values.length === 0 ? undefined : values.join(by ?? ",");
}

/** Reads every row, and what they say together. */
export function readGateConfig(flags: Flags, env: Readonly<Record<string, string | undefined>>): GateConfigRead {
  const names = Object.keys(GATE_SETTINGS) as Name[];
  const known = new Set<string>(names.map((name) => GATE_SETTINGS[name].env));
  const faults = Object.keys(env)
    .filter((variable) => variable.startsWith(PREFIX) && !known.has(variable))
    .map((variable) => `${variable} is no setting of the gate. See mapae gate --help.`);

  const values = new Map<Name, unknown>();
  for (const name of names) {
    const row: Row<unknown> = GATE_SETTINGS[name];
    const written = given(name, flags, env) ?? row.default;
    if (written === null) continue;
    const read = row.read(written);
    if (read.ok) values.set(name, read.value);
    else faults.push(`${labelOf(row)} is ${JSON.stringify(written)}: expected ${read.expected}.`);
  }
  const textOf = (name: Name): string | null => {
    const value = values.get(name);
    return typeof value === "string" ? value : null;
  };
  const msOf = (name: Name): number => Number(values.get(name));
  const need = (name: Name): string => {
    const value = textOf(name);
    if (value === null) faults.push(`${labelOf(GATE_SETTINGS[name])} is needed.`);
    return value ?? "";
  };

  const issuer = need("issuer");
  const audience = itemsOf(need("audience"), ",");
  const listen = placeOf(textOf("listen") ?? "");
  if (listen === null) faults.push(`${labelOf(GATE_SETTINGS.listen)} must be host:port or unix:/path.`);
  const credentials = credentialsOf(textOf, faults);
  const onStale = STALE_POLICIES.find((policy) => policy === values.get("onStale")) ?? "introspect";
  const staleness = msOf("maxStaleness");
  if (faults.length > 0 || listen === null) return { ok: false, faults };
  return {
    ok: true,
    config: {
      issuer,
      audience,
      listen,
      jwksUri: textOf("jwksUri"),
      scope: itemsOf(textOf("scope") ?? "", " "),
      role: itemsOf(textOf("role") ?? "", ","),
      realm: textOf("realm"),
      clockTolerance: msOf("clockTolerance"),
      credentials,
      onStale,
      acceptFor: msOf("acceptFor"),
      maxStaleness: staleness === 86_400_000 ? null : staleness,
      feed: textOf("feed"),
      shutdownGrace: msOf("shutdownGrace"),
    },
  };
}

const labelOf = ({ flags, env }: Row<unknown>): string => (flags === null ? env : `${flags.split(" ")[0]} (${env})`);

function itemsOf(value: string, by: "," | " "): readonly string[] {
  return value.split(by).flatMap((item) => (item.trim() === "" ? [] : [item.trim()]));
}

/** Revocations are followed by whoever names the client; then the secret is needed, from one place. */
function credentialsOf(textOf: (name: Name) => string | null, faults: string[]): GateConfig["credentials"] {
  const clientId = textOf("clientId");
  const file = textOf("clientSecretFile");
  const direct = textOf("clientSecret");
  if (clientId === null) {
    if (file !== null || direct !== null) faults.push("There is a client secret, but no --client-id.");
    return null;
  }
  if ((file === null) === (direct === null)) {
    faults.push("--client-id needs --client-secret-file, or MAPAE_GATE_CLIENT_SECRET, and not both.");
    return null;
  }
  if (direct !== null) return { clientId, clientSecret: new Secret(direct) };
  try {
    return { clientId, clientSecret: new Secret(readFileSync(file ?? "", "utf8").trim()) };
  } catch {
    faults.push(`The file ${file} cannot be read.`);
    return null;
  }
}

/** `host:port`, `[::1]:port` or `unix:/path`. */
export function placeOf(value: string): Place | null {
  if (value.startsWith("unix:")) return value.startsWith("unix:/") ? { path: value.slice("unix:".length) } : null;
  const [, six, plain, port] = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]/]+)):(\d{1,5})$/.exec(value) ?? [];
  const host = six ?? plain;
  return host !== undefined && Number(port) <= 65_535 ? { host, port: Number(port) } : null;
}
