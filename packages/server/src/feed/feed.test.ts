/** The feed over a memory log, with time that only moves when told, and verifiers that are a list of frames. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  decodeServerFrame,
  decodeSnapshot,
  encodeClientFrame,
  formatPosition,
  ORIGIN,
  type ServerFrame,
} from "@mapae/verifier/revocation";
import { type Client, hashClientSecret } from "../clients/client.ts";
import { Unavailable } from "../prelude/fault.ts";
import { asId } from "../prelude/ids.ts";
import { type SetAlarm, systemWorld, type World } from "../prelude/world.ts";
import { isBefore, type Position } from "../revocation/entry.ts";
import type { RevocationStore } from "../revocation/store.ts";
import { signingKey } from "../storage/contract/keys.ts";
import { openMemory } from "../storage/memory/memory.ts";
import type { Storage } from "../storage/storage.ts";
import { BACKLOG_MAX, GREETING_MS, RELEASED_CODE, SILENCE_MS } from "./connection.ts";
import { type Feed, type FeedNotice, type FeedParts, openFeed } from "./feed.ts";
import { outlast } from "./lease.ts";
import type { FeedConnection, Link } from "./link.ts";
import { createVerifiers, type Verifier } from "./verifiers.ts";
import type { Confirmation } from "./waiting.ts";

const N = 5_000;
const ISSUER = "https://login.example.com";
const START = Date.UTC(2026, 0, 1);

class Time {
  elapsed = 0;
  #alarms: { at: number; ring: () => void }[] = [];
  readonly world: World = {
    clock: { now: () => START + this.elapsed, monotonic: () => this.elapsed },
    random: systemWorld.random,
  };
  readonly alarm: SetAlarm = (ms, ring) => {
    const alarm = { at: this.elapsed + ms, ring };
    this.#alarms.push(alarm);
    return () => {
      this.#alarms = this.#alarms.filter((other) => other !== alarm);
    };
  };

  async pass(ms: number): Promise<void> {
    const until = this.elapsed + ms;
    await settle();
    for (;;) {
      const next = this.#alarms.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#alarms = this.#alarms.filter((other) => other !== next);
      this.elapsed = Math.max(this.elapsed, next.at);
      next.ring();
      await settle();
    }
    this.elapsed = until;
    await settle();
  }
}

/** Lets every promise that can settle do so. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

class TestLink implements Link {
  readonly got: ServerFrame[] = [];
  code: number | null = null;
  stuck = 0;
  connection: FeedConnection | null = null;

  send(frame: string | Uint8Array): void {
    const decoded = decodeServerFrame(frame);
    assert(decoded !== null);
    if (this.stuck > 0) this.stuck += frame.length;
    else this.got.push(decoded);
  }
  waiting(): number {
    return this.stuck;
  }
  close(code: number): void {
    this.code = code;
  }

  hello(client: string, after: Position, more: { secret?: string; acceptMs?: number } = {}): void {
    const { secret = `${client} secret`, acceptMs = 0 } = more;
    this.tell({ type: "hello", clientId: client, clientSecret: secret, after, instance: null, acceptMs });
  }
  ping(n: number): void {
    this.tell({ type: "ping", n });
  }
  ack(position: Position): void {
    this.tell({ type: "ack", position });
  }
  tell(frame: Parameters<typeof encodeClientFrame>[0]): void {
    this.connection?.received(encodeClientFrame(frame));
  }
  types(): readonly string[] {
    return this.got.map(({ type }) => type);
  }
  last<Type extends ServerFrame["type"]>(type: Type): ServerFrame & { type: Type } {
    const frame = this.got.findLast((each): each is ServerFrame & { type: Type } => each.type === type);
    assert(frame !== undefined, `no ${type}`);
    return frame;
  }
}

class Stage {
  readonly time = new Time();
  readonly storage: Storage = openMemory(this.time.world);
  readonly notices: FeedNotice[] = [];
  #feed: Feed | null = null;
  #tokens = 0;

  static async open(more: Partial<FeedParts> = {}): Promise<Stage> {
    const stage = new Stage();
    for (const id of ["orders", "files"]) {
      const client: Client = {
        id: asId("client", id),
        kind: "resource_server",
        name: id,
        secretHash: hashClientSecret(`${id} secret`),
        scope: [],
        audience: `https://${id}.example.com`,
        jwks: null,
        createdAt: START,
      };
      await stage.storage.clients.create(client, []);
    }
    await stage.start(more);
    return stage;
  }

  async start(more: Partial<FeedParts> = {}): Promise<void> {
    this.#feed = await openFeed({
      log: this.storage.revocation,
      store: this.storage.feed,
      verifiers: createVerifiers(this.storage.clients, ISSUER),
      feedKey: new Uint8Array(32).fill(7),
      sign: {
        checkpoint: async ({ aud, position, count, since }) =>
          `signed for ${aud}: ${since === null ? "all" : formatPosition(since)} to ${formatPosition(position)}, ${count}`,
        ticket: async (claims) => JSON.stringify(claims),
      },
      issuer: ISSUER,
      leaseMs: N,
      nodes: null,
      maxConnections: 3,
      world: this.time.world,
      alarm: this.time.alarm,
      notice: (notice) => this.notices.push(notice),
      ...more,
    });
  }

  get feed(): Feed {
    assert(this.#feed !== null);
    return this.#feed;
  }

  link(): TestLink {
    const link = new TestLink();
    link.connection = this.feed.connect(link);
    return link;
  }

  /** A verifier that follows and holds a lease. */
  async follower(client = "orders", more: { acceptMs?: number } = {}): Promise<TestLink> {
    const link = this.link();
    link.hello(client, this.head, more);
    await settle();
    link.ping(1);
    await settle();
    assert.equal(link.last("hb").echo, 1);
    return link;
  }

  get head(): Position {
    return this.storage.revocation.head();
  }

  async revoke(audience: string | null = null): Promise<Position> {
    this.#tokens += 1;
    const effect = { effect: "revoke_token", jti: `${this.#tokens}`, grant: null, audience, reason: "admin" } as const;
    return this.storage.revocation.apply([effect]);
  }

  /** Waits for a position; the answer, once there is one. */
  confirm(position: Position, timeoutMs: number | null = null): { answer(): Confirmation | null } {
    let answer: Confirmation | null = null;
    void this.feed.wait(position, timeoutMs).settled.then((settled) => {
      answer = settled;
    });
    return { answer: () => answer };
  }
}

describe("a verifier that connects", () => {
  test("is welcomed where it is, hears what it missed, and gets its lease behind it", async () => {
    const stage = await Stage.open();
    const missed = await stage.revoke();
    const link = stage.link();
    link.hello("orders", { epoch: missed.epoch, seq: 0 });
    link.ping(1); // before its welcome: a mistake
    await settle();
    assert.deepEqual(link.types(), ["refused"]);
    const second = stage.link();
    second.hello("orders", { epoch: missed.epoch, seq: 0 });
    await settle();
    second.ping(1);
    await settle();
    assert.deepEqual(second.types(), ["welcome", "rev", "hb"]);
    assert.deepEqual(second.last("rev").to, missed);
    assert.equal(second.last("rev").count, 1);
    assert.deepEqual(second.last("hb").head, missed);
    assert.equal(second.last("hb").leaseMs, N);
  });

  test("learns nothing without the credentials of a resource server", async () => {
    const stage = await Stage.open();
    await stage.revoke();
    for (const [client, secret] of [
      ["orders", "files secret"],
      ["nobody", "nobody secret"],
      ["mapae", "mapae secret"],
    ] as const) {
      const link = stage.link();
      link.hello(client, ORIGIN, { secret });
      await settle();
      assert.deepEqual(link.got, [{ type: "refused", code: "unauthorized" }]);
      assert.equal(link.code, 4401);
    }
    assert.equal(stage.feed.connections, 0);
    assert.deepEqual(stage.feed.standings(), []);
  });

  test("is refused above the cap, and let in when there is room again", async () => {
    const stage = await Stage.open();
    const [first] = await Promise.all([stage.follower(), stage.follower(), stage.follower()]);
    const excess = stage.link();
    assert.deepEqual(excess.got, [{ type: "refused", code: "too_many_connections" }]);
    assert.equal(excess.code, 4429);
    first?.connection?.closed(1006);
    await stage.follower();
  });

  test("says who it is in time, or is cut", async () => {
    const stage = await Stage.open();
    const link = stage.link();
    await stage.time.pass(GREETING_MS + 1_000);
    assert.equal(link.code, 4409);
    assert.equal(stage.feed.connections, 0);
  });

  test("from another epoch, from ahead of the log, or from far behind loads a snapshot; ahead is told to the operator", async () => {
    const stage = await Stage.open();
    const { epoch, seq } = await stage.revoke();
    for (const after of [ORIGIN, { epoch: epoch - 1, seq: 5 }, { epoch, seq: seq + 1 }, { epoch: epoch + 1, seq: 0 }]) {
      const link = stage.link();
      link.hello("orders", after);
      await settle();
      assert.deepEqual(link.types(), ["resync"]);
      assert.equal(link.code, 4001);
    }
    assert.deepEqual(
      stage.notices.map(({ kind }) => kind),
      ["position_ahead", "position_ahead"],
    );
  });
});

/** One entry whose last token has ended, and one of a token that lives. */
async function oldAndNew(): Promise<{ stage: Stage; start: Position; head: Position }> {
  const stage = await Stage.open();
  const start = stage.head;
  await stage.revoke();
  await stage.storage.keys.replace(0, [signingKey({ kid: "key" })], []);
  await stage.storage.keys.raiseMark("key", START / 1000 + 300);
  const head = await stage.revoke();
  await stage.time.pass(2_000);
  return { stage, start, head };
}

describe("resuming", () => {
  /** From where a verifier was to the head, without a gap. @returns how many entries came */
  function followed(link: TestLink, after: Position, head: Position): number {
    let [at, count] = [after, 0];
    for (const frame of link.got) {
      if (frame.type !== "rev") continue;
      assert.deepEqual(frame.from, at);
      at = frame.to;
      count += frame.count;
    }
    assert.deepEqual(at, head);
    return count;
  }

  test("resume older than the retention: what concerns a living token comes, and the rest is passed over", async () => {
    const { stage, start, head } = await oldAndNew();
    assert.equal(await stage.storage.revocation.compact(stage.time.world.clock.now()), 1);
    stage.feed.compact(stage.time.world.clock.now() / 1000);
    const known = stage.link();
    known.hello("orders", start);
    await settle();
    assert.equal(followed(known, start, head), 1);
    // Nor is it a gap at a node that never saw the entry, or where nothing is left.
    await stage.start();
    const fresh = stage.link();
    fresh.hello("orders", start);
    await settle();
    assert.equal(followed(fresh, start, head), 1);
    fresh.connection?.closed(1006);
    await stage.time.pass(1_000_000);
    assert.equal(await stage.storage.revocation.compact(stage.time.world.clock.now()), 1);
    await stage.start();
    const late = stage.link();
    late.hello("orders", start);
    await settle();
    assert.equal(followed(late, start, head), 0);
    late.ping(1);
    await settle();
    assert.deepEqual(late.last("hb").head, head);
  });

  test("compaction during resume: at whatever moment, no frame is missing and none is out of place", async () => {
    for (let moment = 0; moment < 3; moment += 1) {
      const { stage, start } = await oldAndNew();
      const link = stage.link();
      const compactAt = async (now: number): Promise<void> => {
        if (now !== moment) return;
        const compacted = stage.storage.revocation.compact(stage.time.world.clock.now());
        stage.feed.compact(stage.time.world.clock.now() / 1000);
        await compacted;
      };
      link.hello("orders", start);
      await compactAt(0);
      await settle();
      await compactAt(1);
      link.ping(1);
      await compactAt(2);
      const head = await stage.revoke();
      await stage.time.pass(50);
      assert.deepEqual(link.types().slice(0, 2), ["welcome", "rev"]);
      assert.equal(followed(link, start, head), moment === 0 ? 2 : 3);
      assert(!isBefore(head, link.last("hb").head));
      assert.equal(link.code, null);
    }
  });
});

describe("revocations on their way", () => {
  test("the first goes out at once, what follows within the window goes together, in order and without a gap", async () => {
    const stage = await Stage.open({ maxConnections: 500 });
    const links = [];
    for (let index = 0; index < 200; index += 1) links.push(await stage.follower());
    await stage.time.pass(100);
    await stage.revoke();
    for (const link of links) assert.equal(link.last("rev").count, 1);
    const [first, second, third] = [await stage.revoke(), await stage.revoke(), await stage.revoke()];
    const [link] = links;
    assert(link !== undefined && first !== undefined && second !== undefined);
    assert.equal(link.got.filter(({ type }) => type === "rev").length, 1);
    await stage.time.pass(20);
    assert.equal(link.got.filter(({ type }) => type === "rev").length, 2);
    assert.equal(link.last("rev").count, 3);
    assert.deepEqual(link.last("rev").to, third);
  });

  test("a token of one audience is told to nobody else, whose positions move on all the same", async () => {
    const stage = await Stage.open();
    const [orders, files] = [await stage.follower("orders"), await stage.follower("files")];
    const position = await stage.revoke("https://files.example.com");
    await stage.time.pass(30);
    assert.equal(files.last("rev").count, 1);
    assert.equal(orders.last("rev").count, 0);
    assert.deepEqual(orders.last("rev").to, position);
    const all = await stage.revoke();
    await stage.time.pass(30);
    assert.equal(orders.last("rev").count, 1);
    const ofOrders = await stage.feed.snapshot(verifier("orders"));
    const ofFiles = await stage.feed.snapshot(verifier("files"));
    assert.deepEqual([decodeSnapshot(ofOrders.octets)?.count, decodeSnapshot(ofFiles.octets)?.count], [1, 2]);
    assert.deepEqual(ofOrders.position, all);
    assert.notEqual(ofOrders.etag, ofFiles.etag);
  });

  test("a reader that does not read is cut above a bound, and what it holds then is all that is held for it", async () => {
    const stage = await Stage.open();
    const link = await stage.follower();
    link.stuck = 1;
    let most = 0;
    while (link.code === null) {
      const effects = Array.from(
        { length: 500 },
        (_, index) => ({ effect: "revoke", kind: "user", value: `${index}`, reason: "admin" }) as const,
      );
      await stage.storage.revocation.apply(effects);
      await stage.time.pass(30);
      most = Math.max(most, link.stuck);
    }
    assert.equal(link.code, 4408);
    assert(most < BACKLOG_MAX + 100_000);
  });

  test("an operator's cut: a resource server that is deleted, or whose secret changed, hears nothing more", async () => {
    const stage = await Stage.open();
    const [orders, files] = [await stage.follower("orders"), await stage.follower("files")];
    await stage.storage.clients.delete(asId("client", "orders"), [
      { effect: "revoke", kind: "client", value: "orders", reason: "client_deleted" },
    ]);
    assert.equal(orders.code, 4401);
    assert(!orders.types().includes("rev"));
    assert.equal(files.code, null);
    await stage.storage.clients.delete(asId("client", "files"), []);
    await stage.time.pass(2_000);
    assert.equal(files.code, 4401);
  });

  test("a silent link is cut, whatever TCP says of it", async () => {
    const stage = await Stage.open();
    const link = await stage.follower();
    await stage.time.pass(SILENCE_MS + 2_000);
    assert.equal(link.code, 4409);
  });
});

describe("leases", () => {
  test("where the head cannot be read for certain, nobody gets a heartbeat", async () => {
    const stage = await Stage.open();
    let certain = true;
    const { revocation } = stage.storage;
    const log: RevocationStore = {
      ...revocation,
      readHead: async () => {
        if (!certain) throw new Unavailable("cut off from the database");
        return revocation.readHead();
      },
    };
    await stage.start({ log });
    const link = await stage.follower();
    certain = false;
    link.ping(2);
    await settle();
    assert.equal(link.last("hb").echo, 1);
    assert.equal(stage.feed.tally.headsUnknown, 1);
    const refused = stage.link();
    refused.hello("orders", stage.head);
    await settle();
    assert.deepEqual(refused.got, [{ type: "refused", code: "unavailable" }]);
    await assert.rejects(stage.feed.poll({ ...request(stage.head), ping: 1 }), Unavailable);
    certain = true;
    link.ping(3);
    await settle();
    assert.equal(link.last("hb").echo, 3);
  });

  test("a head that was read before a commit gives no lease without it, when its confirmation was told meanwhile", async () => {
    const stage = await Stage.open();
    const { revocation } = stage.storage;
    let finish = (): void => {};
    const slow: RevocationStore = {
      ...revocation,
      readHead: async () => {
        const head = revocation.head();
        await new Promise<void>((resolve) => {
          finish = resolve;
        });
        return head;
      },
    };
    await stage.start({ log: slow });
    await stage.time.pass(outlast(N)); // no lease of the first process runs any more
    const link = stage.link();
    link.hello("orders", stage.head);
    await settle();
    finish();
    await settle();
    link.ping(1);
    await settle();
    await stage.revoke(); // goes out at once
    const second = await stage.revoke(); // waits for the window
    const confirmation = stage.confirm(second);
    await settle();
    assert.equal(confirmation.answer()?.by, "leases");
    finish();
    await settle();
    assert.deepEqual(link.last("hb").head, second, "the lease is taken behind all that was sent");
    assert.deepEqual(link.types(), ["welcome", "rev", "rev", "hb"]);
    assert.deepEqual(link.last("rev").to, second);
  });

  test("the same for one that polls", async () => {
    const stage = await Stage.open();
    const { revocation } = stage.storage;
    const ends: (() => void)[] = [];
    let slow = false;
    const log: RevocationStore = {
      ...revocation,
      readHead: async () => {
        const head = await revocation.readHead();
        if (slow) await new Promise<void>((end) => ends.push(end));
        return head;
      },
    };
    await stage.start({ log });
    await stage.time.pass(outlast(N));
    slow = true;
    const polled = stage.feed.poll({ ...request(stage.head), ping: 7 });
    await settle();
    const position = await stage.revoke();
    const held = stage.confirm(position);
    await settle();
    assert.equal(held.answer()?.confirmed, true, "nobody holds a lease yet");
    slow = false;
    for (const end of ends) end();
    await settle();
    const answer = await polled;
    const beat = answer.at(-1);
    assert(beat !== undefined && "type" in beat && beat.type === "hb");
    assert.deepEqual(beat.head, position);
  });

  test("a head that the node has not heard of yet is waited for: the entries come first", async () => {
    const stage = await Stage.open();
    const { revocation } = stage.storage;
    const heard: ((entries: Parameters<Parameters<RevocationStore["onCommit"]>[0]>[0]) => void)[] = [];
    const log: RevocationStore = { ...revocation, onCommit: (listener) => heard.push(listener) };
    await stage.start({ log });
    const link = stage.link();
    link.hello("orders", stage.head);
    await settle();
    const position = await stage.revoke();
    // The contract of readHead: listeners have been told by the time it resolves. Here they are, just before.
    const entries = await revocation.after({ epoch: position.epoch, seq: position.seq - 1 }, 10);
    link.ping(1);
    for (const listener of heard) listener(entries);
    await settle();
    assert.deepEqual(link.types(), ["welcome", "rev", "hb"]);
  });
});

test("a log that cannot be read at the start is read again until it can, and verifiers wait for that", async () => {
  const stage = await Stage.open();
  await stage.revoke();
  const { revocation } = stage.storage;
  let broken = true;
  const log: RevocationStore = {
    ...revocation,
    after: async (position, limit) => {
      if (broken) throw new Unavailable("cut off from the database");
      return revocation.after(position, limit);
    },
  };
  await stage.start({ log });
  const asked = stage.feed.snapshot(verifier("orders"));
  await stage.time.pass(3_000);
  const late = await stage.revoke();
  broken = false;
  await stage.time.pass(1_000);
  assert.deepEqual((await asked).position, late);
  assert.equal(decodeSnapshot((await asked).octets)?.count, 2);
  assert(stage.notices.every(({ kind }) => kind === "failed") && stage.notices.length > 1);
});

describe("confirmation", () => {
  test("every verifier has acknowledged: at once, and with the count", async () => {
    const stage = await Stage.open();
    const links = [await stage.follower(), await stage.follower("files")];
    const position = await stage.revoke();
    const held = stage.confirm(position);
    await stage.time.pass(9);
    assert.equal(held.answer(), null);
    links[0]?.ack(position);
    await settle();
    assert.equal(held.answer(), null);
    links[1]?.ack(position);
    await settle();
    assert.deepEqual(held.answer(), {
      confirmed: true,
      by: "acknowledgements",
      waitedMs: 9,
      acknowledged: 2,
      outstanding: [],
      unbound: [],
      unheard: [],
    });
    assert.deepEqual(stage.notices, []);
  });

  test("those who follow are asked for it, behind its entries and without the window; whoever comes back meanwhile, too", async () => {
    const stage = await Stage.open();
    const [one, other] = [await stage.follower(), await stage.follower("files")];
    const before = stage.head;
    await stage.revoke();
    const position = await stage.revoke(); // within the window of the first
    stage.feed.ask(position);
    for (const link of [one, other]) {
      assert.deepEqual(link.types().slice(-3), ["rev", "rev", "ask"]);
      assert.deepEqual(link.last("ask").position, position);
    }
    one.ack(position);
    stage.feed.ask(position);
    assert.equal(one.types().filter((type) => type === "ask").length, 1);
    const back = stage.link();
    back.hello("files", before);
    await settle();
    assert.deepEqual(back.types(), ["welcome", "rev", "ask"]);
  });

  test("an acknowledgement of what was not sent cuts the connection and confirms nothing", async () => {
    const stage = await Stage.open();
    const link = await stage.follower();
    link.ack({ epoch: stage.head.epoch, seq: stage.head.seq + 1 });
    assert.equal(link.code, 4400);
    const held = stage.confirm(await stage.revoke());
    await stage.time.pass(outlast(N) - 1);
    assert.equal(held.answer(), null);
    await stage.time.pass(1);
    assert.equal(held.answer()?.confirmed, true);
  });

  test("a verifier that died is waited for until its lease has ended, and the operator is told", async () => {
    const stage = await Stage.open();
    const [alive, dead] = [await stage.follower(), await stage.follower("files")];
    dead.connection?.closed(1006);
    await stage.time.pass(2_000);
    const position = await stage.revoke();
    const held = stage.confirm(position);
    alive.ack(position);
    await stage.time.pass(outlast(N) - 2_001);
    assert.equal(held.answer(), null);
    await stage.time.pass(1);
    const answer = held.answer();
    assert(answer?.confirmed === true && answer.by === "leases");
    assert.deepEqual(
      answer.outstanding.map(({ client }) => client),
      ["files"],
    );
    assert.equal(stage.notices[0]?.kind, "slow_verifiers");
  });

  test("one that closed and said that it holds no lease is not waited for", async () => {
    const stage = await Stage.open();
    const [alive, closed] = [await stage.follower(), await stage.follower("files")];
    const position = await stage.revoke();
    const held = stage.confirm(position);
    alive.ack(position);
    closed.connection?.closed(RELEASED_CODE);
    await settle();
    assert.equal(held.answer()?.by, "acknowledgements");
  });

  test("one that comes back under its old id is another: both are waited for", async () => {
    const stage = await Stage.open();
    const before = await stage.follower();
    const { instance } = before.last("welcome");
    before.connection?.closed(1006);
    const after = stage.link();
    after.tell({
      type: "hello",
      clientId: "orders",
      clientSecret: "orders secret",
      after: stage.head,
      instance,
      acceptMs: 0,
    });
    await settle();
    assert.notEqual(after.last("welcome").instance, instance);
    const position = await stage.revoke();
    const held = stage.confirm(position);
    after.ack(position);
    await settle();
    assert.equal(held.answer(), null);
    await stage.time.pass(outlast(N));
    assert.equal(held.answer()?.confirmed, true);
  });

  test("after a restart nothing is confirmed by acknowledgements before leases of the time before have ended", async () => {
    const stage = await Stage.open();
    await stage.follower();
    stage.feed.close();
    await stage.time.pass(1_000);
    await stage.start();
    const back = await stage.follower();
    const position = await stage.revoke();
    const held = stage.confirm(position);
    back.ack(position);
    await stage.time.pass(outlast(N) - 1);
    assert.equal(held.answer(), null, "another verifier may be cut off with a lease that the last process gave");
    await stage.time.pass(1);
    assert.equal(held.answer()?.confirmed, true);
  });

  test("lowering N takes effect once the last longer lease has ended; raising it is remembered first", async () => {
    const stage = await Stage.open({ leaseMs: 60_000 });
    assert.equal(await stage.storage.feed.leaseMs(), 60_000);
    await stage.start({ leaseMs: 1_000 });
    const held = stage.confirm(await stage.revoke());
    await stage.time.pass(outlast(60_000) - 1);
    assert.equal(held.answer(), null);
    assert.equal(await stage.storage.feed.leaseMs(), 60_000, "a crash now must not forget it");
    await stage.time.pass(1);
    assert.equal(held.answer()?.confirmed, true);
    stage.confirm(stage.head);
    await settle();
    assert.equal(await stage.storage.feed.leaseMs(), 1_000);
  });

  test("a timeout answers without confirming, with who is missing", async () => {
    const stage = await Stage.open();
    await stage.follower();
    const held = stage.confirm(await stage.revoke(), 50);
    await stage.time.pass(50);
    assert.deepEqual([held.answer()?.confirmed, held.answer()?.outstanding.length], [false, 1]);
  });

  test("verifiers that may accept without a lease are named, after a restart too", async () => {
    const stage = await Stage.open();
    const stubborn = await stage.follower("files", { acceptMs: 600_000 });
    stubborn.connection?.closed(1006);
    stage.feed.close();
    await stage.start();
    const held = stage.confirm(await stage.revoke());
    await stage.time.pass(outlast(N));
    assert.equal(held.answer()?.confirmed, true);
    assert.deepEqual(
      held.answer()?.unbound.map(({ client }) => client),
      ["files"],
    );
    await stage.time.pass(700_000);
    const later = stage.confirm(stage.head);
    await settle();
    assert.deepEqual(later.answer()?.unbound, []);
    assert.deepEqual(await stage.storage.feed.unbound(), []);
  });

  test("where other nodes serve the same log, acknowledgements confirm nothing, and N is waited for", async () => {
    const stage = await Stage.open({ nodes: "unknown" });
    const link = await stage.follower();
    const position = await stage.revoke();
    const held = stage.confirm(position);
    link.ack(position);
    await stage.time.pass(outlast(N) - 1);
    assert.equal(held.answer(), null);
    await stage.time.pass(1);
    assert.deepEqual([held.answer()?.confirmed, held.answer()?.by], [true, "time"]);
  });

  test("who was told of a token is waited for as long as he may act on it, and no longer than N", async () => {
    const stage = await Stage.open();
    assert.equal(await stage.feed.lend(verifier("orders"), 1_000), 1_000);
    const short = stage.confirm(await stage.revoke());
    await stage.time.pass(outlast(1_000) - 1);
    assert.equal(short.answer(), null);
    await stage.time.pass(1);
    assert.equal(short.answer()?.by, "leases");

    assert.equal(await stage.feed.lend(verifier("orders"), 60_000), N);
    const long = stage.confirm(await stage.revoke());
    await stage.time.pass(outlast(N) - 1);
    assert.equal(long.answer(), null);
    await stage.time.pass(1);
    assert.equal(long.answer()?.confirmed, true);
    assert.deepEqual(
      long.answer()?.outstanding.map(({ client }) => client),
      ["orders"],
    );
  });

  test("closing this process confirms nothing", async () => {
    const stage = await Stage.open();
    const link = await stage.follower();
    const held = stage.confirm(await stage.revoke());
    stage.feed.close();
    await settle();
    assert.deepEqual([held.answer()?.confirmed, held.answer()?.by], [false, "closing"]);
    assert.equal(link.code, 1001);
  });
});

const verifier = (id: string): Verifier => ({
  client: asId("client", id),
  audience: `https://${id}.example.com`,
  shown: { by: "secret", hash: hashClientSecret(`${id} secret`) },
});
const request = (after: Position) => ({
  verifier: verifier("orders"),
  after,
  ping: 1,
  instance: null,
  acceptMs: 0,
  checkpoint: null,
});

describe("polling", () => {
  test("is welcome, entries and heartbeat in one answer, and keeps one id", async () => {
    const stage = await Stage.open();
    const before = stage.head;
    const position = await stage.revoke();
    const [welcome, rev, beat] = await stage.feed.poll(request(before));
    assert(welcome !== undefined && "type" in welcome && welcome.type === "welcome");
    assert(rev instanceof Uint8Array);
    assert(beat !== undefined && "type" in beat && beat.type === "hb");
    assert.deepEqual([beat.echo, beat.head], [1, position]);
    const again = await stage.feed.poll({ ...request(position), instance: welcome.instance });
    assert.deepEqual(again.length, 2);
    assert.equal(stage.feed.standings().length, 1);
  });

  test("counts by its leases alone, so that two who poll under one id are both covered", async () => {
    const stage = await Stage.open();
    const [welcome] = await stage.feed.poll(request(stage.head));
    assert(welcome !== undefined && "type" in welcome && welcome.type === "welcome");
    const position = await stage.revoke();
    const held = stage.confirm(position);
    await stage.feed.poll({ ...request(position), instance: welcome.instance });
    assert.equal(held.answer(), null);
    await stage.time.pass(outlast(N));
    assert.equal(held.answer()?.by, "time");
  });

  test("another resource server's id, or a stream's, is not taken over", async () => {
    const stage = await Stage.open();
    const link = await stage.follower();
    for (const instance of [link.last("welcome").instance, "ins_unknown"]) {
      const [welcome] = await stage.feed.poll({ ...request(stage.head), instance });
      assert(welcome !== undefined && "type" in welcome && welcome.type === "welcome");
      assert.notEqual(welcome.instance, instance);
    }
    const [other] = await stage.feed.poll({ ...request(stage.head), verifier: verifier("files") });
    assert(other !== undefined && "type" in other && other.type === "welcome");
    const [mine] = await stage.feed.poll({ ...request(stage.head), instance: other.instance });
    assert(mine !== undefined && "type" in mine && mine.type === "welcome");
    assert.notEqual(mine.instance, other.instance);
  });
});

describe("snapshots", () => {
  test("are signed anew when the key that signed them was revoked, without waiting for another entry", async () => {
    let key = "first";
    const stage = await Stage.open({
      sign: {
        checkpoint: async () => `by ${key}`,
        ticket: async () => "",
        holds: (checkpoint) => checkpoint === `by ${key}`,
      },
    });
    assert.equal((await stage.feed.snapshot(verifier("orders"))).checkpoint, "by first");
    key = "second";
    assert.equal((await stage.feed.snapshot(verifier("orders"))).checkpoint, "by second");
  });

  test("are one immutable piece for many, signed, and new when enough has come since", async () => {
    const stage = await Stage.open();
    await stage.revoke();
    const [one, same, other] = await Promise.all([
      stage.feed.snapshot(verifier("orders")),
      stage.feed.snapshot(verifier("orders")),
      stage.feed.snapshot(verifier("files")),
    ]);
    assert.equal(one, same);
    assert.equal(one.octets, other.octets);
    // Whose single tokens are in it is signed with it: that of another audience would lack some.
    for (const [snapshot, aud] of [
      [one, "orders"],
      [other, "files"],
    ] as const) {
      const expected = `signed for https://${aud}.example.com: all to ${formatPosition(one.position)}, 1`;
      assert.equal(snapshot.checkpoint, expected);
    }
    const position = await stage.revoke();
    assert.equal(await stage.feed.snapshot(verifier("orders")), one);
    await stage.time.pass(5_000);
    const later = await stage.feed.snapshot(verifier("orders"));
    assert.deepEqual(later.position, position);
    assert.equal(decodeSnapshot(later.octets)?.count, 2);
    assert(isBefore(one.position, later.position));
  });
});
