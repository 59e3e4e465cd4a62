/**
 * A filled installation, moved under its users' feet: whoever was logged in stays logged in, whoever was out stays out, and
 * a verifier that followed the old server goes on with the new one from where it was.
 */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { createVerifier, type Verifier } from "@mapae/verifier";
import { basicAuthorization } from "../../packages/verifier/src/revocation/upstream.ts";
import { documents, mapae } from "../cli/mapae.ts";
import { type Postgres, startPostgres, withoutPostgres } from "../components/postgres.ts";
import { type Running, startLoginServer, temporaryFolder } from "../processes.ts";
import { type Answer, answerOf, list, object, PASSWORD, type Tokens, text, tokensOf } from "../stage.ts";
import { isSigned, openReceiver } from "../webhooks/receiver.ts";
import { fileIn, move, rowsOfDatabase, rowsOfFile, targetOf } from "./stage.ts";

const skip = withoutPostgres();
const SETTINGS = {
  MAPAE_DANGEROUSLY_ALLOW_WEBHOOKS_TO: "127.0.0.1",
  MAPAE_RATE_LIMIT: "off",
  MAPAE_LOGIN_FLOOR: "0",
  MAPAE_STATUS_LIST_TTL: "30s",
};
const PATIENCE_MS = 20_000;

let postgres: Postgres;
before(async () => {
  if (skip !== false) return;
  const started = await startPostgres();
  assert(started !== null);
  postgres = started;
});
after(async () => postgres?.remove());

interface Asking {
  readonly body?: unknown;
  readonly token?: string;
  readonly authorization?: string;
}

async function ask({ url }: Running, method: string, path: string, asking: Asking = {}): Promise<Answer> {
  const { body, token, authorization = token === undefined ? undefined : `Bearer ${token}` } = asking;
  const headers = { "content-type": "application/json", ...(authorization !== undefined && { authorization }) };
  return answerOf(
    await fetch(`${url}${path}`, { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) }),
  );
}

async function logIn(server: Running, identifier: string): Promise<Tokens> {
  const answer = await ask(server, "POST", "/v1/sessions", { body: { identifier, password: PASSWORD } });
  assert.equal(answer.status, 201, answer.text);
  return tokensOf(answer);
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const late = AbortSignal.timeout(PATIENCE_MS);
  while (!condition()) {
    assert.ok(!late.aborted, what);
    await setTimeout(20);
  }
}

const verdict = (verifier: Verifier, token: string): string => {
  const found = verifier.verify(token);
  return found.ok ? "ok" : found.code;
};

async function metric(server: Running, name: string): Promise<number> {
  const { text: told } = await ask(server, "GET", "/metrics");
  return Number(new RegExp(`^${name} (\\S+)$`, "m").exec(told)?.[1] ?? Number.NaN);
}

test("after the move the server on PostgreSQL goes on where the one on SQLite stopped", {
  skip,
  timeout: 180_000,
}, async (t) => {
  const folder = temporaryFolder((task) => t.after(task));
  const receiver = await openReceiver();
  t.after(() => receiver.close());
  const old = await startLoginServer(folder, SETTINGS);
  t.after(() => old.kill());
  for (const name of ["kim", "lee", "park"]) {
    assert.equal((await ask(old, "POST", "/v1/users", { body: { identifier: name, password: PASSWORD } })).status, 201);
  }
  await mapae(folder, ["users", "roles", "park", "admin"]);
  const made = object(documents(await mapae(folder, ["clients", "create", "orders-api", "--json"]))[0]);
  const credentials = { clientId: "orders-api", clientSecret: text(made.client_secret) };
  const basic = basicAuthorization(credentials.clientId, credentials.clientSecret);
  const created = await mapae(folder, ["webhooks", "create", receiver.url, "--json"], { settings: SETTINGS });
  const webhookSecret = text(object(documents(created)[0]).secret);
  const stream = await ask(old, "POST", "/ssf/streams", { authorization: basic, body: {} });
  assert.equal(stream.status, 201, stream.text);
  const { pathname: poll } = new URL(text(object(stream.body.delivery).endpoint_url));

  const verifier = createVerifier({
    issuer: old.url,
    audience: old.url,
    credentials,
    revocation: { onStale: "reject" },
  });
  t.after(() => verifier.close());
  await verifier.ready();

  const [staying, leaving, rotated, others] = [
    await logIn(old, "kim"),
    await logIn(old, "kim"),
    await logIn(old, "lee"),
    await logIn(old, "lee"),
  ];
  const body = { refresh_token: rotated.refresh };
  const renewed = await ask(old, "POST", "/v1/sessions/refresh", { body });
  assert.equal(renewed.status, 200);
  assert.equal((await ask(old, "DELETE", "/v1/sessions/current", { token: leaving.access })).status, 204);
  await until(() => verdict(verifier, leaving.access) === "token_revoked", "the verifier hears of it");
  await until(() => receiver.subjects().includes(leaving.session), "the webhook hears of it");
  assert.equal(verdict(verifier, staying.access), "ok");
  const position = verifier.status()?.position;
  assert.equal(await old.stop(), 0);

  const target = targetOf(await postgres.database());
  const moved = await move(folder, target, "--json");
  assert.equal(moved.code, 0, moved.stderr);
  assert.deepEqual(await rowsOfDatabase(target.url), rowsOfFile(fileIn(folder)));

  const mistaken = await mapae(folder, ["serve"]);
  assert.equal(mistaken.code, 1);
  assert.match(
    mistaken.stderr,
    /^mapae: What was in .+mapae\.db was moved to PostgreSQL at .+: set MAPAE_DATABASE_URL .+\n$/,
  );

  const settings = { ...SETTINGS, ...target.serving, MAPAE_PORT: new URL(old.url).port };
  const server = await startLoginServer(folder, settings);
  t.after(() => server.stop());
  assert.equal(server.url, old.url);

  // Whoever was in is in, whoever was out is out.
  assert.equal((await ask(server, "GET", "/v1/me", { token: staying.access })).status, 200);
  assert.equal((await ask(server, "GET", "/v1/me", { token: leaving.access })).status, 401);
  for (const [refresh, status] of [
    [staying.refresh, 200],
    [leaving.refresh, 401],
    [text(renewed.body.refresh_token), 200],
    [others.refresh, 200],
  ] as const) {
    const answer = await ask(server, "POST", "/v1/sessions/refresh", { body: { refresh_token: refresh } });
    assert.equal(answer.status, status, answer.text);
  }
  // A token that was spent before the move is a theft after it.
  const replayed = await ask(server, "POST", "/v1/sessions/refresh", { body });
  assert.equal(replayed.status, 401, replayed.text);

  // The verifier goes on from the position it had: no snapshot, no resync, and what it knew it knows.
  await until(() => verifier.status()?.trust === "live" && verifier.status()?.via === "stream", "a lease");
  assert.equal(await metric(server, "mapae_feed_snapshots_total"), 0);
  assert.equal(await metric(server, "mapae_feed_resyncs_total"), 0);
  assert.equal(verdict(verifier, leaving.access), "token_revoked");
  assert.equal(verdict(verifier, staying.access), "ok");
  const [epoch, seq] = (position ?? "").split(".");
  const ended = await ask(server, "DELETE", "/v1/sessions?wait=all", { token: staying.access });
  assert.ok(ended.status < 300, ended.text);
  assert.equal(verdict(verifier, staying.access), "token_revoked");
  const later = (verifier.status()?.position ?? "").split(".");
  assert.equal(later[0], epoch);
  assert.ok(Number(later[1]) > Number(seq));

  // What is told to others goes on too, without a repetition.
  await until(() => receiver.subjects().includes(staying.user), "the webhook goes on");
  assert.equal(receiver.subjects().filter((subject) => subject === leaving.session).length, 1);
  for (const received of receiver.received) assert.ok(isSigned(received, webhookSecret));
  const sets = await ask(server, "POST", poll, { authorization: basic, body: { returnImmediately: true } });
  assert.ok(Object.keys(object(sets.body.sets)).length >= 2, "events of before and after");

  // Numbers of the audit go on, none twice.
  const admin = await logIn(server, "park");
  const refreshed = await ask(server, "POST", "/v1/sessions/refresh", {
    body: { refresh_token: admin.refresh, audience: `${server.url}/admin` },
  });
  const audit = await ask(server, "GET", "/v1/admin/audit?limit=200", { token: text(refreshed.body.access_token) });
  const ids = list(audit.body.events ?? audit.body.items).map(({ id }) => Number(id));
  assert.ok(ids.length > 10, audit.text.slice(0, 200));
  assert.equal(new Set(ids).size, ids.length);

  const back = await move(folder, target, "--undo");
  assert.equal(back.code, 1);
  assert.match(back.stderr, /a server runs on this data folder/);
});
