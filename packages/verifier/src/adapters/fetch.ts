/**
 * `@mapae/verifier/fetch`: for handlers that take a Request and give a Response (Deno, Bun, Workers, service workers, and
 * routers built on them).
 *
 *   const protect = bearer(verifier);
 *   export const fetch = protect(requireScope("orders:read"))((request, claims) => Response.json(ordersOf(claims.sub)));
 */
import type { Answer } from "../bearer.ts";
import type { AccessTokenClaims } from "../claims.ts";
import type { Guard } from "../guards.ts";
import type { Verifier } from "../verifier.ts";
import { type BearerOptions, createAdmission } from "./admission.ts";

/** A handler behind `protect`. What a runtime passes beside the request (an environment, a context) follows the claims. */
export type ProtectedHandler<Rest extends readonly unknown[]> = (
  request: Request,
  claims: AccessTokenClaims,
  ...rest: Rest
) => Response | Promise<Response>;

export type Protect = <Rest extends readonly unknown[]>(
  handler: ProtectedHandler<Rest>,
) => (request: Request, ...rest: Rest) => Promise<Response>;

/** @returns `protect`: takes guards, then the handler that stands behind them */
export function bearer(verifier: Verifier, options?: BearerOptions): (...guards: readonly Guard[]) => Protect {
  const admit = createAdmission(verifier, options);
  return (...guards) =>
    (handler) =>
    async (request, ...rest) => {
      const admission = await admit(authorizationIn(request.headers), guards);
      return admission.ok ? handler(request, admission.claims, ...rest) : responseOf(admission.answer);
    };
}

/** Headers joins two fields of one name with a comma, which no well-formed token has: bearer.ts refuses the pair. */
export function authorizationIn(headers: Headers): readonly string[] {
  const value = headers.get("authorization");
  return value === null ? [] : [value];
}

export function responseOf({ status, headers, problem }: Answer): Response {
  return new Response(JSON.stringify(problem), { status, headers });
}
