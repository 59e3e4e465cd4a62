/** Troubles of the machines and processes that verifiers and server are. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { later } from "./child.ts";
import { BOUND, N, type Stage } from "./stage.ts";

const ATTEMPTS = 4;
const HOUR_MS = 3_600_000;

export function machines(of: () => Stage): void {
  test("SIGSTOP past the lease and SIGCONT within a request", async () => {
    const stage = of();
    const stopped = stage.some();
    const names = await Promise.all([stage.mint("stop"), stage.mint("stop")]);
    for (const verifier of stopped) verifier.signal("SIGSTOP");
    // The oracle's next question is on its way to each of them now.
    await later(200);
    await Promise.all(names.map((name) => stage.revoke(name, "all")));
    await later(N / 2);
    for (const verifier of stopped) verifier.signal("SIGCONT");
    await stage.settle();
  });

  test("machine suspend: the process and its monotonic clock stand still, and time goes on", async () => {
    const stage = of();
    const asleep = stage.some();
    const names = await Promise.all([stage.mint("suspend"), stage.mint("suspend")]);
    for (const verifier of asleep) {
      await verifier.bend({ monoRate: 0 });
      verifier.signal("SIGSTOP");
    }
    await Promise.all(names.map((name) => stage.revoke(name, "all")));
    await later(N / 2);
    for (const verifier of asleep) verifier.signal("SIGCONT");
    await later(N / 2);
    stage.check();
    for (const verifier of asleep) await verifier.bend({ monoRate: 1 });
    await stage.settle();
  });

  for (const [which, wallJump] of [
    ["ahead", HOUR_MS],
    ["back", -HOUR_MS],
  ] as const) {
    test(`clock jumps of an hour: ${which}, there is no trust until the clock is right again`, async () => {
      const stage = of();
      const jumped = stage.some();
      for (const verifier of jumped) await verifier.bend({ wallJump });
      for (const verifier of jumped) await verifier.untilStale();
      await stage.revokeDuring("jump");
      for (const verifier of jumped) assert.equal((await verifier.look()).live, false);
      for (const verifier of jumped) await verifier.bend({ wallJump: -wallJump });
      await stage.settle();
    });
  }

  test("slewing and rate skew of 1 %: leases of a slow clock end within the bound, those of an uneven one early", async () => {
    const stage = of();
    const [slow, slewed] = [stage.some(), stage.some()];
    for (const verifier of slow) await verifier.bend({ monoRate: 0.99, wallRate: 0.99 });
    for (const verifier of slewed) if (!slow.includes(verifier)) await verifier.bend({ wallRate: 1.05 });
    await stage.settle();
    for (const { proxy } of [...slow, ...slewed]) proxy.set({ held: true });
    await stage.revokeDuring("skew");
    for (const { proxy } of [...slow, ...slewed]) proxy.set({ held: false });
    for (const verifier of [...slow, ...slewed]) await verifier.bend({ monoRate: 1, wallRate: 1 });
    await stage.settle();
  });

  test("a one-second pause of the event loop in verifier and node", async () => {
    const stage = of();
    const name = await stage.mint("pause");
    await Promise.all([...stage.some().map((verifier) => verifier.block(1_000)), stage.revoke(name, "all")]);
    // Before the request is read, while it is being committed, when it has been published, or in between.
    for (const delay of [0, 4]) {
      const next = await stage.mint("pause");
      const revoked = stage.revoke(next, "all");
      await later(delay);
      stage.pauseServerLoop();
      assert.equal((await revoked).confirmed, true);
    }
    // Its threads too.
    const last = await stage.mint("pause");
    stage.signalServer("SIGSTOP");
    const revoked = stage.revoke(last, "all");
    await later(1_000);
    stage.signalServer("SIGCONT");
    assert.equal((await revoked).confirmed, true);
    await stage.settle();
  });

  test("kill -9 between commit and publish, and between publish and acknowledgement: nothing acknowledged is lost", async () => {
    const stage = of();
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const cut = stage.some();
      const names = await Promise.all([stage.mint("kill"), stage.mint("kill"), stage.mint("kill")]);
      // Who cannot hear of it until the server is gone has only the log of the next one.
      if (attempt % 2 === 1) for (const { proxy } of cut) proxy.set({ held: true }, "down");
      const revoked = names.map((name, index) => stage.revoke(name, index === 0 ? "all" : "none"));
      const outcomes = Promise.allSettled(revoked);
      if (attempt < 3) await revoked[1];
      else await later(attempt);
      await stage.endServer("SIGKILL");
      await outcomes;
      for (const { proxy } of cut) proxy.set({ held: false });
      await stage.startServer();
      // It does not know who held leases of the one before: it must not confirm before they have ended.
      const early = await stage.mint("after-kill");
      assert.equal((await stage.revoke(early, "all")).confirmed, true);
    }
    await stage.settle();
  });

  test("restarts: a killed verifier comes back, cut off from the server, and its copy on the disk grants no lease", async () => {
    const stage = of();
    const killed = stage.some();
    const name = await stage.mint("restart");
    for (const verifier of killed) {
      await verifier.kill();
      verifier.proxy.set({ held: true });
    }
    await stage.revoke(name, "all");
    await Promise.all(killed.map((verifier) => verifier.start()));
    await later(500);
    for (const verifier of killed) assert.equal((await verifier.look()).live, false);
    stage.check();
    for (const { proxy } of killed) {
      proxy.set({ held: false });
      proxy.sever();
    }
    await stage.settle();
  });

  test("a server that is told to stop drains, and its successor takes everyone back", async () => {
    const stage = of();
    const name = await stage.mint("drain");
    await stage.endServer("SIGTERM");
    await stage.startServer();
    assert.equal((await stage.revoke(name, "all")).confirmed, true);
    await stage.settle();
  });

  test("an outage of the server longer than the lease: streams are back with it", async () => {
    const stage = of();
    const name = await stage.mint("outage");
    await stage.endServer("SIGKILL");
    await later(2 * BOUND);
    for (const verifier of stage.verifiers) await verifier.untilStale();
    await stage.startServer();
    assert.equal((await stage.revoke(name, "all")).confirmed, true);
    await stage.settle();
  });
}
