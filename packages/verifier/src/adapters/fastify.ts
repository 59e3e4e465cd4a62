/**
 * `@mapae/verifier/fastify`.
 *
 *   const protect = bearer(app, verifier);
 *   app.get("/orders", { onRequest: protect(requireScope("orders:read")) }, (request) => ordersOf(claimsOf(request).sub));
 *
 * `onRequest` runs before the body is read, so a request without a token costs no parsing. The claims also stand at the
 * decorator `claims`: `request.getDecorator<AccessTokenClaims>("claims")`.
 */
import type { AccessTokenClaims } from "../claims.ts";
import type { Guard } from "../guards.ts";
import type { Verifier } from "../verifier.ts";
import { authorizationOf, type BearerOptions, createAdmission, createClaimsBook } from "./admission.ts";

/** The part of a Fastify instance that is used. */
export interface FastifyApp {
  hasRequestDecorator(name: string): boolean;
  decorateRequest(name: string, value: null): unknown;
}

/** The part of Fastify's request that is read. */
export interface FastifyRequestLike {
  readonly raw: { readonly rawHeaders: readonly string[] };
}

/** The part of Fastify's reply that is used. */
export interface FastifyReplyLike {
  code(status: number): unknown;
  headers(values: Record<string, string>): unknown;
  send(body: string): unknown;
}

/** A hook for `onRequest` or `preHandler`. */
export type Hook = (request: FastifyRequestLike, reply: FastifyReplyLike) => Promise<unknown>;

const book = createClaimsBook();

/** The claims that `protect` found. @throws TypeError on a route without it */
export const claimsOf: (request: object) => AccessTokenClaims = book.claimsOf;

/** @returns `protect`: makes the hook of a route, which asks for a token and for what the guards ask */
export function bearer(
  app: FastifyApp,
  verifier: Verifier,
  options?: BearerOptions,
): (...guards: readonly Guard[]) => Hook {
  const admit = createAdmission(verifier, options);
  if (!app.hasRequestDecorator("claims")) app.decorateRequest("claims", null);
  return (...guards) =>
    async (request, reply) => {
      const admission = await admit(authorizationOf(request.raw.rawHeaders), guards);
      if (admission.ok) {
        Object.assign(request, { claims: admission.claims });
        book.enter(request, admission.claims);
        return undefined;
      }
      const { status, headers, problem } = admission.answer;
      reply.code(status);
      reply.headers({ ...headers });
      reply.send(JSON.stringify(problem));
      // Fastify's way to end a request in an asynchronous hook.
      return reply;
    };
}
