/**
 * A `postgres://` address as what the driver connects with.
 *
 *   postgres://user:password@host:port/database?sslmode=…&sslrootcert=…
 *
 * Over a network the connection is encrypted and the server's name and certificate are checked, unless the address says
 * otherwise. libpq's modes that look encrypted and check nothing (`require`), or fall back to plain text (`prefer`), are
 * not what anyone means: `require` is taken as `verify-full`, the others are refused.
 */
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import type { ConnectionOptions } from "node:tls";
import type { ClientConfig } from "pg";
import { StartRefused } from "../../prelude/fault.ts";
import type { Secret } from "../../prelude/secret.ts";

export interface Address {
  readonly client: ClientConfig;
  /** `host:port/database`: for people, without a password. */
  readonly says: string;
  /** What an operator should know of it. */
  readonly warning: string | null;
}

const TLS_MODES = {
  "verify-full": "checked",
  "verify-ca": "checked",
  require: "checked",
  disable: "none",
  "dangerously-disable": "none",
  "dangerously-no-verify": "unchecked",
} as const;
type TlsMode = keyof typeof TLS_MODES;

const PARAMETERS = ["sslmode", "sslrootcert", "sslcert", "sslkey", "application_name", "options", "host"];
const PORT = 5432;

class AddressFault extends Error {
  override readonly name = "AddressFault";
}

function refuse(why: string): never {
  throw new AddressFault(why);
}

function fileOf(parameter: string, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return refuse(`the file ${path} (${parameter}) cannot be read`);
  }
}

function isLocal(host: string): boolean {
  return (
    host.startsWith("/") || host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."))
  );
}

function tlsOf(query: URLSearchParams, mode: TlsMode): false | ConnectionOptions {
  const kind = TLS_MODES[mode];
  if (kind === "none") return false;
  const [root, certificate, key] = [query.get("sslrootcert"), query.get("sslcert"), query.get("sslkey")];
  return {
    rejectUnauthorized: kind === "checked",
    ...(root !== null && root !== "system" && { ca: fileOf("sslrootcert", root) }),
    ...(certificate !== null && { cert: fileOf("sslcert", certificate) }),
    ...(key !== null && { key: fileOf("sslkey", key) }),
  };
}

function modeOf(query: URLSearchParams, host: string): TlsMode {
  const asked = query.get("sslmode");
  if (asked === null) return isLocal(host) ? "disable" : "verify-full";
  if (asked === "disable" && !isLocal(host)) {
    return refuse(
      "sslmode=disable is for this machine alone: over a network it is sslmode=dangerously-disable, and whoever listens reads everything",
    );
  }
  if (asked in TLS_MODES) return asked as TlsMode;
  const modes = "verify-full, dangerously-no-verify (encrypted, with anybody), or dangerously-disable (not encrypted)";
  return refuse(`sslmode=${asked} is not offered: use ${modes}`);
}

function warningOf(mode: TlsMode, host: string, says: string): string | null {
  if (mode === "dangerously-no-verify") {
    return `sslmode=dangerously-no-verify: whoever stands between here and ${says} can read and change everything`;
  }
  if (mode === "dangerously-disable" && !isLocal(host))
    return `sslmode=dangerously-disable: what goes to ${says} is not encrypted`;
  return null;
}

/**
 * Reads an address. Throws `StartRefused` with one line that never holds the password.
 * @param password in the place of the address's own
 * @param named where the address was given
 */
export function readAddress(text: string, password: Secret | null, named = "MAPAE_DATABASE_URL"): Address {
  try {
    return addressOf(text, password);
  } catch (error) {
    if (error instanceof AddressFault) throw new StartRefused(`${named}: ${error.message}.`);
    throw error;
  }
}

function addressOf(text: string, password: Secret | null): Address {
  if (!URL.canParse(text)) {
    return refuse("not an address of the form postgres://user:password@host:port/database (special characters as %XX)");
  }
  const url = new URL(text);
  const query = url.searchParams;
  const unknown = [...query.keys()].find((name) => !PARAMETERS.includes(name));
  if (unknown !== undefined) refuse(`the parameter ${unknown} is not known (known are ${PARAMETERS.join(", ")})`);
  const host = query.get("host") ?? decoded(url.hostname.replace(/^\[(.*)\]$/, "$1"));
  const [user, database] = [decoded(url.username), decoded(url.pathname.slice(1))];
  if (host === "") refuse("it names no host");
  if (database === "") refuse("it names no database");
  if (user === "") refuse("it names no user");
  if (url.password !== "" && password !== null) refuse("it holds a password, and MAPAE_DATABASE_PASSWORD is set too");
  const given = password ?? (url.password === "" ? null : decoded(url.password));
  const port = url.port === "" ? PORT : Number(url.port);
  const says = host.startsWith("/") ? `${host}:${port}/${database}` : `${url.host}/${database}`;
  const mode = modeOf(query, host);
  const options = query.get("options");
  return {
    says,
    warning: warningOf(mode, host, says),
    client: {
      ...{ host, port, user, database },
      // As a function, which prints as nothing.
      password: () => (typeof given === "string" ? given : (given?.reveal() ?? "")),
      ssl: tlsOf(query, mode),
      application_name: query.get("application_name") ?? "mapae",
      ...(options !== null && { options }),
    },
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return refuse("a % in it does not begin a code of two digits");
  }
}
