/** The proof: a login server and an API in two processes, from sign-up to the end of a session. */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { startLoginServer, startOrdersApi, temporaryFolder } from "../processes.ts";

const PASSWORD = "5523 steps to the river";

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
  readonly challenge: string | null;
}

async function ask(method: string, url: string, token: string | null, body?: object): Promise<Answer> {
  const response = await fetch(url, {
    method,
    headers: {
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const type = response.headers.get("content-type") ?? "";
  const parsed = /json/.test(type) ? (JSON.parse(text) as Record<string, unknown>) : {};
  return { status: response.status, body: parsed, challenge: response.headers.get("www-authenticate") };
}

interface Device {
  readonly session: string;
  readonly access: string;
  readonly refresh: string;
}

async function logIn(server: string, identifier: string, name: string): Promise<Device> {
  const { status, body } = await ask("POST", `${server}/v1/sessions`, null, {
    identifier,
    password: PASSWORD,
    device: { name },
  });
  assert.equal(status, 201);
  const session = body.session as { id: string };
  return { session: session.id, access: String(body.access_token), refresh: String(body.refresh_token) };
}

async function signUp(server: string, identifier: string): Promise<string> {
  const { status, body } = await ask("POST", `${server}/v1/users`, null, { identifier, password: PASSWORD });
  assert.equal(status, 201);
  return (body.user as { id: string }).id;
}

const refused = (answer: Answer, status: number, code: string) => {
  assert.equal(answer.status, status);
  assert.equal(answer.body.code, code);
};

test("an API that has only the public keys serves the user of the token, and goes on while the login server is away", async (t: TestContext) => {
  const folder = temporaryFolder((task) => t.after(task));
  let login = await startLoginServer(folder);
  const server = login.url;
  t.after(() => login.stop());
  const api = await startOrdersApi(folder, { ISSUER: server, JWKS_URL: `${server}/.well-known/jwks.json` });
  t.after(() => api.stop());

  await signUp(server, "kdw");
  await signUp(server, "lee");
  const phone = await logIn(server, "kdw", "Phone");
  const laptop = await logIn(server, "kdw", "Laptop");
  const other = await logIn(server, "lee", "Laptop");

  await t.test("the data is the token's user's, whichever device it comes from", async () => {
    assert.equal((await ask("POST", `${api.url}/orders`, phone.access, { item: "tteokbokki" })).status, 201);
    const seen = await ask("GET", `${api.url}/orders`, laptop.access);
    assert.deepEqual(seen.body, { orders: [{ id: 1, item: "tteokbokki" }] });
    assert.deepEqual((await ask("GET", `${api.url}/orders`, other.access)).body, { orders: [] });
    refused(await ask("DELETE", `${api.url}/orders/1`, null), 401, "missing_token");
    assert.equal((await ask("DELETE", `${api.url}/orders/1`, other.access)).status, 404);
    assert.equal((await ask("DELETE", `${api.url}/orders/1`, laptop.access)).status, 204);
  });

  await t.test("what a token is not enough for is refused with its code", async () => {
    refused(await ask("GET", `${api.url}/reports`, phone.access), 403, "insufficient_role");
    const scope = await ask("GET", `${api.url}/exports`, phone.access);
    refused(scope, 403, "insufficient_scope");
    assert.match(scope.challenge ?? "", /error="insufficient_scope".*scope="orders:export"/);
    refused(await ask("GET", `${api.url}/orders`, `${phone.access.slice(0, -4)}AAAA`), 401, "invalid_token");
    refused(await ask("GET", `${api.url}/orders`, phone.refresh), 401, "invalid_token");
  });

  await t.test("tokens are verified while the login server is stopped", async () => {
    assert.equal(await login.stop(), 0);
    await assert.rejects(fetch(`${server}/healthz`));
    assert.equal((await ask("GET", `${api.url}/orders`, phone.access)).status, 200);
    refused(await ask("GET", `${api.url}/orders`, `${phone.access.slice(0, -4)}AAAA`), 401, "invalid_token");
    login = await startLoginServer(folder, { MAPAE_PORT: new URL(server).port });
  });

  let renewed = "";
  await t.test("after the restart the session goes on: the refresh token gives a new access token", async () => {
    const { status, body } = await ask("POST", `${server}/v1/sessions/refresh`, null, { refresh_token: phone.refresh });
    assert.equal(status, 200);
    renewed = String(body.access_token);
    assert.notEqual(renewed, phone.access);
    assert.equal((await ask("GET", `${api.url}/orders`, renewed)).status, 200);
  });

  await t.test("a device that is logged out is refused by the login server at once, and renews no more", async () => {
    assert.equal((await ask("GET", `${server}/v1/me`, renewed)).status, 200);
    assert.equal((await ask("DELETE", `${server}/v1/sessions/${phone.session}`, laptop.access)).status, 204);
    const me = await ask("GET", `${server}/v1/me`, renewed);
    refused(me, 401, "session_ended");
    assert.equal(me.body.reason, "logout");
    refused(
      await ask("POST", `${server}/v1/sessions/refresh`, null, { refresh_token: phone.refresh }),
      401,
      "session_ended",
    );
    assert.equal((await ask("GET", `${server}/v1/me`, laptop.access)).status, 200);
  });
  assert.match(api.told(), /denied: invalid_signature/);
  assert.ok(!api.told().includes(phone.access), "a token stands in the log");
});

test("an API that has only the shared secret of HS256 serves the user of the token", async (t: TestContext) => {
  const folder = temporaryFolder((task) => t.after(task));
  const secret = join(folder, "shared.secret");
  writeFileSync(secret, randomBytes(32).toString("base64url"), { mode: 0o600 });
  const login = await startLoginServer(folder, { MAPAE_SIGNING_ALG: "HS256", MAPAE_SHARED_SECRET_FILE: secret });
  t.after(() => login.stop());
  const api = await startOrdersApi(folder, { ISSUER: login.url, SHARED_SECRET_FILE: secret });
  t.after(() => api.stop());

  await signUp(login.url, "kdw");
  const phone = await logIn(login.url, "kdw", "Phone");
  const header = JSON.parse(Buffer.from(phone.access.split(".")[0] ?? "", "base64url").toString()) as { alg: string };
  assert.equal(header.alg, "HS256");
  const keys = await ask("GET", `${login.url}/.well-known/jwks.json`, null);
  assert.deepEqual(keys.body, { keys: [] }, "a shared secret is published");

  assert.equal(await login.stop(), 0);
  assert.equal((await ask("POST", `${api.url}/orders`, phone.access, { item: "gimbap" })).status, 201);
  assert.deepEqual((await ask("GET", `${api.url}/orders`, phone.access)).body, { orders: [{ id: 1, item: "gimbap" }] });
  refused(await ask("GET", `${api.url}/orders`, `${phone.access.slice(0, -4)}AAAA`), 401, "invalid_token");
});
