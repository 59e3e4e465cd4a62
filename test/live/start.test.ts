/** What a server says at its start of the store that it was given, and which stores it does not take. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { freePort, needsRedis, type RedisServer, startRedis, until } from "../components/redis.ts";
import { environment, FLAGS, LOGIN_SERVER, startLoginServer, temporaryFolder } from "../processes.ts";

/** Starts a server that must not start. @returns what it said, and its exit code */
function refusal(settings: Readonly<Record<string, string>>): string {
  const folder = temporaryFolder((task) => process.once("exit", task));
  const env = environment({ MAPAE_PORT: "0", MAPAE_LOG_LEVEL: "silent", ...settings });
  const options = { cwd: folder, env, encoding: "utf8", timeout: 30_000 } as const;
  const { stderr, status } = spawnSync(process.execPath, [...FLAGS, LOGIN_SERVER, "serve"], options);
  assert.equal(status, 1, stderr);
  return stderr;
}

const says = (line: RegExp, text: string) => {
  assert.match(text, line);
  assert.equal(text.trim().split("\n").length, 1, `one clear line, and not:\n${text}`);
};

test("a server whose sessions are in Redis says where they are and what could be lost", needsRedis, async (t) => {
  const redis = await startRedis(t, { settings: ["appendonly no"] });
  const folder = temporaryFolder((task) => t.after(task));
  const server = await startLoginServer(folder, { MAPAE_VALKEY_URL: redis.url });
  t.after(() => server.stop());
  await until("the greeting", async () => server.told().includes("WARNING"));
  assert.match(server.told(), new RegExp(`data .*mapae\\.db, sessions at ${redis.url}`));
  assert.match(server.told(), /WARNING: the live store: it writes no append-only file/);
});

for (const [what, settings, line] of [
  [
    "drops sessions when it is full",
    ["maxmemory-policy allkeys-lru"],
    /maxmemory-policy allkeys-lru\): set it to noeviction/,
  ],
  ["wants a password", ["requirepass secret"], /does not let Mapae in: NOAUTH/],
] as const) {
  test(`a store that ${what} is refused in one line`, needsRedis, async (t) => {
    const redis = await startRedis(t);
    for (const setting of settings) await redis.ask("CONFIG", "SET", ...setting.split(" "));
    says(line, refusal({ MAPAE_VALKEY_URL: redis.url }));
  });
}

test("a replica is refused in one line", needsRedis, async (t) => {
  const primary = await startRedis(t);
  const replica = await startRedis(t, { primary });
  says(/is a replica and cannot be written/, refusal({ MAPAE_VALKEY_URL: replica.url }));
});

test("no store, a wrong address, or one beside users that do not last: one line each", async () => {
  says(
    /cannot be reached: connect ECONNREFUSED/,
    refusal({ MAPAE_VALKEY_URL: `redis://127.0.0.1:${await freePort()}` }),
  );
  says(/MAPAE_VALKEY_URL is no address/, refusal({ MAPAE_VALKEY_URL: "localhost:6379" }));
  const apart = { MAPAE_VALKEY_URL: "redis://127.0.0.1:1", MAPAE_DATABASE_URL: "memory:" };
  says(/other than memory:/, refusal(apart));
  says(/MAPAE_VALKEY_URL is not/, refusal({ MAPAE_VALKEY_PASSWORD: "secret" }));
});

test("two installations do not share a store by mistake, and do by a prefix of their own", needsRedis, async (t) => {
  const redis: RedisServer = await startRedis(t);
  const first = await startLoginServer(
    temporaryFolder((task) => t.after(task)),
    { MAPAE_VALKEY_URL: redis.url },
  );
  t.after(() => first.stop());
  const line =
    /holds the sessions of another installation under mapae:: give this one a MAPAE_VALKEY_PREFIX of its own/;
  says(line, refusal({ MAPAE_VALKEY_URL: redis.url }));
  const settings = { MAPAE_VALKEY_URL: redis.url, MAPAE_VALKEY_PREFIX: "staging:" };
  const second = await startLoginServer(
    temporaryFolder((task) => t.after(task)),
    settings,
  );
  t.after(() => second.stop());
  assert.deepEqual(((await redis.ask("KEYS", "*:id")) as string[]).sort(), ["mapae:id", "staging:id"]);
});
