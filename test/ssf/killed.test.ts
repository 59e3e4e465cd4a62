/** The real program, killed the moment it has acknowledged a log-out: the event is there when it is back, and the operator sees it all. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { basicAuthorization } from "../../packages/verifier/src/revocation/upstream.ts";
import { documents, mapae } from "../cli/mapae.ts";
import { type Running, startLoginServer, temporaryFolder } from "../processes.ts";
import { type Json, object, PASSWORD, text } from "../stage.ts";
import { eventOf } from "./receiver.ts";

const SETTINGS = { MAPAE_RATE_LIMIT: "off" };

async function ask(server: Running, method: string, path: string, body?: unknown, authorization = ""): Promise<Json> {
  const answer = await fetch(`${server.url}${path}`, {
    method,
    headers: { "content-type": "application/json", ...(authorization === "" ? {} : { authorization }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
  const told = await answer.text();
  return told === "" ? {} : object(JSON.parse(told));
}

const claimsOf = (set: unknown): Json =>
  object(JSON.parse(Buffer.from(text(set).split(".")[1] ?? "", "base64url").toString()));

test("kill -9 after a log-out was acknowledged loses no event, and what was acknowledged before does not come again", async (t) => {
  const folder = temporaryFolder((task) => t.after(task));
  let server = await startLoginServer(folder, SETTINGS);
  t.after(() => server.kill());
  const client = object(documents(await mapae(folder, ["clients", "create", "orders-api", "--json"]))[0]);
  const basic = basicAuthorization("orders-api", text(client.client_secret));
  const created = await ask(server, "POST", "/ssf/streams", {}, basic);
  const poll = async (more: Json = {}): Promise<Json> => {
    const { pathname } = new URL(text(object(created.delivery).endpoint_url));
    return object((await ask(server, "POST", pathname, { returnImmediately: true, ...more }, basic)).sets);
  };
  await ask(server, "POST", "/v1/users", { identifier: "kim", password: PASSWORD });
  const session = async (): Promise<string> => {
    const made = await ask(server, "POST", "/v1/sessions", { identifier: "kim", password: PASSWORD });
    await ask(server, "DELETE", "/v1/sessions/current", undefined, `Bearer ${text(made.access_token)}`);
    return text(object(made.session).id);
  };
  await session();
  const before = Object.keys(await poll());
  assert.equal(before.length, 1);
  await poll({ ack: before });

  const last = await session();
  await server.kill();
  server = await startLoginServer(folder, SETTINGS);

  const [[name, set] = ["", ""], ...none] = Object.entries(await poll());
  assert.deepEqual(none, []);
  assert.ok(!before.includes(name));
  assert.deepEqual(object(object(claimsOf(set).sub_id).session).id, last);
  assert.equal(eventOf(claimsOf(set))[0], "session-revoked");

  const [listed] = documents(await mapae(folder, ["ssf", "streams", "list", "--json"])).map(object);
  assert.deepEqual([listed?.client_id, listed?.status, listed?.method], ["orders-api", "enabled", "poll"]);
  const id = text(listed?.id);
  const set_ = await mapae(folder, ["ssf", "streams", "set", id, "--status", "paused", "--reason", "upkeep", "--json"]);
  assert.equal(set_.code, 0, set_.stderr);
  const [told] = Object.values(await poll());
  assert.deepEqual(eventOf(claimsOf(told)), ["stream-updated", { status: "paused", reason: "upkeep" }]);
  const nothing = await mapae(folder, ["ssf", "streams", "set", id]);
  assert.equal(nothing.code, 2, nothing.stderr);
  assert.equal((await mapae(folder, ["ssf", "streams", "delete", id, "--yes"])).code, 0);
  assert.equal((await mapae(folder, ["ssf", "streams", "set", id, "--naming", "email"])).code, 3);
  const again = await mapae(folder, ["ssf", "streams", "create", "orders-api", "--event", "session-revoked", "--json"]);
  assert.equal(again.code, 0, again.stderr);
  const url = "https://receiver.example/events";
  const pushed = await mapae(
    folder,
    ["ssf", "streams", "create", "orders-api", "--url", url, "--authorization-stdin"],
    {
      stdin: "Bearer x\n",
    },
  );
  assert.match(pushed.stdout, /^str_\S+ was made: its events are pushed to receiver\.example\n$/);
  const lonely = await mapae(folder, ["ssf", "streams", "create", "orders-api", "--authorization-stdin"]);
  assert.equal(lonely.code, 2);
  const stranger = await mapae(folder, ["ssf", "streams", "create", "nobody"]);
  assert.equal(stranger.code, 1);
  assert.match(stranger.stderr, /client_id: must be the id of a resource server/);
});
