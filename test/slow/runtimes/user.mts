/** What a user of the packages writes; it is compiled against the built declarations, and not run. */
import { createClient } from "@mapae/client";
import { type AccessTokenClaims, createVerifier, requireScope, TokenNotAccepted } from "@mapae/verifier";
import * as forExpress from "@mapae/verifier/express";
import * as forFastify from "@mapae/verifier/fastify";
import * as forFetch from "@mapae/verifier/fetch";
import * as forHono from "@mapae/verifier/hono";
import { verifyJws } from "@mapae/verifier/jose";
import { createTestIssuer } from "@mapae/verifier/testing";
import express from "express";
import { fastify } from "fastify";
import { Hono } from "hono";

const verifier = createVerifier({ issuer: "https://issuer.test", audience: "api" });
const verdict = verifier.verify("token");
export const outcome: string = verdict.ok ? verdict.claims.sub : verdict.code;

export const onExpress = express().get("/", forExpress.bearer(verifier)(requireScope("a")), (request, response) => {
  const claims: AccessTokenClaims = forExpress.claimsOf(request);
  response.json([claims.sub, request.claims?.sub]);
});

const app = fastify();
const protect = forFastify.bearer(app, verifier);
app.get("/", { onRequest: protect(requireScope("a")) }, (request) => forFastify.claimsOf(request).sub);

export const onHono = new Hono<{ Variables: forHono.BearerVariables }>();
onHono.get("/", forHono.bearer(verifier)(), (c) => c.text(c.get("claims").sub));

export const onFetch: (request: Request, environment: { name: string }) => Promise<Response> = forFetch.bearer(
  verifier,
)()((_request, claims, environment: { name: string }) => new Response(environment.name + claims.sub));

export const token: string = createTestIssuer().token({ roles: ["admin"] });
export const jws = verifyJws(token, () => undefined);
export const client = createClient({ server: "https://login.test" });
export const refused = (error: unknown) => error instanceof TokenNotAccepted && error.code;
