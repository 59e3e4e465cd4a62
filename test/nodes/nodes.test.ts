/** Several nodes on one PostgreSQL behave as one: whoever is asked, and whoever was asked before. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { SYSTEM } from "../../packages/server/src/audit/event.ts";
import { asId } from "../../packages/server/src/prelude/ids.ts";
import { type Postgres, startPostgres, withoutPostgres } from "../components/postgres.ts";
import { ISSUER, PASSWORD, type Tokens, text, tokensOf } from "../stage.ts";
import { eventually, type Node, nodeSettings, openNode, openNodes, turns } from "./cluster.ts";

const NODES = 3;

describe("several nodes on one database", { skip: withoutPostgres() }, () => {
  let postgres: Postgres;
  let url: string;
  let nodes: readonly Node[];
  let at: (index: number) => Node;
  before(async () => {
    const started = await startPostgres({ settings: { fsync: "off" } });
    assert.ok(started !== null);
    postgres = started;
    url = await postgres.database();
    // All at once on an empty database: one makes the tables and the keys, and all have them.
    nodes = await openNodes(NODES, nodeSettings(url));
    at = turns(nodes);
    await at(0).signUp("kim");
  });
  after(async () => {
    for (const node of nodes ?? []) await node.close();
    await postgres?.remove();
  });

  const accepted = async (node: Node, token: string): Promise<boolean> =>
    (await node.call("GET", "/v1/me", { token })).status === 200;

  test("what one node issues, every other takes", async () => {
    const tokens = await at(0).logIn("kim");
    for (const node of nodes) assert.ok(await accepted(node, tokens.access));
    let { refresh } = tokens;
    for (let round = 0; round < 6; round += 1) {
      const renewed = await at(round).refresh(refresh);
      assert.equal(renewed.status, 200);
      refresh = text(renewed.body.refresh_token);
      assert.ok(await accepted(at(round + 1), text(renewed.body.access_token)));
    }
  });

  test("of 150 parallel refreshes of one token on all nodes, one generation is consumed and all get it", async () => {
    const { refresh } = await at(1).logIn("kim");
    const answers = await Promise.all(Array.from({ length: 150 }, (_, index) => at(index).refresh(refresh)));
    assert.deepEqual(
      answers.map(({ status }) => status),
      answers.map(() => 200),
    );
    const successors = new Set(answers.map(({ body }) => text(body.refresh_token)));
    assert.equal(successors.size, 1);
    const generationOf = (token: string) => Buffer.from(token, "base64url").readUInt32BE(21);
    assert.equal(generationOf([...successors][0] ?? ""), generationOf(refresh) + 1);
  });

  test("60 parallel log-ins on all nodes with limit 2 leave exactly two sessions, and every other was told evicted", async () => {
    const limited = await openNodes(NODES, nodeSettings(url, { sessionLimit: "2" }));
    try {
      const turn = turns(limited);
      await turn(0).signUp("limited");
      const body = { identifier: "limited", password: PASSWORD };
      const answers = await Promise.all(
        Array.from({ length: 60 }, (_, index) => turn(index).call("POST", "/v1/sessions", { body })),
      );
      const entered: readonly Tokens[] = answers.map(tokensOf);
      const renewed = await Promise.all(entered.map(({ refresh }, index) => turn(index + 1).refresh(refresh)));
      assert.equal(renewed.filter(({ status }) => status === 200).length, 2);
      assert.equal(renewed.filter(({ body: { reason } }) => reason === "evicted").length, 58);
    } finally {
      for (const node of limited) await node.close();
    }
  });

  test("rotating the signing key on any node, under traffic on all, refuses no token", async () => {
    const { refresh: first, access } = await at(0).logIn("kim");
    let refresh = first;
    let rotating = true;
    const rotate = (async () => {
      for (let round = 0; round < 4; round += 1) {
        await at(round).server.operations.keyring.rotate(SYSTEM, true);
      }
      rotating = false;
    })();
    for (let round = 0; rotating || round < 12; round += 1) {
      const renewed = await at(round).refresh(refresh);
      assert.equal(renewed.status, 200);
      refresh = text(renewed.body.refresh_token);
      // The node that issued it, and one that may not have heard of its key.
      assert.ok(await accepted(at(round), text(renewed.body.access_token)));
      await eventually("the other node knows the key", () => accepted(at(round + 1), text(renewed.body.access_token)));
      assert.ok(await accepted(at(round + 2), access));
    }
    await rotate;
  });

  test("a key of the vault that one node made is used after every node has it, and none refuses what is under it", async () => {
    const { vault } = at(0).server.operations;
    const before = vault.current("refresh-mac").id;
    const rotated = vault.rotate("refresh-mac");
    const newest = async () => Math.max(...(await at(0).server.operations.storage.vault.all()).map(({ id }) => id));
    const settled = await newest();
    await eventually("it is made", async () => (await newest()) > settled);
    const made = await newest();
    await eventually("the others have it", () =>
      nodes.every(({ server }) => server.operations.vault.find("refresh-mac", made) !== undefined),
    );
    assert.equal(vault.current("refresh-mac").id, before);
    assert.equal((await rotated).id, made);
    const { refresh } = await at(0).logIn("kim");
    assert.equal((await at(1).refresh(refresh)).status, 200);
  });

  test("what one node revokes, the others refuse, at once or after a look", async () => {
    for (let round = 0; round < 6; round += 1) {
      const { access, refresh, session } = await at(round).logIn("kim");
      const ended = await at(round).call("DELETE", `/v1/sessions/${session}`, { token: access });
      assert.equal(ended.status, 204);
      assert.equal((await at(round + 1).refresh(refresh)).body.reason, "logout");
      await eventually("the other node refuses", async () => !(await accepted(at(round + 1), access)));
    }
  });

  test("logging in again right after everyone's sessions ended works on every node", async () => {
    const before = await at(0).logIn("kim");
    await at(1).server.operations.storage.sessions.end({ everyone: true }, "admin", SYSTEM);
    for (const node of nodes) {
      const { access } = await node.logIn("kim");
      for (const other of nodes) assert.ok(await accepted(other, access));
      await eventually("the earlier one is refused", async () => !(await accepted(node, before.access)));
    }
  });

  test("every node's log is the same, told in order and once, whoever wrote", async () => {
    const user = asId("user", await at(0).signUp("busy"));
    const heard = nodes.map(() => [] as number[]);
    for (const [index, node] of nodes.entries()) {
      node.server.operations.storage.revocation.onCommit((entries) => {
        heard[index]?.push(...entries.map(({ seq }) => seq));
      });
    }
    await Promise.all(
      Array.from({ length: 90 }, (_, index) =>
        at(index).server.operations.storage.revocation.apply([
          { effect: "revoke", kind: "token", value: `busy-${index}-${user}`, reason: "admin" },
        ]),
      ),
    );
    await eventually("all have heard of all", () => heard.every((seqs) => seqs.length === 90));
    const [first = 0] = heard[0] ?? [];
    const inOrder = Array.from({ length: 90 }, (_, index) => first + index);
    for (const seqs of heard) assert.deepEqual(seqs, inOrder);
  });

  test("one node has the duty, and when it goes another takes it", async () => {
    const own = await postgres.database();
    const pair = await openNodes(2, nodeSettings(own));
    const holders = () => pair.filter(({ server }) => server.operations.storage.duty.held);
    await eventually("one has it", () => holders().length === 1);
    const [holder] = holders();
    assert.ok(holder !== undefined);
    const other = pair.find((node) => node !== holder);
    await holder.close();
    await eventually("the other has it", () => other?.server.operations.storage.duty.held === true);
    await other?.close();
  });

  test("a node with another secret is refused at its start", async () => {
    const settings = nodeSettings(url, { secret: "t".repeat(40) });
    await assert.rejects(openNode(settings), /MAPAE_SECRET does not open this database/);
    assert.equal((await at(0).call("GET", "/readyz")).status, 200);
  });

  test("the issuer is the same everywhere", () => {
    for (const { server } of nodes) assert.equal(server.operations.issuer, ISSUER);
  });
});
