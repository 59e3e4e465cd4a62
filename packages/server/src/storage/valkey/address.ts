/**
 * The address of a live store, as text, into what a connection needs. `redis` and `valkey` are the same protocol and mean
 * the same; an `s` means TLS.
 *
 *   redis://[user[:password]@]host[:6379][/database]
 *   redis+sentinel://[user[:password]@]host[:26379][,host…][/group[/database]][?sentinel_user=…&sentinel_password=…]
 *   either with ?ca=<file>: certificates to trust in the place of the system's
 *
 * Passwords are percent-encoded in an address, as in any URL, and are best given apart from it. No message shows one.
 */
import { StartRefused } from "../../prelude/fault.ts";
import { Secret } from "../../prelude/secret.ts";

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

export interface Credentials {
  readonly user: string | null;
  readonly password: Secret | null;
}

export interface ValkeyAddress {
  readonly tls: boolean;
  readonly database: number;
  readonly credentials: Credentials;
  /** One server; or the Sentinels that know which server of a group is the primary. */
  readonly at:
    | { readonly server: HostPort }
    | { readonly sentinels: readonly HostPort[]; readonly group: string; readonly credentials: Credentials };
  /** Certificates to trust in the place of the system's: a file. */
  readonly ca: string | null;
  /** For people: without credentials. */
  readonly says: string;
}

const SCHEME = /^(redis|valkey)(s?)(\+sentinel)?:\/\/([^/?#]*)(\/[^?#]*)?(\?[^#]*)?$/;
const HOST = /^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?$/;
const GROUP = /^[A-Za-z0-9._-]+$/;
/** What Sentinel's own example calls the servers that it watches. */
const DEFAULT_GROUP = "mymaster";

function refused(why: string): StartRefused {
  return new StartRefused(`MAPAE_VALKEY_URL ${why}.`);
}

function hostOf(text: string, preset: number): HostPort {
  const match = HOST.exec(text);
  const port = Number(match?.[2] ?? preset);
  if (match === null || port < 1 || port > 65_535) throw refused("names no host and port");
  return { host: (match[1] ?? "").replace(/^\[|\]$/g, ""), port };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw refused("has credentials that are not percent-encoded");
  }
}

function credentialsOf(text: string | undefined, password: Secret | null): Credentials {
  const [user = "", inAddress] = text === undefined ? [] : text.split(/:(.*)/s, 2);
  if (inAddress !== undefined && password !== null) {
    throw new StartRefused("MAPAE_VALKEY_PASSWORD is set, and MAPAE_VALKEY_URL has a password as well.");
  }
  const own = inAddress === undefined || inAddress === "" ? null : new Secret(decoded(inAddress));
  return { user: user === "" ? null : decoded(user), password: password ?? own };
}

function databaseOf(text: string | undefined): number {
  if (text === undefined || text === "") return 0;
  if (!/^\d{1,4}$/.test(text)) throw refused("has no number of a database at its end");
  return Number(text);
}

function parametersOf(query: string, known: readonly string[]): URLSearchParams {
  const given = new URLSearchParams(query);
  for (const name of given.keys())
    if (!known.includes(name)) throw refused(`has a parameter that is not known: ${name}`);
  return given;
}

/** Throws `StartRefused`. @param password given apart from the address */
export function readValkeyAddress(url: string, password: Secret | null): ValkeyAddress {
  const match = SCHEME.exec(url);
  if (match === null)
    throw refused("is no address: redis://host:6379, or redis+sentinel://host:26379,host:26379/group");
  const [, kind = "", secure = "", sentinel, authority = "", path = "", query = ""] = match;
  const parts = authority.split("@");
  const hosts = (parts.pop() ?? "").split(",");
  const credentials = credentialsOf(parts.length === 0 ? undefined : parts.join("@"), password);
  const tls = secure === "s";
  const [first = "", second, ...rest] = path.slice(1).split("/");
  if (rest.length > 0) throw refused("has a path that is too long");
  const says = `${kind}${secure}${sentinel ?? ""}://${hosts.join(",")}${path}`;
  if (sentinel === undefined) {
    if (hosts.length > 1) throw refused("names several servers: that takes Sentinels (redis+sentinel://…)");
    if (second !== undefined) throw refused("has more than a number of a database at its end");
    const ca = parametersOf(query, ["ca"]).get("ca");
    const server = hostOf(hosts[0] ?? "", 6379);
    return { tls, database: databaseOf(first), credentials, at: { server }, ca, says };
  }
  const group = first === "" ? DEFAULT_GROUP : decoded(first);
  if (!GROUP.test(group)) throw refused("has a name of a group that no Sentinel has");
  const sentinels = hosts.map((host) => hostOf(host, 26_379));
  const given = parametersOf(query, ["ca", "sentinel_user", "sentinel_password"]);
  const secret = given.get("sentinel_password");
  const own = { user: given.get("sentinel_user"), password: secret === null ? null : new Secret(secret) };
  const at = { sentinels, group, credentials: own };
  return { tls, database: databaseOf(second), credentials, at, ca: given.get("ca"), says };
}
