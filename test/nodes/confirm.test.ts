/**
 * Confirmed revocations over several nodes: three real server processes on one real PostgreSQL, with a verifier at each.
 * By acknowledgements it is a matter of milliseconds; N is long here, so that a confirmation by time is told from one.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { createVerifier, type Verifier } from "@mapae/verifier";
import { SYSTEM } from "../../packages/server/src/audit/event.ts";
import { asId } from "../../packages/server/src/prelude/ids.ts";
import { type Postgres, startPostgres, withoutPostgres } from "../components/postgres.ts";
import { startProxy, type TcpProxy } from "../components/proxy.ts";
import { freePort, type Running, startLoginServer, temporaryFolder } from "../processes.ts";
import { list, PASSWORD, type ResourceServer, text, tokensOf } from "../stage.ts";
import { answered, eventually, nodeSettings, openNode } from "./cluster.ts";

const SECRET = "s".repeat(40);
const LEASE_MS = 4_000;

describe("confirmed over several nodes", { skip: withoutPostgres(), timeout: 240_000 }, () => {
  let postgres: Postgres;
  let url: string;
  /** What all call the issuer: a door to the node that is aimed at. */
  let door: TcpProxy;
  let issuer: string;
  let admin: string;
  let orders: ResourceServer;
  const nodes: Running[] = [];
  const verifiers: Verifier[] = [];
  const cleaning: (() => void)[] = [];

  const portOf = (node: Running) => Number(new URL(node.url).port);
  const node = (index: number): Running => nodes[index] ?? assert.fail("there is no such node");
  const startNode = async (): Promise<Running> => {
    const port = await freePort();
    const folder = temporaryFolder((task) => cleaning.push(task));
    const running = await startLoginServer(folder, {
      MAPAE_PORT: String(port),
      MAPAE_DATABASE_URL: url,
      MAPAE_SECRET: SECRET,
      MAPAE_ISSUER: issuer,
      MAPAE_REVOCATION_LEASE: `${LEASE_MS}ms`,
      MAPAE_RATE_LIMIT: "off",
      MAPAE_LOGIN_FLOOR: "0",
    });
    // What it says is its issuer's address.
    return { ...running, url: `http://127.0.0.1:${port}` };
  };
  /** A verifier whose stream leads to one node. */
  const follow = async (at: Running): Promise<Verifier> => {
    door.target = portOf(at);
    const verifier = createVerifier({
      ...{ issuer, audience: issuer },
      credentials: { clientId: orders.id, clientSecret: orders.secret },
      revocation: { onStale: "reject" },
    });
    await verifier.ready();
    verifiers.push(verifier);
    return verifier;
  };
  const logIn = async (at: Running) =>
    tokensOf(await answered(at.url, "POST", "/v1/sessions", { body: { identifier: "kim", password: PASSWORD } }));
  const revoke = async (at: Running, session: string) => {
    const answer = await answered(at.url, "DELETE", `/v1/admin/sessions/${session}?wait=all`, { token: admin });
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.body.confirmed, true);
    return {
      waitedMs: Number(answer.body.waited_ms),
      acknowledged: answer.body.acknowledged,
      unheard: answer.body.unheard_nodes ?? 0,
      outstanding: list(answer.body.outstanding).length,
    };
  };
  const refusedBy = (verifier: Verifier, access: string): boolean => {
    const verdict = verifier.verify(access);
    return !verdict.ok && verdict.code === "token_revoked";
  };

  before(async () => {
    const started = await startPostgres();
    assert.ok(started !== null);
    postgres = started;
    url = await postgres.database();
    door = await startProxy(0);
    issuer = `http://localhost:${door.port}`;
    // One more node, for a moment: it makes what the others are asked with.
    const first = await openNode(nodeSettings(url, { issuer, secret: SECRET }));
    const { storage, clientAction } = first.server.operations;
    await first.signUp("kim");
    const id = asId("user", await first.signUp("administrator"));
    await storage.users.change(id, { kind: "set_roles", roles: ["admin"] }, SYSTEM);
    const wish = { kind: "resource_server", scope: null, audience: null, jwks: null } as const;
    const made = await clientAction.create({ ...wish, id: "orders", name: "orders" }, SYSTEM);
    assert.ok(made.ok && made.secret !== null);
    orders = { id: "orders", secret: made.secret.reveal() };
    const { refresh } = await first.logIn("administrator");
    admin = text((await first.refresh(refresh, { audience: `${issuer}/admin` })).body.access_token);
    await first.close();
    for (let count = 0; count < 3; count += 1) nodes.push(await startNode());
    for (const each of nodes) await follow(each);
    // For N after its start a node counts on leases that an earlier process may have given.
    await new Promise((wake) => setTimeout(wake, LEASE_MS * 1.1));
  });
  after(async () => {
    for (const verifier of verifiers) verifier.close();
    await door?.close();
    for (const each of nodes) await each.kill();
    await postgres?.remove();
    for (const task of cleaning) task();
  });

  test("asked at any node, it waits for the verifiers of all, and no longer", async () => {
    for (const asked of nodes) {
      const { session, access } = await logIn(node(1));
      await eventually("all accept it", () => verifiers.every((verifier) => verifier.verify(access).ok));
      const { waitedMs, ...told } = await revoke(asked, session);
      assert.ok(verifiers.every((verifier) => refusedBy(verifier, access)));
      assert.deepEqual(told, { acknowledged: 3, unheard: 0, outstanding: 0 });
      assert.ok(waitedMs < LEASE_MS / 2, `${waitedMs} ms: by time, not by acknowledgements`);
    }
  });

  test("forty at once at all nodes are all confirmed by acknowledgements, and refused by every verifier then", async () => {
    await Promise.all(
      Array.from({ length: 40 }, async (_, index) => {
        const { session, access } = await logIn(node(index % 3));
        const { waitedMs, acknowledged } = await revoke(node((index + 1) % 3), session);
        assert.ok(verifiers.every((verifier) => refusedBy(verifier, access)));
        assert.deepEqual([acknowledged, waitedMs < LEASE_MS / 2], [3, true]);
      }),
    );
  });

  test("a frozen node does not hold it up for longer than its verifiers' leases, and they are told", async () => {
    const { session, access } = await logIn(node(0));
    const [, second] = verifiers;
    assert.ok(second !== undefined);
    process.kill(node(1).pid, "SIGSTOP");
    try {
      const { waitedMs, unheard } = await revoke(node(0), session);
      assert.ok(waitedMs <= LEASE_MS * 1.1 + 1_000, `${waitedMs} ms`);
      assert.equal(unheard, 1);
      assert.equal(second.verify(access).ok, false);
      // Its last head was read longer ago than any lease runs: now it is known that it has given none since.
      await eventually("the frozen node is not waited for", async () => {
        const again = await revoke(node(2), (await logIn(node(0))).session);
        return again.waitedMs < LEASE_MS / 2;
      });
    } finally {
      process.kill(node(1).pid, "SIGCONT");
    }
    await eventually("its verifier follows again", () => refusedBy(second, access));
    await eventually("it answers again", async () => {
      const { acknowledged, unheard } = await revoke(node(0), (await logIn(node(0))).session);
      return acknowledged === 3 && unheard === 0;
    });
  });

  test("a node that was killed is counted until its verifiers' leases have ended", async () => {
    const third = node(2);
    const { session, access } = await logIn(node(0));
    door.target = portOf(node(0));
    await third.kill();
    const { waitedMs } = await revoke(node(0), session);
    assert.ok(waitedMs <= LEASE_MS * 1.1 + 1_000, `${waitedMs} ms`);
    for (const verifier of verifiers) assert.equal(verifier.verify(access).ok, false);
    await eventually("its verifier is counted where it is now", async () => {
      const again = await revoke(node(0), (await logIn(node(0))).session);
      return again.acknowledged === 3 && again.unheard === 0 && again.waitedMs < LEASE_MS / 2;
    });
  });

  test("a node that is stopped leaves nobody behind who would have to be waited for", async () => {
    door.target = portOf(node(0));
    const stopping = node(1).stop();
    assert.equal(await stopping, 0);
    await eventually("its verifier is counted where it is now", async () => {
      const again = await revoke(node(0), (await logIn(node(0))).session);
      return again.acknowledged === 3 && again.waitedMs < LEASE_MS / 2;
    });
    const rows = await postgres.query<{ count: string }>("SELECT count(*) FROM nodes", url);
    assert.ok(Number(rows[0]?.count) <= 2, "its row is gone; that of the killed one stays for a while");
  });
});
