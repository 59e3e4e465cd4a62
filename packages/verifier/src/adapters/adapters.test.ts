/** One suite for all adapters, each in its real framework behind a real socket. */
import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import { connect } from "node:net";
import { after, describe, test } from "node:test";
import { createAdaptorServer } from "@hono/node-server";
import express from "express";
import { fastify } from "fastify";
import { Hono } from "hono";
import type { Denial } from "../bearer.ts";
import type { AccessTokenClaims } from "../claims.ts";
import { requireFreshLogin, requireRole, requireScope } from "../guards.ts";
import { createTestIssuer, TOKEN_FAULTS } from "../testing.ts";
import { createVerifier, type Verifier } from "../verifier.ts";
import type { BearerOptions } from "./admission.ts";
import * as forExpress from "./express.ts";
import * as forFastify from "./fastify.ts";
import * as forFetch from "./fetch.ts";
import * as forHono from "./hono.ts";

const ORDERS = requireScope("orders:read", "orders:list");
const ADMIN = requireRole("admin");
const FRESH = requireFreshLogin({ maxAge: 300 });

interface Listening {
  readonly port: number;
  close(): Promise<void>;
}

async function listening(server: Server): Promise<Listening> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  const close = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return { port: address.port, close };
}

/** The same routes in each framework; /forgotten asks for claims without `protect`. */
const FRAMEWORKS: Record<string, (verifier: Verifier, options: BearerOptions) => Promise<Listening>> = {
  async express(verifier, options) {
    const app = express();
    const protect = forExpress.bearer(verifier, options);
    app.get("/open", (_, response) => void response.send("open"));
    app.get("/me", protect(), (request, response) => {
      assert.equal(request.claims, forExpress.claimsOf(request));
      response.json(forExpress.claimsOf(request));
    });
    app.get("/orders", protect(ORDERS), (_, response) => void response.send("orders"));
    app.get("/admin", protect(ADMIN), (_, response) => void response.send("admin"));
    app.get("/danger", protect(FRESH, ADMIN), (_, response) => void response.send("danger"));
    app.get("/forgotten", (request, response) => void response.json(forExpress.claimsOf(request)));
    app.use((_fault: unknown, _: express.Request, response: express.Response, _next: express.NextFunction) => {
      response.status(500).send("fault");
    });
    return listening(createServer(app));
  },

  async "node:http"(verifier, options) {
    const protect = forExpress.bearer(verifier, options);
    const guards = {
      "/me": protect(),
      "/orders": protect(ORDERS),
      "/admin": protect(ADMIN),
      "/danger": protect(FRESH, ADMIN),
    };
    const server = createServer((request, response) => {
      const [path = ""] = (request.url ?? "").split("?");
      const handle = () => {
        try {
          response.end(path === "/open" ? "open" : JSON.stringify(forExpress.claimsOf(request)));
        } catch {
          response.writeHead(500).end("fault");
        }
      };
      const guard = Object.entries(guards).find(([guarded]) => guarded === path)?.[1];
      if (guard === undefined) handle();
      else void guard(request, response, handle);
    });
    return listening(server);
  },

  async fastify(verifier, options) {
    const app = fastify();
    const protect = forFastify.bearer(app, verifier, options);
    app.get("/open", () => "open");
    app.get("/me", { onRequest: protect() }, (request) => {
      assert.equal(request.getDecorator<AccessTokenClaims>("claims"), forFastify.claimsOf(request));
      return forFastify.claimsOf(request);
    });
    app.get("/orders", { onRequest: protect(ORDERS) }, () => "orders");
    app.get("/admin", { preHandler: protect(ADMIN) }, () => "admin");
    app.get("/danger", { onRequest: [protect(FRESH), protect(ADMIN)] }, () => "danger");
    app.get("/forgotten", (request) => forFastify.claimsOf(request));
    await app.listen({ port: 0, host: "127.0.0.1" });
    const [address] = app.addresses();
    assert.ok(typeof address === "object");
    return { port: address.port, close: () => app.close() };
  },

  async hono(verifier, options) {
    const app = new Hono<{ Variables: forHono.BearerVariables }>();
    const protect = forHono.bearer(verifier, options);
    app.get("/open", (c) => c.text("open"));
    app.get("/me", protect(), (c) => {
      const { sub }: AccessTokenClaims = c.get("claims");
      assert.equal(sub, c.var.claims.sub);
      return c.json(c.get("claims"));
    });
    app.use("/orders", protect(ORDERS));
    app.get("/orders", (c) => c.text("orders"));
    app.get("/admin", protect(ADMIN), (c) => c.text("admin"));
    app.get("/danger", protect(FRESH, ADMIN), (c) => c.text("danger"));
    app.get("/forgotten", (c) => c.json(c.get("claims").sub));
    app.onError((_, c) => c.text("fault", 500));
    return listening(createAdaptorServer({ fetch: app.fetch }) as Server);
  },

  async fetch(verifier, options) {
    const protect = forFetch.bearer(verifier, options);
    const routes: Record<string, (request: Request) => Response | Promise<Response>> = {
      "/open": () => new Response("open"),
      "/me": protect()((_, claims) => Response.json(claims)),
      "/orders": protect(ORDERS)(() => new Response("orders")),
      "/admin": protect(ADMIN)(() => new Response("admin")),
      "/danger": protect(FRESH, ADMIN)(() => new Response("danger")),
    };
    const handle = (request: Request) =>
      routes[new URL(request.url).pathname]?.(request) ?? new Response("no such route", { status: 500 });
    return listening(createAdaptorServer({ fetch: handle }) as Server);
  },
};

interface Reply {
  readonly status: number;
  readonly headers: Map<string, string>;
  readonly body: string;
}

/** Sends exactly these header lines: an HTTP client would tidy them up. */
function get(port: number, path: string, ...lines: string[]): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    let text = "";
    socket.setEncoding("utf8").on("data", (chunk) => {
      text += chunk;
    });
    socket.on("error", reject);
    socket.on("end", () => {
      const [head = "", ...rest] = text.split("\r\n\r\n");
      const [statusLine = "", ...fields] = head.split("\r\n");
      const headers = new Map<string, string>();
      for (const field of fields) {
        const colon = field.indexOf(":");
        const name = field.slice(0, colon).toLowerCase();
        assert.ok(!headers.has(name), `the header ${name} was sent twice`);
        headers.set(name, field.slice(colon + 1).trim());
      }
      resolve({ status: Number(statusLine.split(" ")[1]), headers, body: rest.join("\r\n\r\n") });
    });
    socket.write([`GET ${path} HTTP/1.1`, "Host: api.test", "Connection: close", ...lines, "", ""].join("\r\n"));
  });
}

/** The JSON in a body, which may come in chunks. */
function json(reply: Reply): { code?: string; sub?: string; status?: number; reason?: string } {
  const text = reply.body.slice(reply.body.indexOf("{"), reply.body.lastIndexOf("}") + 1);
  return JSON.parse(text);
}

const CHALLENGE = /^Bearer [a-z_]+="[^"\\]*"(?:, [a-z_]+="[^"\\]*")*$/;

for (const [framework, start] of Object.entries(FRAMEWORKS)) {
  describe(`the adapter for ${framework}`, async () => {
    const issuer = createTestIssuer();
    await issuer.listen();
    const verifier = createVerifier(issuer.verifierOptions);
    const denied: Denial[] = [];
    const server = await start(verifier, { onDenied: (denial) => denied.push(denial) });
    after(async () => {
      await server.close();
      verifier.close();
      await issuer.close();
    });
    const call = (path: string, token?: string) =>
      get(server.port, path, ...(token === undefined ? [] : [`Authorization: Bearer ${token}`]));

    test("leaves open routes alone, and gives a handler the claims of a good token", async () => {
      assert.equal((await call("/open")).status, 200);
      const reply = await call("/me", issuer.token({ sub: "ada" }));
      assert.equal(reply.status, 200);
      assert.equal(json(reply).sub, "ada");
    });

    test("answers a request without a token with 401 and a challenge without an error", async () => {
      const reply = await call("/me");
      assert.equal(reply.status, 401);
      assert.equal(reply.headers.get("www-authenticate"), 'Bearer realm="https://api.test"');
      assert.match(reply.headers.get("content-type") ?? "", /^application\/problem\+json(?:; charset=utf-8)?$/);
      assert.equal(reply.headers.get("cache-control"), "no-store");
      assert.equal(json(reply).code, "missing_token");
      assert.equal(json(reply).status, 401);
    });

    test("takes the token from the header only, whatever the query says", async () => {
      const reply = await call(`/me?access_token=${issuer.token()}`);
      assert.equal(reply.status, 401);
      assert.equal((await get(server.port, "/me", "Authorization: Basic dTpw")).status, 401);
    });

    for (const fault of TOKEN_FAULTS) {
      test(`answers a token with the fault ${fault} with 401 invalid_token, and tells the log which it was`, async () => {
        denied.length = 0;
        const reply = await call("/me", issuer.tokenWith(fault));
        assert.equal(reply.status, 401);
        assert.match(reply.headers.get("www-authenticate") ?? "", CHALLENGE);
        assert.match(reply.headers.get("www-authenticate") ?? "", /error="invalid_token"/);
        assert.equal(json(reply).code, "invalid_token");
        assert.deepEqual(
          denied.map(({ code }) => code),
          [fault],
        );
      });
    }

    test("refuses a second Authorization header, also where it is the same one", async () => {
      const line = `Authorization: Bearer ${issuer.token()}`;
      for (const lines of [
        [line, line],
        [line, "authorization: Basic dTpw"],
        [line, "AUTHORIZATION: Bearer x"],
      ]) {
        const reply = await get(server.port, "/me", ...lines);
        assert.equal(reply.status, 400);
        assert.match(reply.headers.get("www-authenticate") ?? "", /error="invalid_request"/);
        assert.match(reply.headers.get("www-authenticate") ?? "", CHALLENGE);
      }
    });

    test("answers a missing scope with 403 and the scope that would do", async () => {
      const reply = await call("/orders", issuer.token({ scope: "orders:read" }));
      assert.equal(reply.status, 403);
      assert.match(
        reply.headers.get("www-authenticate") ?? "",
        /error="insufficient_scope".*scope="orders:read orders:list"/,
      );
      assert.match(reply.headers.get("www-authenticate") ?? "", CHALLENGE);
      assert.equal((await call("/orders", issuer.token({ scope: "orders:list orders:read" }))).status, 200);
    });

    test("answers a missing role with 403", async () => {
      const reply = await call("/admin", issuer.token({ roles: ["user"] }));
      assert.equal(reply.status, 403);
      assert.equal(json(reply).code, "insufficient_role");
      assert.equal((await call("/admin", issuer.token({ roles: ["admin"] }))).status, 200);
    });

    test("asks for a new login where the last one is too long ago, and for the role where it is not", async () => {
      const now = Math.floor(Date.now() / 1000);
      const reply = await call("/danger", issuer.token({ auth_time: now - 1_000, roles: ["admin"] }));
      assert.equal(reply.status, 401);
      const challenge = reply.headers.get("www-authenticate") ?? "";
      assert.match(challenge, CHALLENGE);
      assert.match(challenge, /error="insufficient_user_authentication".*max_age="300"/);
      assert.equal((await call("/danger", issuer.token({ auth_time: now }))).status, 403);
      assert.equal((await call("/danger", issuer.token({ auth_time: now, roles: ["admin"] }))).status, 200);
    });

    test("does not let a handler read claims on a route that was left unprotected", async () => {
      assert.equal((await call("/forgotten", issuer.token())).status, 500);
    });

    test("answers a revoked token with 401 and the reason, and what is not known as each route's protect says", async () => {
      const own = createTestIssuer({ lease: 0.4 });
      await own.listen();
      const { credentials } = own.feedOptions;
      const following = createVerifier({
        ...own.verifierOptions,
        ...(credentials === undefined ? {} : { credentials }),
        revocation: { onStale: "reject", acceptFor: 3_600 },
      });
      await following.ready();
      const strict = await start(following, {});
      const lenient = await start(following, { onStale: "accept" });
      const [good, gone] = [own.token({ sid: "s-1" }), own.token({ sid: "s-2" })];
      await own.revoke("session", "s-2", "evicted");
      const ask = (to: Listening, token: string) => get(to.port, "/me", `Authorization: Bearer ${token}`);
      const revoked = await ask(strict, gone);
      assert.equal(revoked.status, 401);
      assert.match(revoked.headers.get("www-authenticate") ?? "", /error="invalid_token"/);
      assert.deepEqual([json(revoked).code, json(revoked).reason], ["token_revoked", "evicted"]);
      assert.equal((await ask(strict, good)).status, 200);
      own.outage(true);
      while (following.status()?.trust === "live") await new Promise((resolve) => setTimeout(resolve, 5));
      const unknown = await ask(strict, good);
      assert.equal(unknown.status, 503);
      assert.match(unknown.headers.get("retry-after") ?? "", /^\d+$/);
      assert.equal(unknown.headers.has("www-authenticate"), false);
      assert.equal((await ask(lenient, good)).status, 200);
      assert.equal((await ask(strict, gone)).status, 401);
      assert.equal((await ask(lenient, gone)).status, 401);
      await strict.close();
      await lenient.close();
      following.close();
      await own.close();
    });

    test("answers an outage of the issuer with 503 and Retry-After, and never with a challenge", async () => {
      issuer.outage(true);
      issuer.rotate();
      const cold = createVerifier(issuer.verifierOptions);
      const other = await start(cold, { realm: "orders" });
      const reply = await get(other.port, "/me", `Authorization: Bearer ${issuer.token()}`);
      assert.equal(reply.status, 503);
      assert.match(reply.headers.get("retry-after") ?? "", /^\d+$/);
      assert.equal(reply.headers.has("www-authenticate"), false);
      assert.equal(json(reply).code, "unavailable");
      const without = await get(other.port, "/me");
      assert.equal(without.headers.get("www-authenticate"), 'Bearer realm="orders"');
      await other.close();
      cold.close();
      issuer.outage(false);
    });
  });
}

test("an adapter refuses options that it does not have, and policies that its verifier does not have", async () => {
  const verifier = createVerifier(createTestIssuer().verifierOptions);
  assert.throws(() => Reflect.apply(forFetch.bearer, undefined, [verifier, { relam: "x" }]), TypeError);
  assert.throws(() => forFetch.bearer(verifier, { onStale: "reject" }), TypeError);
  const issuer = createTestIssuer();
  await issuer.listen();
  const following = createVerifier({ ...issuer.verifierOptions, ...issuer.feedOptions });
  forFetch.bearer(following, { onStale: "introspect" });
  assert.throws(() => forFetch.bearer(following, { onStale: "accept" }), /acceptFor/);
  following.close();
  await issuer.close();
});
