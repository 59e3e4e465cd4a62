/**
 * Chaos with real processes: one login server, twelve verifiers, a proxy before each, and an oracle that asks every verifier
 * about every token all the time (oracle.ts says what it counts as a fault). Tests have the names of the troubles; each
 * ends once everyone is trusted and right again, and with no fault seen. N is 1.5 s, and no verdict has any margin.
 *
 * What is not played here, and where it is: machine suspend, jumps, slewing and skew of clocks (they need the machine's
 * clock), duplicate and reordered frames (TCP lets none through), resume older than the retention, compaction during resume,
 * expiry at the edge: test/simulation and the unit tests of the feed and the follower. Forged snapshots, unknown frames, a memory cap:
 * unit tests of the follower and the set. A node without its database, failover, lost notifications, other nodes: there is
 * one node, and its database is inside it.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { mapae } from "../../cli/mapae.ts";
import { temporaryFolder } from "../../processes.ts";
import { text } from "../../stage.ts";
import { clock } from "./oracle.ts";
import { BOUND, type ChildVerifier, later, N, Stage } from "./stage.ts";

const VERIFIERS = 12;
const ATTEMPTS = 5;

describe("a login server and twelve verifier processes", { timeout: 400_000 }, () => {
  let stage: Stage;
  const cleaning: (() => void)[] = [];
  before(async () => {
    stage = await Stage.open(
      temporaryFolder((task) => cleaning.push(task)),
      VERIFIERS,
    );
  });
  after(async () => {
    await stage?.close();
    for (const task of cleaning) task();
  });

  const at = (index: number): ChildVerifier => {
    const verifier = stage.verifiers[index];
    if (verifier === undefined) throw new Error(`there is no verifier ${index}`);
    return verifier;
  };
  /** Of each kind one: streams, keeps a copy, polls, introspects. */
  const some = () => [at(0), at(3), at(4), at(5)];

  /** Revokes with and without waiting while a trouble lasts. */
  async function revokeDuring(about: string): Promise<void> {
    const names = await Promise.all(["a", "b"].map((each) => stage.mint(`${about}-${each}`)));
    await Promise.all(names.map((name, index) => stage.revoke(name, index === 0 ? "all" : "none")));
    await later(BOUND);
    stage.check();
  }

  test("all is well: a confirmed revocation is acknowledged by every verifier that streams", async () => {
    const name = await stage.mint("calm");
    await later(300);
    const { confirmed } = await stage.revoke(name, "all");
    assert.equal(confirmed, true);
    await stage.settle();
  });

  test("constant-lag proxy: a path of 2.4 N never grants a lease, one of a third of N always does", async () => {
    for (const verifier of some()) verifier.proxy.set({ lagMs: N * 1.2 });
    for (const verifier of [at(1), at(2)]) verifier.proxy.set({ lagMs: N / 6 });
    for (const verifier of some()) await verifier.untilStale();
    await revokeDuring("lag");
    for (const verifier of some()) assert.equal((await verifier.look()).live, false);
    for (const verifier of [at(1), at(2)]) await verifier.settle();
    for (const { proxy } of stage.verifiers) proxy.set({ lagMs: 0 });
    await stage.settle();
  });

  test("freeze and release", async () => {
    for (const { proxy } of some()) proxy.set({ held: true });
    await revokeDuring("freeze");
    for (const { proxy } of some()) proxy.set({ held: false });
    await stage.settle();
  });

  test("half-open links", async () => {
    for (const { proxy } of some()) {
      proxy.set({ dropped: true }, "down");
      proxy.halfOpen();
    }
    await revokeDuring("half-open");
    for (const { proxy } of some()) {
      proxy.set({ dropped: false });
      proxy.sever();
    }
    await stage.settle();
  });

  test("silently dropping links", async () => {
    for (const { proxy } of some()) proxy.set({ dropped: true });
    await revokeDuring("drop");
    for (const { proxy } of some()) {
      proxy.set({ dropped: false });
      proxy.sever();
    }
    await stage.settle();
  });

  test("one-way partitions", async () => {
    for (const { proxy } of some()) proxy.set({ held: true }, "down");
    for (const verifier of [at(6), at(10)]) verifier.proxy.set({ held: true }, "up");
    await revokeDuring("one-way");
    for (const { proxy } of stage.verifiers) proxy.set({ held: false });
    await stage.settle();
  });

  test("buffering proxies", async () => {
    for (const { proxy } of some()) proxy.set({ burstMs: N / 2 });
    await revokeDuring("burst");
    for (const { proxy } of some()) proxy.set({ burstMs: 0 });
    await stage.settle();
  });

  test("questions pass and the feed does not: a remembered yes of introspection ends with the confirmation too", async () => {
    const asks = at(5);
    asks.proxy.block(/^GET \/v1\/revocations/);
    await asks.untilStale();
    const name = await stage.mint("introspected");
    await later(N + 300);
    const { verdicts } = await asks.look();
    assert.equal(verdicts[name]?.[2], "accepted");
    assert.equal((await stage.revoke(name, "all")).confirmed, true);
    await later(N);
    stage.check();
    asks.proxy.block(null);
    asks.proxy.sever();
    await stage.settle();
  });

  test("SIGSTOP past the lease and SIGCONT within a request", async () => {
    const names = await Promise.all([stage.mint("stop"), stage.mint("stop")]);
    for (const verifier of some()) verifier.signal("SIGSTOP");
    // The oracle's next question is on its way to each of them now.
    await later(200);
    await Promise.all(names.map((name) => stage.revoke(name, "all")));
    await later(N / 2);
    for (const verifier of some()) verifier.signal("SIGCONT");
    await stage.settle();
  });

  test("a one-second pause of the event loop in verifier and node", async () => {
    const name = await stage.mint("pause");
    await Promise.all([...some().map((verifier) => verifier.block(1_000)), stage.revoke(name, "all")]);
    const next = await stage.mint("pause");
    stage.signalServer("SIGSTOP");
    const revoked = stage.revoke(next, "all");
    await later(1_000);
    stage.signalServer("SIGCONT");
    await revoked;
    await stage.settle();
  });

  test("kill -9 between commit and publish, and between publish and acknowledgement: nothing acknowledged is lost", async () => {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const names = await Promise.all([stage.mint("kill"), stage.mint("kill"), stage.mint("kill")]);
      // Who cannot hear of it until the server is gone has only the log of the next one.
      if (attempt % 2 === 1) for (const { proxy } of some()) proxy.set({ held: true }, "down");
      const revoked = names.map((name, index) => stage.revoke(name, index === 0 ? "all" : "none"));
      const outcomes = Promise.allSettled(revoked);
      if (attempt < 3) await revoked[1];
      else await later(attempt);
      await stage.endServer("SIGKILL");
      await outcomes;
      for (const { proxy } of some()) proxy.set({ held: false });
      await stage.startServer();
      // It does not know who held leases of the one before: it must not confirm before they have ended.
      const early = await stage.mint("after-kill");
      assert.equal((await stage.revoke(early, "all")).confirmed, true);
    }
    await stage.settle();
  });

  test("restarts: a killed verifier comes back, cut off from the server, and its copy on the disk grants no lease", async () => {
    const [streams, keeps] = [at(0), at(3)];
    const name = await stage.mint("restart");
    for (const verifier of [streams, keeps]) {
      await verifier.kill();
      verifier.proxy.set({ held: true });
    }
    await stage.revoke(name, "all");
    await Promise.all([streams.start(), keeps.start()]);
    await later(500);
    for (const verifier of [streams, keeps]) assert.equal((await verifier.look()).live, false);
    stage.check();
    for (const { proxy } of [streams, keeps]) {
      proxy.set({ held: false });
      proxy.sever();
    }
    await stage.settle();
  });

  test("a server that is told to stop drains, and its successor takes everyone back", async () => {
    const name = await stage.mint("drain");
    await stage.endServer("SIGTERM");
    await stage.startServer();
    assert.equal((await stage.revoke(name, "all")).confirmed, true);
    await stage.settle();
  });

  test("everyone reconnects at once", async () => {
    const name = await stage.mint("herd");
    for (const { proxy } of stage.verifiers) proxy.sever();
    await stage.revoke(name, "all");
    await stage.settle();
  });

  test("16 concurrent revokers, some of whom do not wait for their answer", async () => {
    const names = await Promise.all(Array.from({ length: 16 }, () => stage.mint("many")));
    await Promise.all(names.map((name, index) => stage.revoke(name, index % 2 === 0 ? "all" : "none")));
    await stage.settle();
  });

  test("bit-flipped and truncated frames", async () => {
    let chunks = 0;
    const flip = (chunk: Buffer): Buffer => {
      chunks += 1;
      if (chunks % 3 !== 0) return chunk;
      const spoilt = Buffer.from(chunk);
      const where = Math.floor(Math.random() * spoilt.length);
      spoilt[where] = (spoilt[where] ?? 0) ^ (1 << (chunks % 8));
      return chunks % 2 === 0 ? spoilt : spoilt.subarray(0, where);
    };
    for (const { proxy } of some()) proxy.set({ spoil: flip }, "down");
    for (let round = 0; round < 3; round += 1) await revokeDuring("flip");
    assert(chunks > 0);
    for (const { proxy } of some()) {
      proxy.set({ spoil: null });
      proxy.sever();
    }
    await stage.settle();
  });

  test("revoke during a refresh: what the refresh gave is dead too", async () => {
    const body = { identifier: "kim", password: "one horse, two batteries" };
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const answer = await stage.request("POST", "/v1/sessions", body);
      const name = await stage.adopt("refreshed", text(answer.access_token));
      const refresh = { refresh_token: answer.refresh_token };
      const [fresh] = await Promise.all([
        stage.request("POST", "/v1/sessions/refresh", refresh).catch(() => null),
        later(attempt).then(() => stage.revoke(name, "all")),
      ]);
      if (fresh === null) continue;
      const other = stage.truth(await stage.adopt("refresh", text(fresh.access_token)));
      const { revokeBegan, revokeDone, confirmedAt } = stage.truth(name);
      Object.assign(other, { revokeBegan, revokeDone, confirmedAt });
    }
    await stage.settle();
  });

  test("logging in again in the same millisecond as `user` is revoked, and overlapping kinds", async () => {
    const living = [...stage.oracle.truths].filter(([, truth]) => truth.revokeBegan === Number.POSITIVE_INFINITY);
    const first = await stage.mint("overlap");
    const { sub, jti, gid } = JSON.parse(
      Buffer.from(stage.truth(first).token.split(".")[1] ?? "", "base64url").toString(),
    ) as Record<string, string>;
    const names = [first, ...living.map(([name]) => name)];
    await stage.take({ kind: "token", id: jti }, [first]);
    await stage.take({ kind: "grant", id: gid }, [first]);
    await stage.take({ kind: "user", id: sub }, names, "all");
    await stage.mint("again");
    await stage.settle();
  });

  test("expired feed credentials mid-stream: a deleted resource server trusts its copy no longer than N", async () => {
    const gone = at(VERIFIERS - 2);
    await stage.operator("DELETE", `/v1/admin/clients/${gone.clientId}`, null);
    await revokeDuring("cut");
    assert.equal((await gone.look()).live, false);
    await stage.dismiss(gone);
    await stage.settle();
  });

  test("a retired key against a cached key set: its tokens are dead, and the next key's are good at once", async () => {
    const name = await stage.mint("key");
    const { kid } = JSON.parse(Buffer.from(stage.truth(name).token.split(".")[0] ?? "", "base64url").toString()) as {
      kid: string;
    };
    const names = [...stage.oracle.truths.keys()];
    for (const each of names) stage.truth(each).keyGone = true;
    await stage.take({ kind: "key", id: kid, confirm: kid }, names, "all");
    await stage.mint("next-key");
    await stage.settle();
  });

  test("restore from a backup: what lived before it is dead everywhere, and a new log-in is good", async () => {
    const backup = join(stage.folder, "backup.db");
    const made = await mapae(stage.folder, ["backup", backup], { settings: stage.settings });
    assert.equal(made.code, 0, made.stderr);
    const name = await stage.mint("tail");
    await stage.revoke(name, "all");
    await stage.endServer("SIGKILL");
    const names = [...stage.oracle.truths.keys()];
    for (const each of names) Object.assign(stage.truth(each), { keyGone: true });
    const began = clock();
    for (const each of names) stage.truth(each).revokeBegan = Math.min(stage.truth(each).revokeBegan, began);
    const restored = await mapae(stage.folder, ["restore", backup, "--yes"], { settings: stage.settings });
    assert.equal(restored.code, 0, restored.stderr);
    await stage.startServer();
    const done = clock();
    for (const each of names) stage.truth(each).revokeDone = Math.min(stage.truth(each).revokeDone, done);
    await stage.mint("restored");
    await stage.settle();
  });

  test("all of that was seen: verdicts of every sort, and not one that must not be", () => {
    const { counts } = stage.oracle;
    for (const [what, count] of Object.entries(counts)) assert(count > 0, what);
    stage.check();
  });
});
