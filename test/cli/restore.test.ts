/** Backup and restore through the real program: what comes back, what must not, and who may not be beside it. */
import assert from "node:assert/strict";
import { existsSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { z } from "zod";
import { type Running, startLoginServer, temporaryFolder } from "../processes.ts";
import { documents, mapae } from "./mapae.ts";

const PASSWORD = "seven grey herons at noon";
const answer = z.object({ access_token: z.string(), refresh_token: z.string() });

function post(server: Running, path: string, body: object): Promise<Response> {
  const headers = { "content-type": "application/json" };
  return fetch(`${server.url}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
}

test("a backup is written while the server serves; restoring it needs the server gone, and ends every session", async (t) => {
  const folder = temporaryFolder((task) => t.after(task));
  const first = await startLoginServer(folder);
  t.after(() => first.stop());
  const create = ["users", "create", "kim@example.com", "--password-stdin"];
  assert.equal((await mapae(folder, create, { stdin: PASSWORD })).code, 0);
  const login = { identifier: "kim@example.com", password: PASSWORD };
  const tokens = answer.parse(await (await post(first, "/v1/sessions", login)).json());

  const file = join(folder, "copy.db");
  const backup = await mapae(folder, ["backup", "copy.db"]);
  assert.equal(backup.code, 0, backup.stderr);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const secret = readFileSync(join(folder, "data/secrets/mapae.secret"), "utf8").trim();
  assert.ok(!readFileSync(file).includes(secret), "the secret is not in the backup");
  assert.match(backup.stderr, /The secret is not in it.+mapae\.secret/);
  const again = await mapae(folder, ["backup", "copy.db"]);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /^mapae: .+copy\.db exists: a backup overwrites nothing\.\n$/);

  assert.equal(
    (await mapae(folder, ["users", "create", "late@example.com", "--password-stdin"], { stdin: PASSWORD })).code,
    0,
  );
  const beside = await mapae(folder, ["restore", "copy.db", "--yes"]);
  assert.equal(beside.code, 1);
  assert.match(beside.stderr, /^mapae: a server runs on this data folder: stop it first, then restore\n$/);
  assert.equal(await first.stop(), 0);

  assert.equal((await mapae(folder, ["restore", "copy.db"])).code, 2, "asks first");
  assert.equal((await mapae(folder, ["restore", "nothing.db", "--yes"])).code, 3);
  const foreign = { MAPAE_SECRET: "a-secret-that-is-not-the-one-of-the-backup" };
  const locked = await mapae(folder, ["restore", "copy.db", "--yes"], { settings: foreign });
  assert.equal(locked.code, 1);
  assert.match(locked.stderr, /^mapae: MAPAE_SECRET does not open this database/);

  const restored = await mapae(folder, ["restore", "copy.db", "--yes", "--json"]);
  assert.equal(restored.code, 0, restored.stderr);
  const told = z
    .array(z.looseObject({ sessions_ended: z.number(), replaced: z.string() }))
    .parse(documents(restored))[0];
  assert.equal(told?.sessions_ended, 1);
  assert.ok(existsSync(told?.replaced ?? ""), "the replaced database is kept");

  // On the same port, and so the same issuer: what is refused below is refused for no other reason.
  const second = await startLoginServer(folder, { MAPAE_PORT: new URL(first.url).port });
  t.after(() => second.stop());
  const users = z
    .array(z.looseObject({ identifier: z.string() }))
    .parse(documents(await mapae(folder, ["users", "list", "--json"])));
  assert.deepEqual(
    users.map(({ identifier }) => identifier),
    ["kim@example.com"],
  );
  const refreshed = await post(second, "/v1/sessions/refresh", { refresh_token: tokens.refresh_token });
  assert.equal(refreshed.status, 401, "the session of before is over");
  const me = await fetch(`${second.url}/v1/me`, { headers: { authorization: `Bearer ${tokens.access_token}` } });
  assert.equal(me.status, 401, "and so is its access token");
  assert.equal((await post(second, "/v1/sessions", login)).status, 201);
  rmSync(file);
});
