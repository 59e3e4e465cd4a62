/** The whole way: the login server issues, the gate follows its revocations, the proxy lets through or not. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { Jwk } from "@mapae/verifier";
import { createTestIssuer } from "@mapae/verifier/testing";
import { documents, mapae } from "../cli/mapae.ts";
import { startLoginServer, temporaryFolder } from "../processes.ts";
import { ask, bearer, freePort, programOf, seen, startApi, startGate, startProxy, untilReady } from "./stage.ts";

const PASSWORD = "5523 steps to the river";

interface LogIn {
  readonly token: string;
  readonly user: string;
  readonly session: string;
}

async function logIn(server: string): Promise<LogIn> {
  const response = await fetch(`${server}/v1/sessions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ identifier: "kdw", password: PASSWORD }),
  });
  assert.equal(response.status, 201);
  const body = (await response.json()) as { access_token: string; user: { id: string }; session: { id: string } };
  return { token: body.access_token, user: body.user.id, session: body.session.id };
}

test("the gate opens encrypted tokens with the API's key, and does not start with keys that cannot open", async (t) => {
  const folder = temporaryFolder((task) => t.after(task));
  for (const name of ["orders", "other"]) assert.equal((await mapae(folder, ["seal", "keygen", name])).code, 0);
  const { keys } = JSON.parse(readFileSync(join(folder, "orders.public"), "utf8")) as { keys: readonly Jwk[] };
  const encryption = keys.find(({ use }) => use === "enc");
  assert.ok(encryption);
  const issuer = createTestIssuer();
  await issuer.listen();
  t.after(() => issuer.close());
  const gatePort = await freePort();
  const args = ["--issuer", issuer.issuer, "--audience", issuer.audience];
  const gate = await startGate(t, gatePort, [...args, "--key-file", join(folder, "orders.private")]);
  await untilReady(gate, gatePort);
  const asked = (token: string) => ask(`http://127.0.0.1:${gatePort}/verify`, bearer(token));
  const good = await asked(await issuer.encryptedToken(encryption, { sub: "kdw" }));
  assert.deepEqual([good.status, good.headers["x-mapae-subject"]], [204, "kdw"]);
  assert.equal((await asked(issuer.token())).status, 204);
  const [other] = (
    JSON.parse(readFileSync(join(folder, "other.public"), "utf8")) as { keys: readonly Jwk[] }
  ).keys.slice(1);
  assert.ok(other);
  assert.equal((await asked(await issuer.encryptedToken(other))).status, 401);
  for (const [file, says] of [
    ["orders.public", /holds no private key/],
    ["absent", /cannot be read/],
  ] as const) {
    const ran = await mapae(folder, ["gate", ...args, "--key-file", file]);
    assert.match(ran.stderr, says);
    assert.notEqual(ran.code, 0);
  }
});

for (const name of ["nginx", "haproxy"] as const) {
  const program = programOf(name);
  const skip = program === null ? `${name} is not installed` : false;
  test(`a session that ends at the login server is refused by ${name} at once`, { skip }, async (t) => {
    if (program === null) return;
    const folder = temporaryFolder((task) => t.after(task));
    const login = await startLoginServer(folder);
    t.after(() => login.stop());
    const made = await mapae(folder, ["users", "create", "kdw", "--role", "manager", "--password-stdin"], {
      stdin: PASSWORD,
    });
    assert.equal(made.code, 0, made.stderr);
    const [client] = documents(await mapae(folder, ["clients", "create", "orders-api", "--json"]));
    const { client_secret: secret } = client as { client_secret: string };
    const file = join(folder, "client.secret");
    writeFileSync(file, secret, { mode: 0o600 });

    const gatePort = await freePort();
    const args = ["--issuer", login.url, "--audience", login.url, "--client-id", "orders-api", "--on-stale", "reject"];
    const gate = await startGate(t, gatePort, [...args, "--client-secret-file", file]);
    await untilReady(gate, gatePort);
    const api = await startApi(t);
    // The proxy runs as nobody in this folder; the server's data stays the server's.
    const apart = temporaryFolder((task) => t.after(task));
    const { url } = await startProxy(t, program, name, apart, { gate: gatePort, api: api.port });

    const phone = await logIn(login.url);
    const laptop = await logIn(login.url);
    const told = seen(await ask(`${url}/reports`, bearer(phone.token)));
    const headers = new Map(told.headers);
    assert.equal(headers.get("x-mapae-subject"), phone.user);
    assert.equal(headers.get("x-mapae-session"), phone.session);
    assert.equal(headers.get("x-mapae-roles"), "manager");

    const ended = await fetch(`${login.url}/v1/sessions/${phone.session}?wait=all`, {
      method: "DELETE",
      headers: { authorization: `Bearer ${laptop.token}` },
    });
    assert.equal(ended.status, 200, await ended.text());
    const before = api.requests;
    const refused = await ask(`${url}/reports`, bearer(phone.token));
    assert.equal(refused.status, 401);
    const { code, reason } = JSON.parse(refused.text) as { code: string; reason: string };
    assert.deepEqual([code, reason], ["token_revoked", "logout"]);
    assert.equal(api.requests, before);
    assert.equal((await ask(`${url}/reports`, bearer(laptop.token))).status, 200);
    assert.match((await ask(`http://127.0.0.1:${gatePort}/metrics`)).text, /^mapae_gate_revocation_trusted 1$/m);
  });
}
