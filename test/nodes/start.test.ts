/** A database that cannot serve, or not for long: each is one clear line at the start of the real program, and an exit code. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { confirmationView } from "../../packages/server/src/http/api/confirmation.ts";
import { StartRefused } from "../../packages/server/src/prelude/fault.ts";
import { systemWorld, type World } from "../../packages/server/src/prelude/world.ts";
import { openPostgres } from "../../packages/server/src/storage/postgres/postgres.ts";
import { mapae } from "../cli/mapae.ts";
import { startPooler } from "../components/pooler.ts";
import { newFolder, type Postgres, runTool, startPostgres, withoutPostgres } from "../components/postgres.ts";
import { startProxy } from "../components/proxy.ts";
import { freePort, startLoginServer, temporaryFolder } from "../processes.ts";
import { eventually, nodeSettings, openNode } from "./cluster.ts";

describe("a start on PostgreSQL", { skip: withoutPostgres(), timeout: 240_000 }, () => {
  let postgres: Postgres;
  const cleaning: (() => void)[] = [];
  const folder = () => temporaryFolder((task) => cleaning.push(task));
  before(async () => {
    const started = await startPostgres({ settings: { fsync: "off" } });
    assert.ok(started !== null);
    postgres = started;
  });
  after(async () => {
    await postgres?.remove();
    for (const task of cleaning) task();
  });

  const settingsOf = (url: string) => ({
    MAPAE_DATABASE_URL: url,
    MAPAE_SECRET: "s".repeat(40),
    MAPAE_DATABASE_WAIT: "0s",
    MAPAE_DATABASE_TIMEOUT: "5s",
  });
  /** The line with which the program ends. */
  const refusal = async (url: string, code: number, settings: Record<string, string> = {}): Promise<string> => {
    const ran = await mapae(folder(), ["serve"], { settings: { ...settingsOf(url), ...settings } });
    assert.equal(ran.code, code, ran.stderr);
    const lines = ran.stderr.trim().split("\n");
    assert.equal(lines.length, 1, ran.stderr);
    assert.doesNotMatch(ran.stderr, /odd|hunter2/);
    return lines[0] ?? "";
  };
  const through = (url: string, port: number): string => url.replace(`:${postgres.port}/`, `:${port}/`);

  test("nobody there: code 75, and with patience it starts when the database does", async () => {
    const url = await postgres.database();
    assert.match(
      await refusal(through(url, await freePort()), 75),
      /^mapae: The database .* cannot be opened: the database cannot be reached \(ECONNREFUSED\)\.$/,
    );
    await postgres.stop();
    const starting = startLoginServer(folder(), { ...settingsOf(url), MAPAE_DATABASE_WAIT: "60s" });
    await new Promise((wake) => setTimeout(wake, 2_500));
    await postgres.start();
    const server = await starting;
    assert.equal((await fetch(`${server.url}/readyz`)).status, 200);
    assert.equal(await server.stop(), 0);
  });

  test("a wrong password, no such database, a user without rights", async () => {
    const url = await postgres.database();
    const wrong = url.replace(/:[^:@]+@/, ":hunter2@");
    assert.match(await refusal(wrong, 1), /the user or the password is not taken\.$/);
    assert.match(await refusal(url.replace(/\/[^/]*$/, "/nowhere"), 1), /there is no such database/);
    await postgres.query("CREATE ROLE poor LOGIN PASSWORD 'hunter2'");
    const poor = url.replace(/\/\/.*@/, "//poor:hunter2@");
    assert.match(await refusal(poor, 1), /this user may not make tables there/);
  });

  test("too old a server", async () => {
    const url = await postgres.database();
    const proxy = await startProxy(postgres.port);
    // The real one says that it is an old one.
    proxy.answers = (data) =>
      Buffer.from(
        data
          .toString("latin1")
          .replace(/\b1[4-9]00(\d\d)\b/g, "1200$1")
          .replace(/\b1[4-9]\.(\d)/g, "12.$1"),
        "latin1",
      );
    assert.match(await refusal(through(url, proxy.port), 1), /is PostgreSQL 12\.\d.*: this needs 14 or later\.$/);
    await proxy.close();
  });

  test("one that takes no writes: set to read only, or a standby", async () => {
    const url = await postgres.database();
    const name = new URL(url).pathname.slice(1);
    await postgres.query(`ALTER DATABASE ${name} SET default_transaction_read_only = on`);
    assert.match(await refusal(url, 1), /is read only \(default_transaction_read_only\)/);
    await postgres.stop();
    const signal = join(postgres.folder, "data", "standby.signal");
    writeFileSync(signal, "");
    await postgres.start();
    assert.match(await refusal(url, 1), /is a standby, which takes no writes: connect to the primary\.$/);
    await postgres.query("SELECT pg_promote()");
  });

  test("half of the tables, a newer program's, another program's", async () => {
    const url = await postgres.database();
    const server = await startLoginServer(folder(), settingsOf(url));
    assert.equal(await server.stop(), 0);
    await postgres.query("UPDATE mapae SET schema = schema + 5, oldest = oldest + 900", url);
    assert.match(await refusal(url, 1), /was written by a newer Mapae \(schema \d+; this one knows \d+\)/);
    // A newer one that this one may work beside.
    await postgres.query("UPDATE mapae SET oldest = 1", url);
    const beside = await startLoginServer(folder(), settingsOf(url));
    assert.equal(await beside.stop(), 0);
    await postgres.query("DROP TABLE webhook_attempts", url);
    assert.match(await refusal(url, 1), /holds only a part of Mapae's tables \(webhook_attempts is missing\)/);
    await postgres.query("DELETE FROM mapae", url);
    assert.match(await refusal(url, 1), /holds only a part of Mapae's tables/);
    const other = await postgres.database();
    await postgres.query("CREATE TABLE customers (id int)", other);
    assert.match(await refusal(other, 1), /holds tables of another program/);
  });

  test("a proxy that pools transactions is refused, and one that pools sessions is not noticed", async () => {
    const url = await postgres.database();
    const pooler = await startPooler(postgres.port);
    assert.match(
      await refusal(through(url, pooler.port), 1),
      /is behind a proxy that pools transactions, and this needs sessions/,
    );
    await pooler.close();
    const proxy = await startProxy(postgres.port);
    const server = await startLoginServer(folder(), settingsOf(through(url, proxy.port)));
    assert.equal(await server.stop(), 0);
    await proxy.close();
  });

  test("what a database could lose is told, and it is served", async () => {
    const url = await postgres.database();
    const server = await startLoginServer(folder(), settingsOf(url));
    const says = /^WARNING: the database has fsync=off: after a power cut/m;
    await eventually("it is told", () => says.test(server.told()));
    assert.equal(await server.stop(), 0);
  });

  test("a standby that follows asynchronously is told, and one that is waited for is not", async () => {
    const replicating = ["host replication all 127.0.0.1/32 scram-sha-256"];
    const primary = await startPostgres({ hba: replicating, settings: { fsync: "off" } });
    assert.ok(primary !== null);
    const copy = newFolder();
    const from = ["-h", "127.0.0.1", "-p", `${primary.port}`, "-U", "mapae", "-c", "fast", "-X", "stream"];
    runTool(primary.bin, "pg_basebackup", [...from, "-D", join(copy, "data"), "-R", "--no-sync"]);
    const standby = await startPostgres({ folder: copy, settings: { fsync: "off" } });
    assert.ok(standby !== null);
    const url = await primary.database();
    const follows = async (state: string) => {
      const rows = await primary.query<{ sync_state: string }>("SELECT sync_state FROM pg_stat_replication");
      return rows[0]?.sync_state === state;
    };
    await eventually("it follows", () => follows("async"));
    const warnings = async (): Promise<readonly string[]> => {
      const store = await openPostgres({ url, password: null, connections: 3, timeoutMs: 5_000 }, systemWorld);
      await store.close();
      return store.nature.warnings.filter((line) => line.includes("standby"));
    };
    assert.match((await warnings())[0] ?? "", /follows asynchronously: a failover loses the last writes/);
    const undoable = async (): Promise<unknown> => {
      const node = await openNode(nodeSettings(url));
      const { confirming } = node.server.operations;
      const told = confirmationView(await confirming.confirm("none", null), true);
      await node.close();
      return told.failover_may_undo;
    };
    assert.equal(await undoable(), true, "an answer to a revocation says so too");
    await primary.query("ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (*)'");
    await primary.query("SELECT pg_reload_conf()");
    await eventually("it is waited for", () => follows("quorum"));
    assert.deepEqual(await warnings(), []);
    assert.equal(await undoable(), undefined);
    // The standby itself is refused.
    const there = url.replace(`:${primary.port}/`, `:${standby.port}/`);
    await eventually("it has the database", async () => {
      const found = await standby.query("SELECT 1 FROM pg_database WHERE datname = 'postgres'");
      return found.length === 1;
    });
    await assert.rejects(
      openPostgres({ url: there, password: null, connections: 3, timeoutMs: 5_000 }, systemWorld),
      /is a standby, which takes no writes/,
    );
    await standby.remove();
    await primary.remove();
  });

  test("a role whose commits do not wait for the disk is made to wait", async () => {
    const url = await postgres.database();
    await postgres.query("ALTER ROLE mapae SET synchronous_commit = off");
    const store = await openPostgres({ url, password: null, connections: 3, timeoutMs: 5_000 }, systemWorld);
    const rows = await postgres.query<{ synchronous_commit: string }>("SHOW synchronous_commit", url);
    assert.equal(rows[0]?.synchronous_commit, "off");
    await store.close();
    await postgres.query("ALTER ROLE mapae RESET synchronous_commit");
  });

  test("a clock that is off is told, and refused beyond a minute", async () => {
    const url = await postgres.database();
    const off = (ms: number): World => ({
      ...systemWorld,
      clock: { now: () => systemWorld.clock.now() + ms, monotonic: () => systemWorld.clock.monotonic() },
    });
    const open = (world: World) => openPostgres({ url, password: null, connections: 3, timeoutMs: 5_000 }, world);
    for (const [ms, says] of [
      [30_000, /30\.\d s ahead of the database's/],
      [-30_000, /(29|30)\.\d s behind the database's/],
    ] as const) {
      const store = await open(off(ms));
      assert.ok(store.nature.warnings.some((line) => says.test(line)));
      await store.close();
    }
    for (const ms of [120_000, -3_600_000]) {
      await assert.rejects(open(off(ms)), (error) => error instanceof StartRefused && /NTP/.test(error.message));
    }
    const exact = await open(systemWorld);
    assert.ok(exact.nature.warnings.every((line) => !line.includes("clock")));
    await exact.close();
  });

  test("TLS: a certificate that is not known or names another host is refused, one's own authority is taken", async () => {
    const certificates = newFolder();
    cleaning.push(() => spawnSync("rm", ["-r", certificates]));
    const [key, certificate] = [join(certificates, "server.key"), join(certificates, "server.crt")];
    const made = ["-newkey", "ed25519", "-nodes", "-days", "2", "-keyout", key, "-out", certificate];
    const named = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
    const { status, stderr } = spawnSync("openssl", ["req", "-x509", ...made, ...named], { encoding: "utf8" });
    assert.equal(status, 0, stderr);
    spawnSync("chown", ["-R", "--reference", certificates, key, certificate]);
    const server = await startPostgres({
      settings: { ssl: "on", ssl_key_file: key, ssl_cert_file: certificate, fsync: "off" },
    });
    assert.ok(server !== null);
    const url = (await server.database()).replace("127.0.0.1", "localhost");
    assert.match(await refusal(`${url}?sslmode=verify-full`, 1), /cannot be reached \(DEPTH_ZERO_SELF_SIGNED_CERT\)/);
    const own = `sslrootcert=${encodeURIComponent(certificate)}`;
    const address = url.replace("localhost", "127.0.0.1");
    assert.match(await refusal(`${address}?sslmode=verify-full&${own}`, 1), /ERR_TLS_CERT_ALTNAME_INVALID/);
    const running = await startLoginServer(folder(), settingsOf(`${url}?sslmode=verify-full&${own}`));
    const rows = await server.query<{ count: string }>(
      "SELECT count(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'mapae' AND NOT ssl",
    );
    assert.equal(Number(rows[0]?.count), 0);
    assert.equal(await running.stop(), 0);
    assert.match(
      await refusal(`${(await postgres.database()).replace("127.0.0.1", "localhost")}?sslmode=verify-full`, 1),
      /TLS|SSL/,
    );
    await server.remove();
  });
});
