/** What a load balancer's configuration is made of: which servers, where it listens, and whether browsers keep to theirs. */

export interface LbServer {
  /** A word: the routing cookie's value where there is one. */
  readonly name: string;
  readonly host: string;
  readonly port: number;
}

export interface LbPlan {
  readonly servers: readonly LbServer[];
  readonly listen: { readonly host: string; readonly port: number };
  /** PEM file of the certificate with its chain and key; `null`: TLS ends elsewhere. */
  readonly certificate: string | null;
  /** A browser is brought back to the server that it logged in at. */
  readonly sticky: boolean;
}

export type LbPlanResult =
  | { readonly ok: true; readonly plan: LbPlan }
  | { readonly ok: false; readonly message: string };

/** The routing cookie: which server, and nothing else. */
export const ROUTING_COOKIE = "mapae_server";

const NAME = /^[A-Za-z][A-Za-z0-9_-]{0,31}$/;
const HOST = /^(?:[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])$/;
/** Goes into a configuration as it is: a path, and nothing that could be read as more. */
const PATH = /^[A-Za-z0-9._/+@-]{1,400}$/;

/** @param servers `name=host:port` or `host:port`, in order */
export function planLb(given: {
  readonly servers: readonly string[];
  readonly listen: string;
  readonly certificate: string | null;
  readonly sticky: boolean;
}): LbPlanResult {
  const refuse = (message: string): LbPlanResult => ({ ok: false, message });
  const listen = placeOf(given.listen.replace(/^:/, "*:"));
  if (listen === null) return refuse(`${given.listen} is no place to listen: expected host:port, or :port.`);
  if (given.certificate !== null && !PATH.test(given.certificate)) {
    return refuse("--certificate is no path that a configuration can hold: letters, digits and . _ / + @ - only.");
  }
  if (given.servers.length === 0) return refuse("There is no server: name each with --server host:port.");
  const servers: LbServer[] = [];
  for (const [index, text] of given.servers.entries()) {
    const at = text.indexOf("=");
    const name = at < 0 ? `mapae${index + 1}` : text.slice(0, at);
    const place = placeOf(text.slice(at + 1));
    if (!NAME.test(name) || place === null || place.host === "*") {
      return refuse(`${text} is no server: expected host:port or name=host:port.`);
    }
    if (servers.some((other) => other.name === name)) return refuse(`Two servers are called ${name}.`);
    if (servers.some(({ host, port }) => host === place.host && port === place.port)) {
      return refuse(`${place.host}:${place.port} is named twice.`);
    }
    servers.push({ name, ...place });
  }
  return { ok: true, plan: { servers, listen, certificate: given.certificate, sticky: given.sticky } };
}

function placeOf(text: string): { readonly host: string; readonly port: number } | null {
  const [, host, digits] = /^(.+):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (host === undefined || port < 1 || port > 65_535) return null;
  return host === "*" || HOST.test(host) ? { host, port } : null;
}
