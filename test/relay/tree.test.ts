/** A tree of processes on real sockets: a login server, relays, a relay of a relay, and verifiers of all of them. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Verifier } from "@mapae/verifier";
import type { Running } from "../processes.ts";
import { codeOf, freeze, plant, type Tree, unfreeze, until } from "./stage.ts";

const tasks: (() => void | Promise<void>)[] = [];
after(async () => {
  for (const task of tasks.reverse()) await task();
});

let tree: Tree;
let near: Running;
let far: Running;
/** At the login server, at the first relay, and two at the second. */
let verifiers: readonly Verifier[];

before(async () => {
  tree = await plant((task) => void tasks.push(task));
  near = await tree.relay();
  far = await tree.relay({ upstream: near.url });
  verifiers = await Promise.all([null, near.url, far.url, far.url].map((feed) => tree.verifier(feed)));
});

const live = (verifier: Verifier): boolean => verifier.status()?.trust === "live";
const port = ({ url }: Running): number => Number(new URL(url).port);
const behind = (): readonly Verifier[] => verifiers.slice(1);

/**
 * Log-ins that are taken back, until an answer counts everyone. On a busy machine somebody's lease may end before he is
 * asked; he is then not counted, but accepts nothing either.
 */
async function takesBackEverywhere(): Promise<void> {
  await until("everyone acknowledges", async () => {
    const { access, session } = await tree.logIn();
    const areAll = (code: string): boolean => verifiers.every((verifier) => codeOf(verifier, access) === code);
    const wasGood = areAll("ok");
    const { confirmed, acknowledged, outstanding } = await tree.revoke(session);
    assert.equal(confirmed, true);
    for (const verifier of verifiers) assert.notEqual(codeOf(verifier, access), "ok");
    return wasGood && areAll("token_revoked") && acknowledged === verifiers.length && outstanding.length === 0;
  });
}

describe("a tree of relays", () => {
  test("takes a revocation to everyone, and the answer counts the verifiers, wherever they are", async () => {
    await takesBackEverywhere();
    for (const verifier of verifiers) assert.equal(verifier.status()?.via, "stream");
  });

  test("counts one that polls by its lease, since a poll acknowledges nothing", async () => {
    const polls = await tree.verifier(far.url, { revocation: { onStale: "reject", feed: far.url, webSocket: false } });
    assert.equal(polls.status()?.via, "poll");
    const { access, session } = await tree.logIn();
    assert.equal(codeOf(polls, access), "ok");
    assert.equal((await tree.revoke(session)).confirmed, true);
    assert.notEqual(codeOf(polls, access), "ok");
    polls.close();
    // Until it is not counted any more, confirmations wait for the lease that it had.
    await until("it is forgotten", async () => {
      const next = await tree.logIn();
      return (await tree.revoke(next.session)).outstanding.length === 0;
    });
  });

  test("that is cut in the middle goes stale behind the cut, a confirmation waits for that, and it mends", async () => {
    const { access, session } = await tree.logIn();
    for (const verifier of verifiers) assert.equal(codeOf(verifier, access), "ok");
    freeze(near);
    const confirming = tree.revoke(session);
    await until("everyone behind the cut is stale", () => behind().every((verifier) => !live(verifier)));
    for (const verifier of behind()) assert.equal(codeOf(verifier, access), "revocation_unknown");
    const { confirmed, outstanding } = await confirming;
    assert.equal(confirmed, true);
    assert.deepEqual(
      outstanding.map(({ client_id, verifiers: count }) => [client_id, count]),
      [["relay", 3]],
    );
    assert.equal(codeOf(verifiers[0] ?? assert.fail(), access), "token_revoked");
    unfreeze(near);
    await until("everyone trusts again", () => verifiers.every(live));
    for (const verifier of verifiers) assert.equal(codeOf(verifier, access), "token_revoked");
  });

  test("goes on after a relay was killed and another has taken its place", async () => {
    await near.kill();
    const { access, session } = await tree.logIn();
    const { confirmed } = await tree.revoke(session);
    assert.equal(confirmed, true);
    for (const verifier of verifiers) assert.notEqual(codeOf(verifier, access), "ok");
    near = await tree.relay({ port: port(near) });
    await until("everyone trusts again", () => verifiers.every(live));
    await takesBackEverywhere();
  });

  test("goes on after the login server was killed and started again", async () => {
    await tree.restartOrigin();
    await until("everyone trusts again", () => verifiers.every(live));
    await takesBackEverywhere();
  });

  test("puts out a resource server that is deleted, and keeps the others", async () => {
    const gone = await tree.verifier(far.url, {}, "short-lived");
    assert.ok(live(gone));
    await tree.operator("DELETE", "/v1/admin/clients/short-lived");
    await until("it holds no lease any more", () => !live(gone));
    assert.match(gone.status()?.trouble ?? "", /refused/);
    assert.ok(behind().every(live));
    gone.close();
  });

  test("names who may accept without a lease, at whatever relay", async () => {
    const revocation = { onStale: "accept", acceptFor: 600, feed: far.url } as const;
    const stubborn = await tree.verifier(far.url, { revocation }, "stubborn");
    const first = await tree.logIn();
    assert.deepEqual((await tree.revoke(first.session)).unbound, []);
    freeze(far);
    const second = await tree.logIn();
    const { unbound } = await tree.revoke(second.session);
    assert.deepEqual(
      unbound.map(({ client_id }) => client_id),
      ["stubborn"],
    );
    assert.equal(codeOf(stubborn, second.access), "ok");
    unfreeze(far);
    await until("it has heard", () => codeOf(stubborn, second.access) === "token_revoked");
    stubborn.close();
  });

  test("stops a relay without losing anybody: they are asked to leave, and come back", async () => {
    const stopping = far.stop();
    const place = port(far);
    assert.equal(await stopping, 0);
    far = await tree.relay({ upstream: near.url, port: place });
    await until("everyone trusts again", () => verifiers.every(live));
  });
});
