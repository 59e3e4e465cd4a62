/** The real program, killed in the middle of a delivery: nothing is lost, and only what was under way comes twice. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { documents, mapae } from "../cli/mapae.ts";
import { type Running, startLoginServer, temporaryFolder } from "../processes.ts";
import { object, PASSWORD, text } from "../stage.ts";
import { isSigned, openReceiver, type Receiver } from "./receiver.ts";

const SETTINGS = { MAPAE_DANGEROUSLY_ALLOW_WEBHOOKS_TO: "127.0.0.1", MAPAE_RATE_LIMIT: "off" };
const PATIENCE_MS = 20_000;

async function ask(server: Running, method: string, path: string, body?: unknown, token?: string): Promise<Response> {
  const headers = {
    "content-type": "application/json",
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
  };
  return fetch(`${server.url}${path}`, {
    method,
    headers,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

/** Logs in and out again; the session that ended. */
async function session(server: Running): Promise<string> {
  const made = object(
    await (await ask(server, "POST", "/v1/sessions", { identifier: "kim", password: PASSWORD })).json(),
  );
  const ended = await ask(server, "DELETE", "/v1/sessions/current", undefined, text(made.access_token));
  assert.equal(ended.status, 204);
  return text(object(made.session).id);
}

async function arrived(receiver: Receiver, subject: string): Promise<void> {
  const late = AbortSignal.timeout(PATIENCE_MS);
  while (!receiver.subjects().includes(subject)) {
    assert.ok(!late.aborted, "it arrives");
    await setTimeout(20);
  }
}

test("kill -9 in the middle of a delivery loses nothing and repeats the message that was under way", async (t) => {
  const folder = temporaryFolder((task) => t.after(task));
  const receiver = await openReceiver();
  t.after(() => receiver.close());
  let server = await startLoginServer(folder, SETTINGS);
  t.after(() => server.kill());
  assert.equal((await ask(server, "POST", "/v1/users", { identifier: "kim", password: PASSWORD })).status, 201);

  const created = await mapae(folder, ["webhooks", "create", receiver.url, "--kind", "session", "--json"], {
    settings: SETTINGS,
  });
  assert.equal(created.code, 0, created.stderr);
  const secret = text(object(documents(created)[0]).secret);

  const first = await session(server);
  await arrived(receiver, first);
  receiver.answer = "silent";
  const [second, third] = [await session(server), await session(server)];
  await arrived(receiver, second);
  await server.kill();

  receiver.answer = 204;
  const before = receiver.subjects().length;
  server = await startLoginServer(folder, SETTINGS);
  const fourth = await session(server);
  await arrived(receiver, fourth);
  assert.deepEqual(receiver.subjects().slice(before), [second, third, fourth]);
  assert.equal(receiver.subjects().filter((subject) => subject === first).length, 1);
  for (const received of receiver.received) assert.ok(isSigned(received, secret));

  const listed = await mapae(folder, ["webhooks", "list", "--json"], { settings: SETTINGS });
  const id = text(object(documents(listed)[0]).id);
  const attempts = await mapae(folder, ["webhooks", "deliveries", id, "--limit", "5", "--json"], {
    settings: SETTINGS,
  });
  assert.equal(object(documents(attempts)[0]).outcome, "delivered");
  const rotated = await mapae(folder, ["webhooks", "rotate", id, "--overlap", "1h", "--json"], { settings: SETTINGS });
  assert.match(text(object(documents(rotated)[0]).secret), /^whsec_/);
  const replayed = await mapae(folder, ["webhooks", "replay", id, "--after", "0.0"], { settings: SETTINGS });
  assert.equal(replayed.code, 0, replayed.stderr);
  const deleted = await mapae(folder, ["webhooks", "delete", id, "--yes"], { settings: SETTINGS });
  assert.equal(deleted.code, 0, deleted.stderr);
  const gone = await mapae(folder, ["webhooks", "replay", id], { settings: SETTINGS });
  assert.equal(gone.code, 3);
});
