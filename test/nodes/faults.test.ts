/** What the database can do to a node: die, stand still, lose an answer, keep somebody else's rows locked, tell nothing. */
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import pg from "pg";
import type { Grant } from "../../packages/server/src/grants/grant.ts";
import { Unavailable } from "../../packages/server/src/prelude/fault.ts";
import { systemWorld } from "../../packages/server/src/prelude/world.ts";
import { CAUSE, Cast, OWN_CLIENT, SETTINGS } from "../../packages/server/src/storage/contract/stage.ts";
import { openPostgres } from "../../packages/server/src/storage/postgres/postgres.ts";
import type { Storage } from "../../packages/server/src/storage/storage.ts";
import { type Postgres, startPostgres, withoutPostgres } from "../components/postgres.ts";
import { startProxy } from "../components/proxy.ts";
import { eventually, nodeSettings, openNode } from "./cluster.ts";

const START = { epoch: 0, seq: 0 };
/** People and sessions at the time it is. */
const cast = new Cast();
const now = () => Date.now();

describe("faults of the database", { skip: withoutPostgres() }, () => {
  let postgres: Postgres;
  before(async () => {
    const started = await startPostgres();
    assert.ok(started !== null);
    postgres = started;
  });
  after(() => postgres?.remove());

  const opened: Storage[] = [];
  const open = async (url: string, more: { listens?: boolean } = {}): Promise<Storage> => {
    const store = await openPostgres({ url, password: null, connections: 8, timeoutMs: 10_000, ...more }, systemWorld);
    opened.push(store);
    return store;
  };
  afterEach(async () => {
    for (const store of opened.splice(0)) await store.close();
  });
  const logIn = async (store: Storage): Promise<Grant> => {
    const user = cast.newUser({ createdAt: now(), updatedAt: now() });
    await store.clients.create(OWN_CLIENT, []);
    assert.equal(await store.users.create(user, []), "created");
    const at = now();
    const times = {
      createdAt: at,
      lastSeenAt: at,
      idleExpiresAt: at + SETTINGS.idleMs,
      expiresAt: at + 10 * SETTINGS.idleMs,
    };
    const grant = { createdAt: at, usedAt: at, rotatedAt: at, idleExpiresAt: at + SETTINGS.idleMs };
    const opened = await store.grants.open(cast.newLogIn(user.id, { session: times, grant }));
    assert.ok(opened.kind === "opened");
    return opened.standing.grant;
  };
  /** Tries until the database is there; only `Unavailable` is a reason to try again. */
  const insist = async <T>(work: () => Promise<T>): Promise<T> => {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof Unavailable)) throw error;
        await new Promise((wake) => setTimeout(wake, 20));
      }
    }
  };

  test("kill -9 under load: whatever was acknowledged is there, and clients that try again are not logged out", async () => {
    const url = await postgres.database();
    const stores = [await open(url), await open(url)];
    const [first, second] = stores as [Storage, Storage];
    let going = true;
    let faults = 0;
    const ended: string[] = [];
    /** A client: refreshes all the time with the token it has, and with the same one again where there was no answer. */
    const client = async (index: number): Promise<void> => {
      let grant = await logIn(first);
      while (going) {
        const store = stores[index % 2] ?? first;
        try {
          const used = await store.grants.use(cast.presented(grant), SETTINGS, CAUSE);
          assert.ok(used.allow, JSON.stringify(used));
          grant = used.standing.grant;
        } catch (error) {
          if (!(error instanceof Unavailable)) throw error;
          faults += 1;
          await new Promise((wake) => setTimeout(wake, 20));
        }
      }
      assert.ok((await insist(() => second.grants.use(cast.presented(grant), SETTINGS, CAUSE))).allow);
    };
    const revoker = async (): Promise<void> => {
      while (going) {
        const grant = await insist(() => logIn(second));
        try {
          await second.sessions.end({ session: grant.session }, "logout", CAUSE);
          ended.push(grant.session);
        } catch (error) {
          if (!(error instanceof Unavailable)) throw error;
        }
      }
    };
    const working = [...Array.from({ length: 6 }, (_, index) => client(index)), revoker(), revoker()];
    const load = Promise.all(working);
    load.catch(() => {});
    for (let round = 0; round < 3; round += 1) {
      await new Promise((wake) => setTimeout(wake, 700));
      await postgres.kill();
      await postgres.restart();
    }
    await new Promise((wake) => setTimeout(wake, 500));
    going = false;
    await load;
    assert.ok(faults > 0 && ended.length > 10);
    const entries = await insist(() => first.revocation.after(START, 100_000));
    const known = new Set(entries.map(({ value }) => value));
    for (const session of ended) assert.ok(known.has(session), "an acknowledged end is in the log");
    assert.deepEqual(
      entries.map(({ seq }) => seq),
      entries.map((_, index) => index + 1),
    );
  });

  test("a database that stands still is 503 and not a logout, and all goes on when it does", async () => {
    const node = await openNode(nodeSettings(await postgres.database(), { databaseTimeout: "1s" }));
    await node.signUp("kim");
    const { refresh, access } = await node.logIn("kim");
    postgres.freeze();
    try {
      const asked = await Promise.all([
        node.refresh(refresh),
        node.call("POST", "/v1/sessions", { body: { identifier: "kim", password: "whatever it may be" } }),
        node.call("DELETE", "/v1/sessions/current", { token: access }),
        node.call("GET", "/readyz"),
      ]);
      for (const answer of asked) {
        assert.equal(answer.status, 503);
        assert.ok(answer.headers.has("retry-after") || answer.body.code === undefined, answer.text);
      }
    } finally {
      postgres.thaw();
    }
    await eventually("it is ready again", async () => (await node.call("GET", "/readyz")).status === 200);
    // Whether the log-out was carried out, nobody could say then. Asked again, it is.
    const ended = await node.call("DELETE", "/v1/sessions/current", { token: access });
    assert.ok([204, 401].includes(ended.status), ended.text);
    assert.equal((await node.refresh(refresh)).body.reason, "logout");
    await node.close();
  });

  test("nothing listens: refused at once, also while attempts rest, and served when it is back", async () => {
    const store = await open(await postgres.database());
    const grant = await logIn(store);
    await postgres.stop();
    const began = performance.now();
    for (let round = 0; round < 50; round += 1) {
      await assert.rejects(store.grants.use(cast.presented(grant), SETTINGS, CAUSE), Unavailable);
    }
    assert.ok(performance.now() - began < 10_000);
    await postgres.start();
    assert.ok((await insist(() => store.grants.use(cast.presented(grant), SETTINGS, CAUSE))).allow);
  });

  test("a commit whose answer was lost is a fault, what it did is told to everyone, and doing it again is harmless", async () => {
    const direct = await postgres.database();
    const proxy = await startProxy(postgres.port);
    const [store, other] = [await open(direct.replace(`:${postgres.port}/`, `:${proxy.port}/`)), await open(direct)];
    const heard: string[] = [];
    const heardElsewhere: string[] = [];
    store.revocation.onCommit((entries) => heard.push(...entries.map(({ value }) => value)));
    other.revocation.onCommit((entries) => heardElsewhere.push(...entries.map(({ value }) => value)));
    const grant = await logIn(store);
    proxy.watch = (toServer) => (toServer.includes("COMMIT") ? "cut" : "pass");
    await assert.rejects(store.sessions.end({ session: grant.session }, "logout", CAUSE), Unavailable);
    proxy.watch = null;
    await eventually("both have heard", () => heard.length === 1 && heardElsewhere.length === 1);
    assert.equal(await insist(() => store.sessions.end({ session: grant.session }, "logout", CAUSE)), 0);
    assert.deepEqual([heard, heardElsewhere], [[grant.session], [grant.session]]);

    const next = await logIn(store);
    proxy.watch = (toServer) =>
      toServer.includes(next.secretId) || toServer.includes("UPDATE grants") ? "cut" : "pass";
    await assert.rejects(store.grants.use(cast.presented(next), SETTINGS, CAUSE), Unavailable);
    proxy.watch = null;
    const again = await insist(() => store.grants.use(cast.presented(next), SETTINGS, CAUSE));
    assert.ok(again.allow && again.standing.grant.generation === 2, "the lost rotation is answered again");
    await proxy.close();
  });

  test("16 revokers beside aborted and long transactions: numbers without a gap, in the order of commits", async () => {
    const url = await postgres.database();
    const stores = await Promise.all(Array.from({ length: 4 }, () => open(url)));
    const [first] = stores as [Storage];
    const heard = stores.map(() => [] as number[]);
    for (const [index, store] of stores.entries()) {
      store.revocation.onCommit((entries) => heard[index]?.push(...entries.map(({ seq }) => seq)));
    }
    const grants = await Promise.all(Array.from({ length: 160 }, () => logIn(first)));
    let going = true;
    /** Somebody who takes the counter, or a user, keeps it for a while, and changes his mind. */
    const troublemaker = async (lock: string, ms: number): Promise<void> => {
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      while (going) {
        await client.query("BEGIN");
        await client.query(lock);
        await new Promise((wake) => setTimeout(wake, ms));
        await client.query("ROLLBACK");
      }
      await client.end();
    };
    const trouble = Promise.all([
      troublemaker("UPDATE state SET seq = seq + 1", 5),
      troublemaker("SELECT 1 FROM users ORDER BY id LIMIT 3 FOR UPDATE", 40),
      troublemaker("SELECT 1 FROM sessions ORDER BY id LIMIT 5 FOR UPDATE", 20),
    ]);
    await Promise.all(
      Array.from({ length: 16 }, async (_, revoker) => {
        for (let turn = 0; turn < 10; turn += 1) {
          const grant = grants[revoker * 10 + turn];
          const store = stores[(revoker + turn) % stores.length];
          assert.ok(grant !== undefined && store !== undefined);
          assert.equal(await store.sessions.end({ session: grant.session }, "logout", CAUSE), 1);
        }
      }),
    );
    going = false;
    await trouble;
    const expected = Array.from({ length: 160 }, (_, index) => index + 1);
    assert.deepEqual(
      (await first.revocation.after(START, 1000)).map(({ seq }) => seq),
      expected,
    );
    await eventually("every node has heard of all", () => heard.every((seqs) => seqs.length === 160));
    for (const seqs of heard) assert.deepEqual(seqs, expected);
  });

  test("ends of everyone's sessions beside ends of one's, a client's and a user's: all succeed, deadlocks or not", async () => {
    const url = await postgres.database();
    const stores = await Promise.all(Array.from({ length: 3 }, () => open(url)));
    const [first] = stores as [Storage];
    const grants = await Promise.all(Array.from({ length: 60 }, () => logIn(first)));
    await Promise.all(
      grants.flatMap((grant, index) => {
        const store = stores[index % stores.length] ?? first;
        const asked: Promise<unknown>[] = [
          store.sessions.end({ session: grant.session }, "logout", CAUSE),
          store.grants.use(cast.presented(grant), SETTINGS, CAUSE),
        ];
        if (index % 15 === 0) asked.push(store.sessions.end({ everyone: true }, "admin", CAUSE));
        if (index % 20 === 0) asked.push(store.clients.endGrants(OWN_CLIENT.id, "admin", []));
        return asked;
      }),
    );
    const { items } = await first.sessions.list({ live: true }, { limit: 200, after: null });
    assert.deepEqual(items, []);
    const seqs = (await first.revocation.after(START, 1000)).map(({ seq }) => seq);
    assert.deepEqual(
      seqs,
      seqs.map((_, index) => index + 1),
    );
  });

  test("every hint lost: the nodes hear of revocations and keys all the same", async () => {
    const url = await postgres.database();
    const [writer, deaf] = [await open(url), await open(url, { listens: false })];
    const heard: string[] = [];
    let keys = 0;
    deaf.revocation.onCommit((entries) => heard.push(...entries.map(({ value }) => value)));
    deaf.onKeys(() => {
      keys += 1;
    });
    const grant = await logIn(writer);
    await new Promise((wake) => setTimeout(wake, 1_200));
    await writer.sessions.end({ session: grant.session }, "logout", CAUSE);
    await eventually("it has heard", () => heard.length === 1);
    const before = keys;
    const key = { id: 7, purpose: "pepper", wrapped: Buffer.from("x"), wrappedBy: "s", createdAt: 1 } as const;
    await writer.vault.add([key]);
    await eventually("it looks at its keys", () => keys > before);
  });
});
