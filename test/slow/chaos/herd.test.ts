/**
 * 1,000 reconnects at once: a fleet that loses its server, or all of its connections, in one moment. What was taken back
 * meanwhile is accepted by nobody once that is confirmed, and everyone is back in a stated time.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { temporaryFolder } from "../../processes.ts";
import { text } from "../../stage.ts";
import { later, RECOVERY_MS } from "./child.ts";
import type { Census, HerdSettings } from "./herd.ts";
import { clock } from "./oracle.ts";
import { Program } from "./program.ts";
import { type ChaosProxy, startProxy } from "./proxy.ts";
import { Stage } from "./stage.ts";

const COUNT = 1_000;

describe("1,000 reconnects at once", { timeout: 300_000 }, () => {
  const cleaning: (() => void)[] = [];
  let stage: Stage;
  let proxy: ChaosProxy;
  let herd: Program;
  before(async () => {
    const folder = temporaryFolder((task) => cleaning.push(task));
    // The usual N: each of them pings once a second.
    stage = await Stage.open(folder, 0, { MAPAE_REVOCATION_LEASE: "5s" });
    const body = { kind: "resource_server", id: "fleet", name: "Fleet" };
    const made = await stage.operator("POST", "/v1/admin/clients", body);
    proxy = await startProxy(stage.port);
    const settings: HerdSettings = {
      issuer: stage.issuer,
      feed: `http://localhost:${proxy.port}`,
      clientId: "fleet",
      clientSecret: text(made.client_secret),
      count: COUNT,
    };
    herd = await Program.start([join(import.meta.dirname, "herd.ts"), JSON.stringify(settings)], {}, folder);
    await back();
  });
  after(async () => {
    await herd?.end("SIGKILL");
    await stage?.close();
    await proxy?.close();
    for (const task of cleaning) task();
  });

  async function census(names: readonly string[]): Promise<Census> {
    const body = names.map((name) => stage.truth(name).token).join("\n");
    const answer = await fetch(herd.url, { method: "POST", body, signal: AbortSignal.timeout(RECOVERY_MS) });
    return (await answer.json()) as Census;
  }

  /** Until everyone trusts its copy and streams. */
  async function back(): Promise<void> {
    const until = clock() + RECOVERY_MS;
    let seen = await census([]);
    while (seen.live + seen.streaming < 2 * COUNT && clock() < until) {
      await later(250);
      seen = await census([]);
    }
    assert.deepEqual([seen.live, seen.streaming], [COUNT, COUNT]);
  }

  /** Confirmed while the herd comes back, and accepted by none from then on. */
  async function revokedAmidst(name: string): Promise<void> {
    assert.equal((await stage.revoke(name, "all")).confirmed, true);
    const { began, accepted } = await census([name]);
    assert(began > stage.truth(name).confirmedAt);
    assert.deepEqual(accepted, [0]);
  }

  test("all connections end in one moment", async () => {
    const name = await stage.mint("severed");
    assert((await census([name])).accepted.every((count) => count > 0));
    proxy.sever();
    await revokedAmidst(name);
    await back();
    assert.deepEqual((await census([name])).accepted, [0]);
  });

  test("the server is killed and comes back", async () => {
    const name = await stage.mint("killed");
    await stage.endServer("SIGKILL");
    await stage.startServer();
    await revokedAmidst(name);
    await back();
    assert.deepEqual((await census([name])).accepted, [0]);
  });

  test("afterwards every one of them acknowledges", async () => {
    let acknowledged = 0;
    // Where the machine is busy, one may just have lost its lease.
    for (let tries = 0; tries < 10 && acknowledged < COUNT; tries += 1) {
      acknowledged = (await stage.revoke(await stage.mint("calm"), "all")).acknowledged;
      await back();
    }
    assert.equal(acknowledged, COUNT);
  });
});
