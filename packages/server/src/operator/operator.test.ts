import assert from "node:assert/strict";
import { test } from "node:test";
import { z } from "zod";
import { createAddressReader } from "../http/address.ts";
import { createApp } from "../http/app.ts";
import { fromRequest } from "../http/incoming.ts";
import { createOriginPolicy } from "../http/origin.ts";
import { problem } from "../http/problem.ts";
import { noContent } from "../http/reply.ts";
import { operational } from "../http/route.ts";
import { createLogger } from "../prelude/log.ts";
import { systemWorld } from "../prelude/world.ts";
import { openServer } from "../server/server.ts";
import { readConfig } from "../settings/config.ts";
import { createOperator } from "./operator.ts";

const logger = createLogger("silent");

async function operated(t: { after(task: () => unknown): void }) {
  const read = readConfig({ databaseUrl: "memory:", logLevel: "silent", loginFloor: "0ms" });
  assert.ok(read.ok);
  const server = await openServer({ config: read.config, issuer: "http://localhost:4000", logger });
  t.after(() => server.close());
  const app = createOperator(server.operations, read.config, logger);
  const ask = async (method: string, path: string, body?: unknown) => {
    const init: RequestInit = { method };
    if (body !== undefined) {
      init.body = JSON.stringify(body);
      init.headers = { "content-type": "application/json" };
    }
    const reply = await app(fromRequest(new Request(`http://operator.invalid${path}`, init)), {});
    return { status: reply.status, body: reply.body === null ? null : (JSON.parse(String(reply.body)) as unknown) };
  };
  return { server, ask };
}

test("a route of the operator that strays into the public table stays shut", async () => {
  const stray = operational(
    { method: "GET", path: "/stray", group: "Operator", summary: "", answer: { status: 204, schema: null, says: "" } },
    async () => noContent(),
  );
  const nobody = async () => ({ ok: false, reply: problem("invalid_token") }) as const;
  const app = createApp({
    routes: [stray],
    base: "",
    authenticator: { account: nobody, admin: nobody, verifier: nobody, follower: nobody },
    origins: createOriginPolicy("http://localhost:4000", []),
    addresses: createAddressReader([]),
    metricsTokens: [],
    logger,
    world: systemWorld,
    observe: () => {},
  });
  assert.equal((await app(fromRequest(new Request("http://localhost/stray")), {})).status, 403);
});

test("the public handler has no operator routes at all", async (t) => {
  const { server } = await operated(t);
  for (const path of ["users", "server", "tokens", "imports", "backups", "pepper"]) {
    const answer = await server.handler(new Request(`http://localhost:4000/v1/operator/${path}`, { method: "POST" }));
    assert.equal(answer.status, 404, path);
  }
});

test("what the operator does stands in the audit under that name, a signed token with its jti", async (t) => {
  const { server, ask } = await operated(t);
  const made = await ask("POST", "/v1/operator/users", {
    identifier: "kim@example.com",
    password: "seven grey herons",
  });
  assert.equal(made.status, 201);
  const signed = await ask("POST", "/v1/operator/tokens", { user: "kim@example.com", ttl: 30 });
  assert.equal(signed.status, 201);
  const { jti } = z.looseObject({ jti: z.string() }).parse(signed.body);
  const { items } = await server.operations.storage.audit.list({}, { limit: 50, after: null });
  const byOperator = items.filter(({ cause }) => cause.actor.kind === "operator").map(({ name }) => name);
  assert.deepEqual(byOperator, ["token.signed", "user.created"]);
  assert.equal(items.find(({ name }) => name === "token.signed")?.detail.jti, jti);
});

test("no token is signed for the admin API, for longer than any may live, or for a user who may not log in", async (t) => {
  const { ask } = await operated(t);
  const sign = (body: object) => ask("POST", "/v1/operator/tokens", { user: "kim@example.com", ...body });
  assert.equal((await sign({})).status, 404);
  await ask("POST", "/v1/operator/users", { identifier: "kim@example.com", password: "seven grey herons" });
  assert.equal((await sign({ audience: "http://localhost:4000/admin" })).status, 422);
  assert.equal((await sign({ ttl: 301 })).status, 422);
  const found = await ask("GET", "/v1/operator/users?user=kim@example.com");
  const { user } = z.object({ user: z.looseObject({ id: z.string() }) }).parse(found.body);
  await ask("PATCH", `/v1/admin/users/${user.id}`, { state: "disabled" });
  assert.equal((await sign({})).status, 409);
});

test("of the lines of an import that name one account, the first is taken over", async (t) => {
  const { ask } = await operated(t);
  const users = [1, 2, 3].map((line) => ({ line, user: { identifier: "Kim@example.com" } }));
  const answer = await ask("POST", "/v1/operator/imports", { dry_run: false, users });
  const shape = z.object({ results: z.array(z.looseObject({ user_id: z.string().nullable() })) });
  const taken = shape.parse(answer.body).results.map(({ user_id }) => user_id !== null);
  assert.deepEqual(taken, [true, false, false]);
});

test("a line of an import with an unknown member, a future date or a bad role is refused, and says which", async (t) => {
  const { ask } = await operated(t);
  const bad = [
    { identifier: "a@example.com", passwordhash: "x" },
    { identifier: "b@example.com", created_at: "2999-01-01T00:00:00Z" },
    { identifier: "c@example.com", roles: ["No Role"] },
    { identifier: "@" },
    "d@example.com",
    null,
  ];
  const users = bad.map((user, index) => ({ line: index + 1, user }));
  const answer = await ask("POST", "/v1/operator/imports", { dry_run: true, users });
  const shape = z.object({ results: z.array(z.looseObject({ refusal: z.looseObject({ code: z.string() }) })) });
  assert.deepEqual(
    shape.parse(answer.body).results.map(({ refusal }) => refusal.code),
    [
      "validation_failed",
      "invalid_time",
      "validation_failed",
      "invalid_identifier",
      "validation_failed",
      "validation_failed",
    ],
  );
});
