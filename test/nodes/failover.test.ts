/**
 * PostgreSQL fails over under a login server and those who follow it: a standby that had not heard everything takes over; an
 * old primary goes on answering; hints between nodes are lost. Real PostgreSQL, a real standby, real sockets.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { createVerifier, type Verifier } from "@mapae/verifier";
import { newFolder, type Postgres, runTool, startPostgres, withoutPostgres } from "../components/postgres.ts";
import { startProxy, type TcpProxy } from "../components/proxy.ts";
import { LEASE_MS, type Service, startService } from "../feed/service.ts";
import type { ResourceServer } from "../stage.ts";
import { eventually } from "./cluster.ts";

const SECRET = "s".repeat(40);
const REPLICATING = ["host replication all 127.0.0.1/32 scram-sha-256"];
const FAST = { settings: { fsync: "off" } };
/** By the entry for everyone, or because its key is published no more: whichever is known first. */
const DEAD = ["token_revoked", "unknown_key"];

/** A primary and the standby that follows it, with a database for the test. */
interface Pair {
  readonly primary: Postgres;
  readonly standby: Postgres;
  readonly url: string;
}

const closing: (() => Promise<unknown>)[] = [];

async function startPair(): Promise<Pair> {
  const primary = await startPostgres({ hba: REPLICATING, ...FAST });
  assert.ok(primary !== null);
  closing.push(() => primary.remove());
  const copy = newFolder();
  const from = ["-h", "127.0.0.1", "-p", `${primary.port}`, "-U", "mapae", "-c", "fast", "-X", "stream"];
  runTool(primary.bin, "pg_basebackup", [...from, "-D", join(copy, "data"), "-R", "--no-sync"]);
  const standby = await startPostgres({ folder: copy, ...FAST });
  assert.ok(standby !== null);
  closing.push(() => standby.remove());
  return { primary, standby, url: await primary.database() };
}

function through(url: string, port: number): string {
  const address = new URL(url);
  address.port = String(port);
  return address.href;
}

/** When the standby has all that the primary has. */
async function caughtUp({ primary, standby }: Pair): Promise<void> {
  const [at] = await primary.query<{ lsn: string }>("SELECT pg_current_wal_lsn()::text AS lsn");
  await eventually("the standby has heard everything", async () => {
    const told = `SELECT pg_last_wal_replay_lsn() >= '${at?.lsn}'::pg_lsn AS yes`;
    return (await standby.query<{ yes: boolean }>(told))[0]?.yes === true;
  });
}

async function serve(url: string, issuer?: string): Promise<Service> {
  const settings = {
    databaseUrl: url,
    secret: SECRET,
    databaseTimeout: "2s",
    ...(issuer === undefined ? {} : { issuer }),
  };
  const service = await startService(settings);
  closing.push(() => service.close());
  return service;
}

const codeOf = (verifier: Verifier, token: string): string => {
  const verdict = verifier.verify(token);
  return verdict.ok ? "ok" : verdict.code;
};

describe("a failover of the database", { skip: withoutPostgres(), timeout: 180_000 }, () => {
  after(async () => {
    for (const close of closing.reverse()) await close();
  });

  test("failover with a lost tail: a new epoch begins, and what was ended does not come back", async () => {
    const pair = await startPair();
    const { primary, standby, url } = pair;
    const door = await startProxy(primary.port);
    closing.push(() => door.close());
    const service = await serve(through(url, door.port));
    const orders = await service.resourceServer("orders");
    await service.signUp("kim");
    const [kept, ended] = [await service.logIn("kim"), await service.logIn("kim")];
    const verifier = await service.verifier(orders);
    await caughtUp(pair);
    await standby.stop();
    const answer = await service.call("DELETE", "/v1/sessions/current?wait=all", { token: ended.access });
    assert.equal(answer.body.confirmed, true);
    assert.equal(codeOf(verifier, ended.access), "token_revoked");
    const lost = service.position;

    await primary.kill();
    await standby.start();
    await standby.query("SELECT pg_promote()");
    door.target = standby.port;
    door.cut();
    await eventually("a new epoch", () => {
      assert.notEqual(codeOf(verifier, ended.access), "ok", "what was revoked is never accepted again");
      return service.position.epoch > lost.epoch;
    });
    await eventually("the verifier knows", () => DEAD.includes(codeOf(verifier, kept.access)));
    assert.ok(DEAD.includes(codeOf(verifier, ended.access)));
    assert.equal((await service.call("GET", "/v1/me", { token: kept.access })).status, 401);
    const refreshed = await service.call("POST", "/v1/sessions/refresh", { body: { refresh_token: ended.refresh } });
    assert.deepEqual([refreshed.status, refreshed.body.reason], [401, "restored"]);
    const again = await service.logIn("kim");
    await eventually("life goes on", async () => (await verifier.check(again.access)).ok);
  });

  test("an old primary that still answers reads gives nobody a lease, and a confirmation elsewhere is true", async () => {
    const pair = await startPair();
    const { primary, standby, url } = pair;
    await primary.query("ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (*)'");
    await primary.query("SELECT pg_reload_conf()");
    const [issuerDoor, oldDoor]: readonly TcpProxy[] = [await startProxy(0), await startProxy(primary.port)];
    assert.ok(issuerDoor !== undefined && oldDoor !== undefined);
    closing.push(
      () => issuerDoor.close(),
      () => oldDoor.close(),
    );
    const issuer = `http://localhost:${issuerDoor.port}`;
    const old = await serve(through(url, oldDoor.port), issuer);
    issuerDoor.target = Number(new URL(old.url).port);
    const orders = await old.resourceServer("orders");
    await old.signUp("kim");
    const [kept, ended] = [await old.logIn("kim"), await old.logIn("kim")];
    const verifier = await followerOf(issuer, orders);
    assert.deepEqual([codeOf(verifier, kept.access), codeOf(verifier, ended.access)], ["ok", "ok"]);
    await caughtUp(pair);

    await standby.query("SELECT pg_promote()");
    const [still] = await primary.query<{ count: string }>("SELECT count(*) FROM sessions", url);
    assert.equal(still?.count, "2", "the old primary answers reads");
    const fresh = await serve(through(url, standby.port), issuer);
    const answer = await fresh.call("DELETE", "/v1/sessions/current?wait=all", { token: ended.access });
    assert.deepEqual([answer.status, answer.body.confirmed], [200, true], answer.text);
    for (const end = performance.now() + 4 * LEASE_MS; performance.now() < end; ) {
      assert.equal(codeOf(verifier, ended.access), "revocation_unknown");
      await new Promise((wake) => setTimeout(wake, 20));
    }

    // Whoever fences it off leads its node to the new primary.
    await primary.kill();
    oldDoor.target = standby.port;
    oldDoor.cut();
    await eventually("the verifier follows again", () => codeOf(verifier, kept.access) === "ok");
    assert.equal(codeOf(verifier, ended.access), "token_revoked");
  });
});

describe("two nodes on one database", { skip: withoutPostgres(), timeout: 120_000 }, () => {
  let postgres: Postgres;
  before(async () => {
    const started = await startPostgres(FAST);
    assert.ok(started !== null);
    postgres = started;
  });
  after(() => postgres.remove());

  test("lost notifications: nobody accepts what was confirmed, and everyone hears of the rest in time", async () => {
    const url = await postgres.database();
    const door = await startProxy(0);
    const issuer = `http://localhost:${door.port}`;
    const nodes = [await serve(url, issuer), await serve(url, issuer)] as const;
    const [one, other] = nodes;
    door.target = Number(new URL(other.url).port);
    const orders = await one.resourceServer("orders");
    await one.signUp("kim");
    const verifier = await followerOf(issuer, orders);
    const loseHints = async (): Promise<void> => {
      const theirs = "pid <> pg_backend_pid() AND (query ~ 'LISTEN|pg_try_advisory_lock' OR query = 'SELECT 1')";
      await eventually("their connections are cut", async () => {
        const cut = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE ${theirs}`;
        return (await postgres.query(cut, url)).length > 0;
      });
    };
    for (const wait of ["?wait=all", "", "?wait=all", ""]) {
      const { access } = await one.logIn("kim");
      await eventually("it is accepted", () => codeOf(verifier, access) === "ok");
      await loseHints();
      const answer = await one.call("DELETE", `/v1/sessions/current${wait}`, { token: access });
      assert.ok(answer.status < 300, answer.text);
      if (wait !== "") {
        assert.equal(answer.body.confirmed, true);
        assert.notEqual(codeOf(verifier, access), "ok");
      }
      await eventually("it is refused", () => codeOf(verifier, access) === "token_revoked");
    }
    verifier.close();
    for (const node of nodes) await node.close();
    await door.close();
  });
});

async function followerOf(issuer: string, { id, secret }: ResourceServer): Promise<Verifier> {
  const verifier = createVerifier({
    ...{ issuer, audience: issuer },
    credentials: { clientId: id, clientSecret: secret },
    revocation: { onStale: "reject" },
  });
  closing.push(async () => verifier.close());
  await verifier.ready();
  return verifier;
}
