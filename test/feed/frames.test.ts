/**
 * A feed that somebody meddles with on its way, over real sockets: whatever becomes of the frames, a revocation that was
 * confirmed holds, and once they come as they were sent, the verifier trusts its copy again.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { after, afterEach, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createVerifier, type Verifier } from "@mapae/verifier";
import { SNAPSHOT_HEADER_BYTES } from "../../packages/verifier/src/revocation/snapshot.ts";
import type { ResourceServer } from "../stage.ts";
import { type Forge, type Meddle, type Meddler, type Message, startMeddler } from "./meddler.ts";
import { type Service, startService } from "./service.ts";

let service: Service;
let orders: ResourceServer;
let meddler: Meddler;
before(async () => {
  service = await startService();
  orders = await service.resourceServer("orders");
  meddler = await startMeddler(service.url);
  await service.signUp("kim");
});
after(async () => {
  await meddler.close();
  await service.close();
});
afterEach(() => {
  meddler.meddle = (frame) => [frame];
  meddler.forge = (snapshot) => snapshot;
});

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(10);
}

const isLive = (verifier: Verifier) => verifier.status()?.trust === "live";

/** Logs in and out; the log-out is confirmed. @returns the token */
async function loggedOut(): Promise<string> {
  const { access } = await service.logIn("kim");
  const answer = await service.call("DELETE", "/v1/sessions/current?wait=all", { token: access });
  assert.deepEqual([answer.status, answer.body.confirmed], [200, true]);
  return access;
}

const isWelcome = (frame: Message) => typeof frame === "string" && frame.includes('"welcome"');

/** Frames change places with the next one; the last one waits. */
function swapping(): Meddle {
  let held: Message | null = null;
  return (frame) => {
    if (isWelcome(frame)) return [frame];
    const [before, now] = [held, frame];
    held = before === null ? now : null;
    return before === null ? [] : [now, before];
  };
}

const WAYS: readonly (readonly [string, () => Meddle])[] = [
  ["duplicate", () => (frame) => (isWelcome(frame) ? [frame] : [frame, frame])],
  ["duplicate welcome", () => (frame) => [frame, frame]],
  ["reordered", swapping],
  ["truncated", () => (frame) => [frame.slice(0, -1)]],
  [
    "bit-flipped",
    () => (frame) => {
      const octets = Buffer.from(frame);
      const at = Math.floor(Math.random() * octets.length);
      octets[at] = (octets[at] ?? 0) ^ (1 << Math.floor(Math.random() * 7));
      return [typeof frame === "string" ? octets.toString() : octets];
    },
  ],
  ["unknown", () => (frame) => [frame, '{"type":"conquer"}']],
  ["unknown binary", () => (frame) => [frame, randomBytes(100)]],
  ["withheld", () => (frame) => (typeof frame === "string" ? [frame] : [])],
];

describe("frames that are meddled with", { timeout: 120_000 }, () => {
  for (const [what, meddle] of WAYS) {
    test(`${what} frames: nothing that is confirmed is accepted, and honest frames bring trust back`, async () => {
      const revocation = { onStale: "reject", feed: meddler.url } as const;
      const verifier = await service.verifier(orders, { revocation });
      meddler.meddle = meddle();
      for (let round = 0; round < 2; round += 1) {
        const verdict = verifier.verify(await loggedOut());
        assert(!verdict.ok);
      }
      meddler.meddle = (frame) => [frame];
      meddler.sever();
      const dead = await loggedOut();
      await until(() => isLive(verifier));
      const verdict = verifier.verify(dead);
      assert(!verdict.ok && verdict.code === "token_revoked");
      assert(verifier.verify((await service.logIn("kim")).access).ok);
      verifier.close();
    });
  }
});

const FORGERIES: readonly (readonly [string, Forge])[] = [
  ["without one of its entries", (snapshot) => snapshot.subarray(0, -40)],
  [
    "with the same number of entries, one of them changed",
    (snapshot) => {
      const forged = Buffer.from(snapshot);
      forged[forged.length - 1] = (forged.at(-1) ?? 0) ^ 1;
      return forged;
    },
  ],
  [
    "at a later position than it is",
    (snapshot) => {
      const forged = Buffer.from(snapshot);
      for (let at = 0; at < SNAPSHOT_HEADER_BYTES; at += 1) forged[at] = (forged[at] ?? 0) ^ (at % 3);
      return forged;
    },
  ],
  ["that is empty", () => Buffer.alloc(0)],
];

describe("forged snapshots", { timeout: 120_000 }, () => {
  for (const [what, forge] of FORGERIES) {
    test(`${what}: not trusted, nothing is accepted by it, and an honest one is taken afterwards`, async () => {
      const dead = await loggedOut();
      meddler.forge = forge;
      const verifier = createVerifier({
        issuer: service.url,
        audience: service.url,
        credentials: { clientId: orders.id, clientSecret: orders.secret },
        revocation: { onStale: "reject", feed: meddler.url },
      });
      await assert.rejects(verifier.ready(), /snapshot/);
      assert.equal(isLive(verifier), false);
      assert.equal(verifier.verify(dead).ok, false);
      meddler.forge = (snapshot) => snapshot;
      await until(() => isLive(verifier));
      const verdict = verifier.verify(dead);
      assert(!verdict.ok && verdict.code === "token_revoked");
      verifier.close();
    });
  }
});
