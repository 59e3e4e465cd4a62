/**
 * `@mapae/verifier/hono`.
 *
 *   const protect = bearer(verifier);
 *   const app = new Hono<{ Variables: BearerVariables }>();
 *   app.get("/orders", protect(requireScope("orders:read")), (c) => c.json(ordersOf(c.get("claims").sub)));
 */
import type { AccessTokenClaims } from "../claims.ts";
import type { Guard } from "../guards.ts";
import type { Verifier } from "../verifier.ts";
import { type BearerOptions, createAdmission } from "./admission.ts";
import { authorizationIn, responseOf } from "./fetch.ts";

/** For `new Hono<{ Variables: BearerVariables }>()`: what `c.get("claims")` gives behind `protect`. */
export interface BearerVariables {
  claims: AccessTokenClaims;
}

/** The part of Hono's context that is used. */
export interface HonoContext {
  readonly req: { readonly raw: { readonly headers: Headers } };
  set(key: "claims", value: AccessTokenClaims): void;
}

export type HonoMiddleware = (context: HonoContext, next: () => Promise<void>) => Promise<Response | undefined>;

/** @returns `protect`: makes the middleware of a route, which asks for a token and for what the guards ask */
export function bearer(verifier: Verifier, options?: BearerOptions): (...guards: readonly Guard[]) => HonoMiddleware {
  const admit = createAdmission(verifier, options);
  return (...guards) =>
    async (context, next) => {
      const admission = await admit(authorizationIn(context.req.raw.headers), guards);
      if (!admission.ok) return responseOf(admission.answer);
      context.set("claims", admission.claims);
      await next();
      return undefined;
    };
}
