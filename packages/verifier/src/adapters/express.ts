/**
 * `@mapae/verifier/express`: for Express, and for any server whose handlers take node:http's request and response.
 *
 *   const protect = bearer(verifier);
 *   app.get("/orders", protect(requireScope("orders:read")), (req, res) => res.json(ordersOf(claimsOf(req).sub)));
 *
 * The claims also stand at `req.claims`, typed for Express.
 */
import type { AccessTokenClaims } from "../claims.ts";
import type { Guard } from "../guards.ts";
import type { Verifier } from "../verifier.ts";
import { authorizationOf, type BearerOptions, createAdmission, createClaimsBook } from "./admission.ts";

declare global {
  namespace Express {
    interface Request {
      /** The claims of the request's token, behind `protect`. */
      claims?: AccessTokenClaims;
    }
  }
}

/** The part of node:http's IncomingMessage that is read. */
export interface IncomingRequest {
  readonly rawHeaders: readonly string[];
  claims?: AccessTokenClaims;
}

/** The part of node:http's ServerResponse that is used. */
export interface OutgoingResponse {
  statusCode: number;
  setHeader(name: string, value: string): unknown;
  end(body: string): unknown;
}

/** Middleware of Express; with node:http, call it and go on in `next`. */
export type Middleware = (
  request: IncomingRequest,
  response: OutgoingResponse,
  next: (fault?: unknown) => void,
) => Promise<void>;

const book = createClaimsBook();

/** The claims that `protect` found. @throws TypeError on a route without it */
export const claimsOf: (request: object) => AccessTokenClaims = book.claimsOf;

/** @returns `protect`: makes the middleware of a route, which asks for a token and for what the guards ask */
export function bearer(verifier: Verifier, options?: BearerOptions): (...guards: readonly Guard[]) => Middleware {
  const admit = createAdmission(verifier, options);
  return (...guards) =>
    async (request, response, next) => {
      try {
        const admission = await admit(authorizationOf(request.rawHeaders), guards);
        if (!admission.ok) {
          const { status, headers, problem } = admission.answer;
          response.statusCode = status;
          for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
          response.end(JSON.stringify(problem));
          return;
        }
        request.claims = admission.claims;
        book.enter(request, admission.claims);
      } catch (fault) {
        next(fault);
        return;
      }
      next();
    };
}
