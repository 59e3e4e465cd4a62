/**
 * Other origins. State-changing requests from a page of another origin are refused, log-in included (a forged log-in
 * puts a victim into the attacker's account). Whose pages may call is an allow-list, and CORS answers come from it.
 */
import type { Incoming } from "./incoming.ts";
import type { Reply } from "./reply.ts";

export interface OriginPolicy {
  /** Whether the request may change state, as far as its origin goes. */
  allows(request: Incoming): boolean;
  /** Writes the headers for an allowed origin on a reply that does not speak of origins itself. */
  mark(request: Incoming, reply: Reply): void;
  /** The answer to a preflight (Fetch §3.2.2). */
  preflight(request: Incoming): Reply;
}

export function createOriginPolicy(issuer: string, allowed: readonly string[]): OriginPolicy {
  const own = new URL(issuer).origin;
  const known = new Set(allowed);
  const corsHeaders = (request: Incoming): Record<string, string> => {
    const origin = request.headers.get("origin");
    if (known.size === 0) return {};
    if (origin === null || !known.has(origin)) return { vary: "Origin" };
    return {
      vary: "Origin",
      "access-control-allow-origin": origin,
      "access-control-allow-credentials": "true",
      "access-control-expose-headers": "Retry-After, WWW-Authenticate, X-Request-Id",
    };
  };
  return {
    allows: (request) => {
      // Set by the browser itself; a page of this very server is never cross-origin, by whatever name it was reached.
      const site = request.headers.get("sec-fetch-site");
      if (site === "same-origin") return true;
      const origin = request.headers.get("origin");
      if (origin !== null) return origin === own || known.has(origin);
      return site === null || site === "none";
    },
    mark: (request, { headers }) => {
      if (known.size === 0 || headers["access-control-allow-origin"] !== undefined) return;
      const vary = headers.vary === undefined ? "Origin" : `${headers.vary}, Origin`;
      Object.assign(headers, corsHeaders(request), { vary });
    },
    preflight: (request) => {
      const headers: Record<string, string> = corsHeaders(request);
      if (headers["access-control-allow-origin"] !== undefined) {
        headers["access-control-allow-methods"] = "GET, POST, PUT, PATCH, DELETE";
        headers["access-control-allow-headers"] = "Authorization, Content-Type, Idempotency-Key";
        headers["access-control-max-age"] = "600";
      }
      return { status: 204, headers, cookies: [], body: null };
    },
  };
}
