/** What a server says at its start of the store that it was given, and which stores it does not take. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import {
  freePort,
  needsRedis,
  type RedisServer,
  SENTINEL_NAME,
  startRedis,
  startReplicated,
  until,
} from "../components/redis.ts";
import { environment, FLAGS, LOGIN_SERVER, startLoginServer, temporaryFolder } from "../processes.ts";

/** Starts a server that must not start. @returns what it said, and its exit code */
function refusal(settings: Readonly<Record<string, string>>): string {
  let remove = (): void => {};
  const folder = temporaryFolder((task) => {
    remove = task;
  });
  const env = environment({ MAPAE_PORT: "0", MAPAE_LOG_LEVEL: "silent", ...settings });
  const options = { cwd: folder, env, encoding: "utf8", timeout: 30_000 } as const;
  const { stderr, status } = spawnSync(process.execPath, [...FLAGS, LOGIN_SERVER, "serve"], options);
  remove();
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
  ["is full", ["maxmemory 1"], /cannot be reached: .*OOM/],
  ["wants replicas that it has not", ["min-replicas-to-write 1"], /cannot be reached: .*NOREPLICAS/],
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

test(
  "a wrong password, and a user without rights, are refused in one line that shows neither",
  needsRedis,
  async (t) => {
    const redis = await startRedis(t, {
      settings: ["user app on >right-password ~mapae:* +@all", "user reader on >right-password ~mapae:* +ping +@read"],
    });
    const as = (user: string) => redis.url.replace("//", `//${user}@`);
    const wrong = refusal({ MAPAE_VALKEY_URL: as("app"), MAPAE_VALKEY_PASSWORD: "not-the-right-one" });
    says(/does not let Mapae in: WRONGPASS/, wrong);
    assert.doesNotMatch(wrong, /not-the-right-one/);
    const without = refusal({ MAPAE_VALKEY_URL: as("reader"), MAPAE_VALKEY_PASSWORD: "right-password" });
    says(/does not let Mapae in: NOPERM/, without);
    assert.doesNotMatch(without, /right-password/);
    const folder = temporaryFolder((task) => t.after(task));
    const server = await startLoginServer(folder, {
      MAPAE_VALKEY_URL: as("app"),
      MAPAE_VALKEY_PASSWORD: "right-password",
    });
    assert.equal(await server.stop(), 0, "with the password, and rights on its own keys alone, it starts");
  },
);

test("a server of a cluster is refused in one line", needsRedis, async (t) => {
  const redis = await startRedis(t, { settings: ["cluster-enabled yes"] });
  says(/is part of a cluster, which Mapae cannot use/, refusal({ MAPAE_VALKEY_URL: redis.url }));
});

test("Sentinels that know no such group, or do not answer, are refused in one line", needsRedis, async (t) => {
  const { sentinels } = await startReplicated(t, { replicas: 0, sentinels: 1 });
  const at = `redis+sentinel://127.0.0.1:${sentinels[0]?.port}`;
  says(/cannot be reached: .*entinel/, refusal({ MAPAE_VALKEY_URL: `${at}/another` }));
  const nobody = `redis+sentinel://127.0.0.1:${await freePort()}/${SENTINEL_NAME}`;
  says(/cannot be reached: .*entinel/, refusal({ MAPAE_VALKEY_URL: nobody }));
});

test("a strategy that needs an engine which is not configured is refused in one line", () => {
  says(
    /MAPAE_STRATEGY=replicated needs Valkey or Redis, and none is configured/,
    refusal({ MAPAE_STRATEGY: "replicated" }),
  );
});

test("over TLS the certificate is checked: its signer, its name, and that there is one", needsRedis, async (t) => {
  const folder = temporaryFolder((task) => t.after(task));
  const [key, certificate] = [join(folder, "key.pem"), join(folder, "certificate.pem")];
  // It names localhost alone, and no address.
  const made = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", certificate];
  const named = ["-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
  const { status, stderr } = spawnSync("openssl", ["req", "-x509", ...made, ...named], { encoding: "utf8" });
  assert.equal(status, 0, stderr);
  const port = await freePort();
  const settings = [`tls-port ${port}`, `tls-cert-file ${certificate}`, `tls-key-file ${key}`, "tls-auth-clients no"];
  const redis = await startRedis(t, { settings });
  const trusted = `?ca=${certificate}`;
  says(
    /rediss:\/\/localhost:\d+ cannot be reached: self.signed certificate/,
    refusal({ MAPAE_VALKEY_URL: `rediss://localhost:${port}` }),
  );
  says(
    /cannot be reached: .*altnames: IP: 127\.0\.0\.1 is not in/,
    refusal({ MAPAE_VALKEY_URL: `rediss://127.0.0.1:${port}${trusted}` }),
  );
  says(/cannot be reached/, refusal({ MAPAE_VALKEY_URL: `redis://localhost:${port}` }));
  says(/cannot be reached/, refusal({ MAPAE_VALKEY_URL: `rediss://localhost:${redis.port}${trusted}` }));
  says(
    /the file .*missing\.pem \(ca\) cannot be read/,
    refusal({ MAPAE_VALKEY_URL: `rediss://localhost:${port}?ca=${join(folder, "missing.pem")}` }),
  );
  const server = await startLoginServer(
    temporaryFolder((task) => t.after(task)),
    {
      MAPAE_VALKEY_URL: `rediss://localhost:${port}${trusted}`,
    },
  );
  assert.equal(await server.stop(), 0);
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
