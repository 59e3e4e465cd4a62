/**
 * An API on another server. It trusts what the login server issued and asks it nothing: it holds the public keys
 * (fetched once, then kept), or with HS256 the shared secret, and no session, no user table, no connection.
 *
 *   request ──► Authorization: Bearer … ──► verifier (in this process) ──► guards ──► SELECT … WHERE user = claims.sub
 *
 * Environment, all optional: API_PORT 4001, ISSUER http://localhost:4000, AUDIENCE (the issuer), JWKS_URL (the issuer's);
 * or, in place of JWKS_URL, SHARED_SECRET_FILE: the file that holds the login server's MAPAE_SHARED_SECRET.
 */
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createVerifier, type KeysOption, requireFreshLogin, requireRole, requireScope } from "@mapae/verifier";
import { bearer, claimsOf } from "@mapae/verifier/express";
import express from "express";
import { openOrders } from "./orders.ts";

const { API_PORT = "4001", ISSUER = "http://localhost:4000", AUDIENCE = ISSUER } = process.env;
const { JWKS_URL = `${ISSUER}/.well-known/jwks.json`, SHARED_SECRET_FILE } = process.env;

function keys(): KeysOption {
  if (SHARED_SECRET_FILE === undefined) return { jwksUri: JWKS_URL };
  // The newest stands first. Whoever holds it can sign as well as verify: that is the price of HS256.
  const newest =
    readFileSync(SHARED_SECRET_FILE, "utf8")
      .trim()
      .split(/[,\s]+/)[0] ?? "";
  return { secret: Buffer.from(newest, "base64url"), alg: "HS256" };
}

const verifier = createVerifier({ issuer: ISSUER, audience: AUDIENCE, keys: keys() });
const protect = bearer(verifier, {
  // The client is told that its token is of no use; this log is told why. Neither sees the token.
  onDenied: ({ code, message }) => console.error(`denied: ${code}: ${message}`),
});

const orders = openOrders();
const app = express();
app.disable("x-powered-by");

app.get("/orders", protect(requireScope("account")), (request, response) => {
  response.json({ orders: orders.of(claimsOf(request).sub) });
});

app.post("/orders", protect(requireScope("account")), express.json(), (request, response) => {
  const item: unknown = request.body?.item;
  if (typeof item !== "string" || item === "" || item.length > 200) {
    response.status(422).json({ code: "validation_failed", detail: "item must be a text of 1 to 200 characters." });
    return;
  }
  response.status(201).json({ order: orders.add(claimsOf(request).sub, item) });
});

/** Only soon after a log-in: a token that was renewed for weeks is not enough. */
app.delete("/orders/:id", protect(requireFreshLogin({ maxAge: 600 })), (request, response) => {
  const removed = orders.remove(claimsOf(request).sub, Number(request.params.id));
  response.status(removed ? 204 : 404).end();
});

app.get("/reports", protect(requireRole("manager")), (_request, response) => {
  response.json({ orders: orders.count() });
});

app.get("/exports", protect(requireScope("orders:export")), (request, response) => {
  response.type("text/csv").send(
    orders
      .of(claimsOf(request).sub)
      .map(({ id, item }) => `${id},${JSON.stringify(item)}\n`)
      .join(""),
  );
});

// Without keys every answer would be 503 "try again": better to say so now. The verifier goes on trying by itself.
await verifier.ready().catch((fault: Error) => console.error(`No keys yet: ${fault.message}`));
const server = app.listen(Number(API_PORT), "127.0.0.1", () => {
  const { port } = server.address() as AddressInfo;
  console.error(`Orders API ready at http://localhost:${port}, trusting ${ISSUER}`);
});
process.once("SIGTERM", () => {
  verifier.close();
  server.close();
});
