/**
 * The table of settings, and the only reader of the environment. One row is a setting's name, default, bounds and
 * sentence; the same row reads it, prints it in `--help` and in the reference. An unknown or misspelt `MAPAE_*` stops
 * the server: a typo in a security setting must not pass in silence.
 */
import { readFileSync } from "node:fs";
import { ALGORITHMS, type AlgorithmName, decodeBase64url } from "@mapae/verifier/jose";
import { LEASE_LONGEST_MS } from "../feed/lease.ts";
import { isNetwork } from "../http/address.ts";
import { formatDuration } from "../prelude/duration.ts";
import { LIMIT_ACTIONS, LIMIT_SCOPES } from "../sessions/limit.ts";
import { STRATEGY_NAMES } from "../sessions/strategy.ts";
import { DEFAULT_SUBJECTS } from "../ssf/stream.ts";
import {
  choice,
  discreet,
  duration,
  integer,
  isWebOrigin,
  list,
  origin,
  type Setting,
  secret,
  secrets,
  text,
} from "./setting.ts";

/** `LEASE_LONGEST_MS` (feed/lease.ts) as people write it. */
const LEASE_LONGEST = formatDuration(LEASE_LONGEST_MS);
const ALGS = Object.keys(ALGORITHMS) as AlgorithmName[];

/** Length in bits of a canonical base64url text; 0 for any other. */
function bitsOf(base64url: string): number {
  return (decodeBase64url(base64url)?.length ?? 0) * 8;
}

export const SETTINGS = {
  host: text("MAPAE_HOST", "127.0.0.1", "The address to listen on."),
  port: integer("MAPAE_PORT", 4000, 0, 65_535, "The port to listen on; 0 takes any free one."),
  issuer: origin(
    "MAPAE_ISSUER",
    null,
    "The public address of this server, as it stands in `iss`. Default: http://localhost with the port.",
  ),
  audience: text(
    "MAPAE_AUDIENCE",
    null,
    "The `aud` of ordinary access tokens: the name of your API. Default: the issuer.",
  ),
  data: text(
    "MAPAE_DATA",
    "./data",
    "The folder for the embedded database, the generated secret and the local socket.",
  ),
  databaseUrl: discreet(
    "MAPAE_DATABASE_URL",
    "`sqlite:<file>`, `postgres://user:password@host:port/database` or `memory:`. Default: SQLite in the data folder.",
  ),
  databasePassword: secret(
    "MAPAE_DATABASE_PASSWORD",
    "The password for PostgreSQL, in the place of one in the address.",
  ),
  databaseConnections: integer(
    "MAPAE_DATABASE_CONNECTIONS",
    10,
    3,
    500,
    "How many connections to PostgreSQL this node opens at most.",
  ),
  databaseTimeout: duration(
    "MAPAE_DATABASE_TIMEOUT",
    "5s",
    "1s",
    "1m",
    "How long PostgreSQL may take for a statement, and a connection to stand; then the answer is 503.",
  ),
  databaseWait: duration(
    "MAPAE_DATABASE_WAIT",
    "30s",
    "0s",
    "1h",
    "How long a start waits for PostgreSQL that cannot be reached yet, or is starting; then it ends with code 75.",
  ),
  strategy: choice(
    "MAPAE_STRATEGY",
    "token",
    STRATEGY_NAMES,
    "Where log-ins live, and what apps carry unless they say so: see docs/strategies.md.",
  ),
  valkeyUrl: discreet(
    "MAPAE_VALKEY_URL",
    "Where sessions and limits live, in the place of the database: `redis://host:6379` or `valkey://…`, with TLS `rediss://…`, by Sentinels `redis+sentinel://host:26379,host:26379/group`.",
  ),
  valkeyPassword: secret(
    "MAPAE_VALKEY_PASSWORD",
    "The password for Valkey or Redis, in the place of one in the address.",
  ),
  valkeyPrefix: text(
    "MAPAE_VALKEY_PREFIX",
    "mapae:",
    "What every key in Valkey or Redis begins with: one of its own for each installation that shares a server.",
  ),
  valkeyWait: choice(
    "MAPAE_VALKEY_WAIT",
    "auto",
    ["auto", "0", "1", "2", "3", "4", "5"],
    "How many replicas must have a log-in before it is answered; `auto`: one where Sentinels are named, else none.",
  ),
  secret: secrets(
    "MAPAE_SECRET",
    "Wraps the keys in the database. Several, newest first: the newest wraps, all open. Default: made at the first start, in a file of its own.",
    "32 characters or more",
    (value) => value.length >= 32,
  ),
  signingAlg: choice("MAPAE_SIGNING_ALG", "ES256", ALGS, "How access tokens are signed."),
  sharedSecret: secrets(
    "MAPAE_SHARED_SECRET",
    "For HS256, HS384 and HS512: the secret that every verifier shares, newest first. Whoever holds it can impersonate anyone.",
    "base64url of 32 bytes or more (HS384: 48, HS512: 64)",
    (value) => bitsOf(value) >= 256,
  ),
  accessTtl: duration("MAPAE_ACCESS_TTL", "5m", "5s", "1d", "How long an access token lives."),
  refreshIdle: duration(
    "MAPAE_REFRESH_IDLE",
    "14d",
    "10s",
    "400d",
    "A session that is not refreshed for this long ends.",
  ),
  sessionTtl: duration(
    "MAPAE_SESSION_TTL",
    "90d",
    "10s",
    "400d",
    "A session ends this long after its log-in, however active it is.",
  ),
  refreshGrace: duration(
    "MAPAE_REFRESH_GRACE",
    "10s",
    "0s",
    "2m",
    "How long the refresh token before the current one is answered with the same successor.",
  ),
  sessionLimit: integer(
    "MAPAE_SESSION_LIMIT",
    0,
    0,
    1000,
    "How many sessions a user may have at a time; 0: any number.",
  ),
  sessionLimitAction: choice(
    "MAPAE_SESSION_LIMIT_ACTION",
    "evict",
    LIMIT_ACTIONS,
    "A log-in above the limit ends the oldest session, is refused, or asks which one ends.",
  ),
  sessionLimitPer: choice(
    "MAPAE_SESSION_LIMIT_PER",
    "user",
    LIMIT_SCOPES,
    "What the limit counts: all sessions of a user, those of a device class, or those of a client.",
  ),
  revocationLease: duration(
    "MAPAE_REVOCATION_LEASE",
    "5s",
    "1s",
    LEASE_LONGEST,
    "How long a verifier may trust its copy of the revocations after it asked: the bound on staleness, and the longest that a confirmed revocation waits.",
  ),
  lostTail: choice(
    "MAPAE_LOST_TAIL",
    "end_sessions",
    ["end_sessions", "keep_sessions"],
    "What ends, beside the epoch, when it is proven that the database lost the end of the revocation log (an older copy was put in its place): sessions and signing keys too, as by `mapae restore`, or nothing.",
  ),
  statusListTtl: duration(
    "MAPAE_STATUS_LIST_TTL",
    "0s",
    "0s",
    "1h",
    "How long a status list may be kept by who goes by it; tokens then name the list that their status is in. 0: they name none.",
  ),
  webhookRetention: duration(
    "MAPAE_WEBHOOK_RETENTION",
    "7d",
    "2d",
    "90d",
    "How long a revocation is kept for webhooks: for receivers that are away, and for replays. Nothing is kept where there is no webhook.",
  ),
  dangerouslyAllowWebhooksTo: list(
    "MAPAE_DANGEROUSLY_ALLOW_WEBHOOKS_TO",
    "Private addresses that webhooks may be sent to. Whoever may make a webhook can then send requests there, from inside your network.",
    "addresses or networks separated by commas (10.1.0.0/16, 127.0.0.1)",
    isNetwork,
  ),
  ssfRetention: duration(
    "MAPAE_SSF_RETENTION",
    "7d",
    "2d",
    "90d",
    "How long an event is kept for the streams of Shared Signals: for receivers that are away. Nothing is kept where there is no stream.",
  ),
  ssfInactivity: duration(
    "MAPAE_SSF_INACTIVITY",
    "30d",
    "1d",
    "400d",
    "An event stream whose receiver neither polled nor asked for anything for this long is paused.",
  ),
  ssfDefaultSubjects: choice(
    "MAPAE_SSF_DEFAULT_SUBJECTS",
    "ALL",
    DEFAULT_SUBJECTS,
    "Whether a new event stream is told of all users, or only of those that its receiver adds.",
  ),
  dangerouslyAllowSsfTo: list(
    "MAPAE_DANGEROUSLY_ALLOW_SSF_TO",
    "Private addresses that Shared Signals may be exchanged with: where receivers want their events pushed to, and other transmitters. Every resource server can then have events sent there, from inside your network.",
    "addresses or networks separated by commas (10.1.0.0/16, 127.0.0.1)",
    isNetwork,
  ),
  feedConnections: integer(
    "MAPAE_FEED_CONNECTIONS",
    5000,
    1,
    100_000,
    "How many verifiers may follow the revocations over a stream at a time.",
  ),
  keyRotation: duration(
    "MAPAE_KEY_ROTATION",
    "30d",
    "0s",
    "400d",
    "How long a signing key signs before the next one takes over; 0: until an operator rotates.",
  ),
  signup: choice("MAPAE_SIGNUP", "open", ["open", "closed"], "Whether anyone may sign up."),
  passwordMinLength: integer(
    "MAPAE_PASSWORD_MIN_LENGTH",
    8,
    8,
    64,
    "The shortest password accepted, in characters. 15 is recommended where it is the only factor.",
  ),
  passwordWords: list(
    "MAPAE_PASSWORD_WORDS",
    "Words that no password may contain: your product, company, team. The issuer's host name counts too.",
    "words separated by commas",
    (word) => /^.{2,64}$/u.test(word),
  ),
  passwordDenylist: text(
    "MAPAE_PASSWORD_DENYLIST",
    null,
    "A file of further refused passwords, one a line, beside the list that comes along.",
  ),
  loginFloor: duration(
    "MAPAE_LOGIN_FLOOR",
    "300ms",
    "0ms",
    "5s",
    "A refused log-in is answered no sooner than this, so that its time tells nothing.",
  ),
  hashConcurrency: integer(
    "MAPAE_HASH_CONCURRENCY",
    0,
    0,
    64,
    "How many passwords are hashed at a time; 0: one less than there are cores.",
  ),
  rateLimit: choice(
    "MAPAE_RATE_LIMIT",
    "on",
    ["on", "off"],
    "`off` lifts every limit and throttle: for load tests only.",
  ),
  trustedProxies: list(
    "MAPAE_TRUSTED_PROXIES",
    "Whose X-Forwarded-For counts: addresses or networks.",
    "addresses or networks separated by commas (10.0.0.0/8, ::1)",
    isNetwork,
  ),
  corsOrigins: list(
    "MAPAE_CORS_ORIGINS",
    "Origins whose pages may call the API.",
    "origins separated by commas (https://app.example.com)",
    isWebOrigin,
  ),
  auditRetention: duration(
    "MAPAE_AUDIT_RETENTION",
    "365d",
    "1d",
    "4000d",
    "How long events of the audit log are kept.",
  ),
  sessionRetention: duration(
    "MAPAE_SESSION_RETENTION",
    "30d",
    "1h",
    "400d",
    "How long an ended session is remembered, to tell its device why.",
  ),
  metricsToken: secrets(
    "MAPAE_METRICS_TOKEN",
    "A bearer token for /metrics from other than loopback addresses.",
    "16 characters or more",
    (value) => value.length >= 16,
  ),
  logLevel: choice(
    "MAPAE_LOG_LEVEL",
    "info",
    ["debug", "info", "warn", "error", "silent"],
    "The least level that is logged.",
  ),
  shutdownDelay: duration(
    "MAPAE_SHUTDOWN_DELAY",
    "0s",
    "0s",
    "5m",
    "How long the server goes on taking requests after it was told to stop, with /readyz saying 503: as long as your load balancer needs to notice.",
  ),
  shutdownGrace: duration(
    "MAPAE_SHUTDOWN_GRACE",
    "10s",
    "0s",
    "5m",
    "How long requests under way may take to finish when the server is told to stop.",
  ),
} as const satisfies Record<string, Setting<unknown>>;

export type SettingName = keyof typeof SETTINGS;
type Value<Name extends SettingName> = (typeof SETTINGS)[Name] extends Setting<infer T> ? T : never;

/** Worked out at start where they are not set. */
type Optional =
  | "issuer"
  | "audience"
  | "databaseUrl"
  | "databasePassword"
  | "valkeyUrl"
  | "valkeyPassword"
  | "secret"
  | "sharedSecret"
  | "passwordDenylist"
  | "metricsToken";
export type Config = { readonly [Name in Exclude<SettingName, Optional>]: Value<Name> } & {
  readonly [Name in Optional]: Value<Name> | null;
};

/** Settings as texts, by their short names. */
export type ConfigInput = { readonly [Name in SettingName]?: string };
export type ConfigResult =
  | { readonly ok: true; readonly config: Config }
  | { readonly ok: false; readonly faults: readonly string[] };

/** Reads settings given by name; every fault is told, not just the first. */
export function readConfig(input: ConfigInput, label: (name: SettingName) => string = (name) => name): ConfigResult {
  const faults: string[] = [];
  const values: Partial<Record<SettingName, unknown>> = {};
  for (const name of Object.keys(SETTINGS) as SettingName[]) {
    const row: Setting<unknown> = SETTINGS[name];
    const given = input[name] ?? row.default;
    const read = given === null ? { ok: true as const, value: null } : row.read(given);
    if (read.ok) values[name] = read.value;
    else
      faults.push(`${label(name)} is ${row.secret ? "not valid" : JSON.stringify(given)}: expected ${read.expected}.`);
  }
  const config = values as Config;
  return faults.length > 0 ? { ok: false, faults } : contradictions(config, label);
}

function contradictions(config: Config, label: (name: SettingName) => string): ConfigResult {
  const faults: string[] = [];
  const shared = config.signingAlg.startsWith("HS");
  if (shared && config.sharedSecret === null) faults.push(`${config.signingAlg} needs ${label("sharedSecret")}.`);
  if (!shared && config.sharedSecret !== null) {
    faults.push(`${label("sharedSecret")} is set, but ${config.signingAlg} does not use it.`);
  }
  // RFC 7518 §3.2: at least as long as the hash.
  const bits = ALGORITHMS[config.signingAlg].minimumKeyBits ?? 0;
  if (shared && config.sharedSecret?.some((secret) => bitsOf(secret.reveal()) < bits)) {
    faults.push(`${label("sharedSecret")} is too short for ${config.signingAlg}, which needs ${bits / 8} bytes.`);
  }
  if (shared && config.statusListTtl > 0) {
    faults.push(
      `${label("statusListTtl")} is set, but ${config.signingAlg} cannot sign a status list: whoever could check it could make one.`,
    );
  }
  // Ordinary tokens go to resource servers, which could use them on the admin API.
  if (config.issuer !== null && config.audience === `${config.issuer}/admin`) {
    faults.push(`${label("audience")} is the admin API's own audience.`);
  }
  if (config.refreshIdle > config.sessionTtl) {
    faults.push(`${label("refreshIdle")} is longer than ${label("sessionTtl")}: a session would never go idle.`);
  }
  if (config.accessTtl > config.sessionTtl) faults.push(`${label("accessTtl")} is longer than ${label("sessionTtl")}.`);
  return faults.length > 0 ? { ok: false, faults } : { ok: true, config };
}

/** Reads `MAPAE_*` from an environment; a secret may stand in the file that `<name>_FILE` names. */
export function readEnvironment(env: Readonly<Record<string, string | undefined>>): ConfigResult {
  const rows = Object.entries(SETTINGS) as [SettingName, Setting<unknown>][];
  const byEnv = new Map<string, { name: SettingName; file: boolean }>();
  for (const [name, row] of rows) {
    byEnv.set(row.env, { name, file: false });
    if (row.secret) byEnv.set(`${row.env}_FILE`, { name, file: true });
  }
  const input: Partial<Record<SettingName, string>> = {};
  const faults: string[] = [];
  for (const [variable, value] of Object.entries(env)) {
    if (!variable.startsWith("MAPAE_") || value === undefined || value === "") continue;
    const known = byEnv.get(variable);
    if (known === undefined) faults.push(unknown(variable, [...byEnv.keys()]));
    else if (input[known.name] !== undefined) faults.push(`${variable} is given twice: as a value and as a file.`);
    else if (!known.file) input[known.name] = value;
    else {
      try {
        input[known.name] = readFileSync(value, "utf8").trim();
      } catch {
        faults.push(`${variable}: the file ${value} cannot be read.`);
      }
    }
  }
  const result = readConfig(input, (name) => SETTINGS[name].env);
  return faults.length === 0 ? result : { ok: false, faults: [...faults, ...(result.ok ? [] : result.faults)] };
}

function unknown(variable: string, known: readonly string[]): string {
  const near = known.map((name) => ({ name, away: distance(variable, name) })).sort((a, b) => a.away - b.away)[0];
  const hint = near !== undefined && near.away <= 4 ? ` Did you mean ${near.name}?` : "";
  return `${variable} is no setting of this server.${hint}`;
}

/** Edit distance (Levenshtein): for the one hint above. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, swap));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
