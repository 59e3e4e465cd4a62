/**
 * What a route asks beyond a good token, as the proxy's configuration writes it into the query of the address that it
 * calls: `/verify?scope=orders:read&role=admin&max_age=300`. The query and not a header, because the proxy passes the
 * client's headers on: whoever could choose the requirements could choose none.
 *
 * A query that is not understood opens nothing: it answers a fault, which no proxy takes for a yes.
 */
import { type Guard, requireFreshLogin, requireRole, requireScope, type StalePolicy } from "@mapae/verifier";

export interface Requirements {
  readonly guards: readonly Guard[];
  /** A request without an Authorization header passes, as nobody. */
  readonly anonymous: boolean;
  readonly onStale: StalePolicy | undefined;
}

/** What is asked of every request, whatever its query. */
export interface Always {
  readonly scope: readonly string[];
  readonly role: readonly string[];
}

export type Read =
  | { readonly ok: true; readonly requirements: Requirements }
  | { readonly ok: false; readonly fault: string };

/** A configuration has few queries; whoever sends others does not fill the memory with them. */
const REMEMBERED = 256;

/** @param stalePolicies what the verifier can do for a route while its knowledge is stale */
export function createReader(always: Always, stalePolicies: readonly StalePolicy[]): (query: string) => Read {
  const known = new Map<string, Read>();
  return (query) => {
    const found = known.get(query);
    if (found !== undefined) return found;
    const read = readQuery(query, always, stalePolicies);
    if (known.size < REMEMBERED) known.set(query, read);
    return read;
  };
}

const fault = (text: string): Read => ({ ok: false, fault: text });

function readQuery(query: string, always: Always, stalePolicies: readonly StalePolicy[]): Read {
  const parameters = new URLSearchParams(query);
  const given = { scope: [...always.scope], role: [...always.role] };
  const once = new Map<string, string>();
  for (const [name, value] of parameters) {
    // A template whose variable was empty must not open the route.
    if (value === "") return fault(`${name} is empty`);
    // RFC 6749 §3.3: scopes are separated by spaces.
    if (name === "scope") given.scope.push(...value.split(" ").filter((scope) => scope !== ""));
    else if (name === "role") given.role.push(value);
    else if (!["max_age", "token", "on_stale"].includes(name)) return fault("there is a parameter of another name");
    else if (once.has(name)) return fault(`${name} stands twice`);
    else once.set(name, value);
  }
  const token = once.get("token") ?? "required";
  if (token !== "required" && token !== "optional") return fault("token is required or optional");
  const stale = once.get("on_stale");
  const onStale = stalePolicies.find((policy) => policy === stale);
  if (stale !== undefined && onStale === undefined) return fault("on_stale is none that this gate has");
  const guards: Guard[] = [];
  try {
    if (parameters.has("scope") || given.scope.length > 0) guards.push(requireScope(...given.scope));
    if (given.role.length > 0) guards.push(requireRole(...given.role));
    const age = once.get("max_age");
    if (age !== undefined) guards.push(requireFreshLogin({ maxAge: /^\d{1,9}$/.test(age) ? Number(age) : Number.NaN }));
  } catch (error) {
    return fault(error instanceof Error ? error.message : String(error));
  }
  return { ok: true, requirements: { guards, anonymous: token === "optional", onStale } };
}
