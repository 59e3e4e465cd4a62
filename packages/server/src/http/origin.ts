/**
 * Other origins. State-changing requests from a page of another origin are refused, log-in included (a forged log-in
 * puts a victim into the attacker's account). Whose pages may call is an allow-list, and CORS answers come from it.
 */

export interface OriginPolicy {
  /** Whether the request may change state, as far as its origin goes. */
  allows(request: Request): boolean;
  /** Headers for the answer to a request of an allowed origin. */
  headers(request: Request): Readonly<Record<string, string>>;
  /** The answer to a preflight (Fetch §3.2.2). */
  preflight(request: Request): Response;
}

export function createOriginPolicy(issuer: string, allowed: readonly string[]): OriginPolicy {
  const own = new URL(issuer).origin;
  const known = new Set(allowed);
  const corsHeaders = (request: Request): Record<string, string> => {
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
    headers: corsHeaders,
    preflight: (request) => {
      const headers: Record<string, string> = corsHeaders(request);
      if (headers["access-control-allow-origin"] !== undefined) {
        headers["access-control-allow-methods"] = "GET, POST, PATCH, DELETE";
        headers["access-control-allow-headers"] = "Authorization, Content-Type, Idempotency-Key";
        headers["access-control-max-age"] = "600";
      }
      return new Response(null, { status: 204, headers });
    },
  };
}
