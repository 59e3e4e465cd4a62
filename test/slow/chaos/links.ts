/** Troubles of the links between verifiers and their server. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { later } from "./child.ts";
import { N, type Stage } from "./stage.ts";

export function links(of: () => Stage): void {
  test("constant-lag proxy: a path of 2.4 N never grants a lease, one of a third of N does", async () => {
    const stage = of();
    const far = stage.some();
    const near = stage.of("streams").filter((verifier) => !far.includes(verifier));
    for (const { proxy } of far) proxy.set({ lagMs: N * 1.2 });
    for (const { proxy } of near) proxy.set({ lagMs: N / 6 });
    for (const verifier of far) await verifier.untilStale();
    await stage.revokeDuring("lag");
    for (const verifier of far) assert.equal((await verifier.look()).live, false);
    for (const verifier of near) await verifier.settle();
    for (const { proxy } of stage.verifiers) proxy.set({ lagMs: 0 });
    await stage.settle();
  });

  test("freeze and release", async () => {
    const stage = of();
    const frozen = stage.some();
    for (const { proxy } of frozen) proxy.set({ held: true });
    await stage.revokeDuring("freeze");
    for (const { proxy } of frozen) proxy.set({ held: false });
    await stage.settle();
  });

  test("half-open links", async () => {
    const stage = of();
    const cut = stage.some();
    for (const { proxy } of cut) {
      proxy.set({ dropped: true }, "down");
      proxy.halfOpen();
    }
    await stage.revokeDuring("half-open");
    for (const { proxy } of cut) {
      proxy.set({ dropped: false });
      proxy.sever();
    }
    await stage.settle();
  });

  test("silently dropping links", async () => {
    const stage = of();
    const cut = stage.some();
    for (const { proxy } of cut) proxy.set({ dropped: true });
    await stage.revokeDuring("drop");
    for (const { proxy } of cut) {
      proxy.set({ dropped: false });
      proxy.sever();
    }
    await stage.settle();
  });

  test("one-way partitions", async () => {
    const stage = of();
    const [deaf, dumb] = [stage.some(), stage.some()];
    for (const { proxy } of deaf) proxy.set({ held: true }, "down");
    for (const { proxy } of dumb) proxy.set({ held: true }, "up");
    await stage.revokeDuring("one-way");
    for (const { proxy } of stage.verifiers) proxy.set({ held: false });
    await stage.settle();
  });

  test("buffering proxies", async () => {
    const stage = of();
    const buffered = stage.some();
    for (const { proxy } of buffered) proxy.set({ burstMs: N / 2 });
    await stage.revokeDuring("burst");
    for (const { proxy } of buffered) proxy.set({ burstMs: 0 });
    await stage.settle();
  });

  test("questions pass and the feed does not: a remembered yes of introspection ends with the confirmation too", async () => {
    const stage = of();
    const asking = stage.of("introspects");
    for (const { proxy } of asking) proxy.block(/^GET \/v1\/revocations/);
    for (const verifier of asking) await verifier.untilStale();
    const name = await stage.mint("introspected");
    for (const verifier of asking) await verifier.untilAccepts(name);
    assert.equal((await stage.revoke(name, "all")).confirmed, true);
    await later(N);
    stage.check();
    for (const { proxy } of asking) {
      proxy.block(null);
      proxy.sever();
    }
    await stage.settle();
  });

  test("bit-flipped and truncated frames", async () => {
    const stage = of();
    const spoilt = stage.some();
    let chunks = 0;
    const flip = (chunk: Buffer): Buffer => {
      chunks += 1;
      if (chunks % 3 !== 0) return chunk;
      const changed = Buffer.from(chunk);
      const where = Math.floor(Math.random() * changed.length);
      changed[where] = (changed[where] ?? 0) ^ (1 << (chunks % 8));
      return chunks % 2 === 0 ? changed : changed.subarray(0, where);
    };
    for (const { proxy } of spoilt) proxy.set({ spoil: flip }, "down");
    for (let round = 0; round < 2; round += 1) await stage.revokeDuring("flip");
    assert(chunks > 0);
    for (const { proxy } of spoilt) {
      proxy.set({ spoil: null });
      proxy.sever();
    }
    await stage.settle();
  });

  test("everyone reconnects at once", async () => {
    const stage = of();
    const name = await stage.mint("herd");
    for (const { proxy } of stage.verifiers) proxy.sever();
    assert.equal((await stage.revoke(name, "all")).confirmed, true);
    await stage.settle();
  });
}
