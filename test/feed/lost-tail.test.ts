/**
 * A database that lost its end: an older file is put in its place, by hand, while the server is down. A verifier that was
 * given a later position proves it, and what the old file revived ends by itself. Real files, real sockets.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createVerifier, type Verifier } from "@mapae/verifier";
import { encodeClientFrame, type Position } from "@mapae/verifier/revocation";
import type { ConfigInput } from "../../packages/server/src/settings/config.ts";
import { object, type ResourceServer, type Tokens } from "../stage.ts";
import { type Service, startService } from "./service.ts";

const folder = mkdtempSync(join(tmpdir(), "mapae-tail-"));
const houses: House[] = [];
after(async () => {
  for (const house of houses) await house.close();
  rmSync(folder, { recursive: true });
});
let made = 0;

async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 1_500; tries += 1) {
    if (await condition()) return;
    await sleep(10);
  }
  assert.fail(`never: ${what}`);
}

/** One installation, whose server starts and stops and whose file can be put back. */
class House {
  readonly file: string;
  readonly settings: ConfigInput;
  readonly verifiers: Verifier[] = [];
  orders: ResourceServer = { id: "", secret: "" };
  #service: Service | null = null;
  #port = 0;

  constructor(settings: ConfigInput) {
    made += 1;
    houses.push(this);
    this.file = join(folder, `${made}.db`);
    const secret = "a-secret-of-32-characters-or-more";
    this.settings = { databaseUrl: `sqlite:${this.file}`, secret, ...settings };
  }

  get service(): Service {
    assert.ok(this.#service !== null);
    return this.#service;
  }

  async start(): Promise<void> {
    this.#service = await startService(this.settings, this.#port);
    this.#port = Number(new URL(this.#service.url).port);
  }

  async stop(): Promise<void> {
    await this.#service?.close();
    this.#service = null;
  }

  /** A verifier that outlives the server. */
  async verifier(webSocket?: false): Promise<Verifier> {
    const { url } = this.service;
    const verifier = createVerifier({
      issuer: url,
      audience: url,
      credentials: { clientId: this.orders.id, clientSecret: this.orders.secret },
      revocation: { onStale: "reject", ...(webSocket === false ? { webSocket } : {}) },
    });
    this.verifiers.push(verifier);
    await verifier.ready();
    return verifier;
  }

  async close(): Promise<void> {
    for (const verifier of this.verifiers) verifier.close();
    await this.stop();
  }

  /** When a signed position has reached those who follow. */
  async signedUpTo(position: Position): Promise<void> {
    const { socket, frames } = await this.service.socket();
    socket.send(this.service.hello(this.orders, position));
    await until("a welcome", () => frames.length > 0);
    let n = 0;
    await until("a signed position", async () => {
      socket.send(encodeClientFrame({ type: "ping", n: ++n }));
      await sleep(200);
      return frames.some((frame) => frame.type === "hb" && frame.checkpoint !== undefined && holds(frame.checkpoint));
    });
    socket.close();
    // The verifiers ping every second, and check what they get.
    await sleep(1_500);

    function holds(checkpoint: string): boolean {
      const { epoch, seq } = object(JSON.parse(Buffer.from(checkpoint.split(".")[1] ?? "", "base64url").toString()));
      return epoch === position.epoch && Number(seq) >= position.seq;
    }
  }

  async audit(name: string): Promise<readonly unknown[]> {
    const { items } = await this.service.server.operations.storage.audit.list({}, { limit: 200, after: null });
    return items.filter((event) => event.name === name).map(({ detail }) => detail);
  }
}

interface Night {
  readonly house: House;
  readonly verifier: Verifier;
  /** Of a session that nobody ended. */
  readonly kept: Tokens;
  /** Of one that was ended after the copy was made. */
  readonly ended: Tokens;
  readonly before: Position;
}

/** Copies the file, ends a session, puts the copy back. */
async function night(settings: ConfigInput, webSocket?: false): Promise<Night> {
  const house = new House(settings);
  await house.start();
  house.orders = await house.service.resourceServer("orders");
  await house.service.signUp("kim");
  const [kept, ended] = [await house.service.logIn("kim"), await house.service.logIn("kim")];
  await house.stop();
  copyFileSync(house.file, `${house.file}.old`);

  await house.start();
  const verifier = await house.verifier(webSocket);
  const answer = await house.service.call("DELETE", "/v1/sessions/current?wait=all", { token: ended.access });
  assert.equal(answer.body.confirmed, true);
  const before = house.service.position;
  await house.signedUpTo(before);
  await house.stop();

  copyFileSync(`${house.file}.old`, house.file);
  await house.start();
  assert.ok(house.service.position.seq < before.seq, "the end is lost");
  return { house, verifier, kept, ended, before };
}

const codeOf = (verifier: Verifier, token: string): string => {
  const verdict = verifier.verify(token);
  return verdict.ok ? "ok" : verdict.code;
};

describe("an older file in the database's place", () => {
  for (const [how, webSocket] of [["a stream"], ["polls", false]] as const) {
    test(`is noticed over ${how}: a new epoch begins by itself, and every token of before is refused`, async () => {
      const { house, verifier, kept, ended, before } = await night({}, webSocket);
      await until("a new epoch", () => {
        assert.notEqual(codeOf(verifier, ended.access), "ok", "what was revoked is never accepted again");
        return house.service.position.epoch > before.epoch;
      });
      // By the entry for everyone, or because its key is published no more: whichever comes first.
      const dead = ["token_revoked", "unknown_key"];
      await until("the verifier knows", () => dead.includes(codeOf(verifier, kept.access)));
      assert.ok(dead.includes(codeOf(verifier, ended.access)));
      const me = await house.service.call("GET", "/v1/me", { token: kept.access });
      assert.equal(me.status, 401);
      const refreshed = await house.service.call("POST", "/v1/sessions/refresh", {
        body: { refresh_token: ended.refresh },
      });
      assert.deepEqual([refreshed.status, refreshed.body.reason], [401, "restored"]);

      const again = await house.service.logIn("kim");
      await until("life goes on", async () => (await verifier.check(again.access)).ok);
      const kidOf = (token: string) => JSON.parse(Buffer.from(token.split(".")[0] ?? "", "base64url").toString()).kid;
      assert.notEqual(kidOf(again.access), kidOf(kept.access), "the key is a new one");
      const { epoch } = house.service.position;
      const [told, ...more] = await house.audit("store.tail_lost");
      assert.deepEqual(more, []);
      assert.deepEqual(
        { ...object(told), head_seq: 0 },
        {
          epoch,
          keep_sessions: false,
          lost_epoch: before.epoch,
          lost_seq: before.seq,
          head_epoch: before.epoch,
          head_seq: 0,
        },
      );
    });
  }

  test("ends nobody's session where the operator chose so; what the verifier knows it goes on refusing", async () => {
    const { house, verifier, kept, ended, before } = await night({ lostTail: "keep_sessions" });
    await until("a new epoch", () => house.service.position.epoch > before.epoch);
    await until("the verifier follows it", async () => {
      const { position, trust } = verifier.status() ?? {};
      return trust === "live" && position?.startsWith(`${house.service.position.epoch}.`) === true;
    });
    assert.equal(codeOf(verifier, kept.access), "ok");
    assert.equal(codeOf(verifier, ended.access), "token_revoked");
    assert.equal((await house.service.call("GET", "/v1/me", { token: kept.access })).status, 200);
  });
});

describe("a resource server that claims a later position", () => {
  let house: House;
  const claim = async (position: Position, checkpoint?: string) => {
    const { socket, frames } = await house.service.socket();
    const { id, secret } = house.orders;
    const signed = checkpoint === undefined ? {} : { checkpoint };
    const hello = { type: "hello", clientId: id, clientSecret: secret, after: position, instance: null } as const;
    socket.send(encodeClientFrame({ ...hello, acceptMs: 0, ...signed }));
    await once(socket, "close");
    return frames.map((frame) => (frame.type === "resync" ? frame.reason : frame.type));
  };

  test("begins nothing: a claim, a forged proof, and a true one of another issuer or an earlier epoch", async () => {
    house = new House({});
    await house.start();
    house.orders = await house.service.resourceServer("orders");
    const { keyring } = house.service.server.operations;
    const { epoch, seq } = house.service.position;
    const ahead = { epoch, seq: seq + 100 };
    const { createFeedSigner } = await import("../../packages/server/src/server/feed-service.ts");
    const sign = (issuer: string) => (position: Position) =>
      createFeedSigner(keyring, issuer).checkpoint({
        ...{ aud: issuer, position, since: null, count: 1, sha256: "digest", iat: Math.floor(Date.now() / 1000) },
      });
    const [here, elsewhere] = [sign(house.service.url), sign("https://other.example")];
    const genuine = await here({ epoch: epoch - 1, seq: 10_000 });
    const proofs = [undefined, "", "x.y.z", await elsewhere(ahead), genuine, `${genuine.slice(0, -4)}AAAA`];
    for (const proof of proofs) assert.deepEqual(await claim(ahead, proof), ["ahead"]);
    assert.deepEqual(house.service.position, { epoch, seq });
    assert.deepEqual(await house.audit("store.tail_lost"), []);

    // And the poll, with the proof in its header.
    const basic = Buffer.from(`${house.orders.id}:${house.orders.secret}`).toString("base64");
    const path = `/v1/revocations?after=${epoch}.${seq + 100}&ping=1`;
    for (const proof of ["x.y.z", genuine]) {
      const headers = { authorization: `Basic ${basic}`, "mapae-checkpoint": proof };
      assert.match((await house.service.call("GET", path, { headers })).text, /"reason":"ahead"/);
    }
    assert.deepEqual(house.service.position, { epoch, seq });

    // What would count: this server's own word.
    assert.deepEqual(await claim(ahead, await here(ahead)), ["epoch"]);
    assert.ok(house.service.position.epoch > epoch);
  });
});
