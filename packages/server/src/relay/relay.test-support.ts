/**
 * A tree of real feeds in one process: a login server's over a memory log, relays, and verifiers, on a clock that only
 * moves when told and links that can be cut. Signatures are texts, so that a test can read and forge them.
 */
import assert from "node:assert/strict";
import {
  CHECKPOINT_TYP,
  checkpointClaims,
  type EntrySink,
  type FeedSocket,
  type FeedWorld,
  type Feed as Followed,
  followFeed,
  type IssuerKeys,
  readTicket,
  TICKET_TYP,
} from "@mapae/verifier/revocation";
import { pino } from "pino";
import { hashClientSecret } from "../clients/client.ts";
import { type Feed, type FeedParts, openFeed } from "../feed/feed.ts";
import type { FeedConnection, Link } from "../feed/link.ts";
import type { FollowedFeed, ServingNotice } from "../feed/serving.ts";
import { isTicketGood } from "../feed/tickets.ts";
import { createVerifiers, type TicketJudge } from "../feed/verifiers.ts";
import type { Confirmation } from "../feed/waiting.ts";
import { createAddressReader } from "../http/address.ts";
import { feedRoutes, ticketRoutes } from "../http/api/feed.ts";
import { createApp, type Handler, handlerOf } from "../http/app.ts";
import { createAuthenticator } from "../http/authenticate.ts";
import { createOriginPolicy } from "../http/origin.ts";
import type { SigningKeyRecord } from "../keys/signing-key.ts";
import { asId, newId } from "../prelude/ids.ts";
import { type SetAlarm, systemWorld, type World } from "../prelude/world.ts";
import type { Position } from "../revocation/entry.ts";
import { openMemory } from "../storage/memory/memory.ts";
import type { Storage } from "../storage/storage.ts";
import { createRelayApp } from "./app.ts";
import { openRelay, type Relay } from "./relay.ts";

export const N = 5_000;
export const ISSUER = "https://login.example.com";
export const AUDIENCE = "https://orders.example.com";
const START = Date.UTC(2026, 0, 1);
const SILENT = pino({ level: "silent" });

/** Lets promises, and the threads that hash, go on. */
export async function settle(): Promise<void> {
  for (let round = 0; round < 8; round += 1) {
    await crypto.subtle.digest("SHA-256", new Uint8Array(1));
    await new Promise((resolve) => setImmediate(resolve));
  }
}

export class Time {
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

/** Somebody who serves a feed at an address. */
interface Party {
  feed: Pick<FollowedFeed, "connect"> | null;
  answer: Handler | null;
}

/** A stream, from the server's end: what is sent arrives in order, a turn later. */
class Stream implements Link {
  readonly #machine: Machine;
  connection: FeedConnection | null = null;
  /** Nothing arrives any more, and nobody is told. */
  isDark = false;
  /** Nothing of what the follower says arrives. */
  isDeaf = false;
  isOver = false;
  readonly follower: FeedSocket = {
    binaryType: "blob",
    onopen: null,
    onmessage: null,
    onclose: null,
    onerror: null,
    send: (text) => {
      queueMicrotask(() => {
        if (!this.isDark && !this.isDeaf && !this.isOver) this.connection?.received(text);
      });
    },
    close: (code = 1005) => {
      if (this.isOver) return;
      this.isOver = true;
      if (!this.isDark) this.connection?.closed(code);
    },
  };

  constructor(machine: Machine, feed: Pick<FollowedFeed, "connect"> | null) {
    this.#machine = machine;
    queueMicrotask(() => {
      if (feed === null) return this.broken();
      this.connection = feed.connect(this);
      this.follower.onopen?.(undefined as never);
    });
  }

  /** The link breaks, and both ends are told. */
  broken(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.connection?.closed(1006);
    this.follower.onclose?.(undefined as never);
  }

  send(frame: string | Uint8Array): void {
    const sent = this.#machine.change(frame);
    if (sent === null) return;
    const data = typeof sent === "string" ? sent : Uint8Array.from(sent).buffer;
    queueMicrotask(() => {
      if (!this.isDark && !this.isOver) this.follower.onmessage?.({ data } as never);
    });
  }

  waiting(): number {
    return 0;
  }

  /** What was sent before arrives before. */
  close(): void {
    queueMicrotask(() => {
      if (this.isOver || this.isDark) return;
      this.isOver = true;
      this.follower.onclose?.(undefined as never);
    });
  }
}

/** Whoever follows: its streams, and whether the world reaches it. */
export class Machine {
  readonly streams: Stream[] = [];
  isCut = false;
  /** By how many milliseconds its wall clock is ahead of the others'. */
  ahead = 0;
  /** What it cannot reach. */
  refuses: (url: URL) => boolean = () => false;
  asked: URL[] = [];
  /** What comes down, on its way. */
  change: (frame: string | Uint8Array) => string | Uint8Array | null = (frame) => frame;

  get stream(): Stream {
    return this.streams.at(-1) ?? assert.fail("no stream was opened");
  }

  /** Cut off: nothing comes or goes, and nobody is told. */
  cut(): void {
    this.isCut = true;
    for (const stream of this.streams) stream.isDark = true;
  }

  /** Reachable again; what was there is broken. */
  heal(): void {
    this.isCut = false;
    for (const stream of this.streams) stream.broken();
  }
}

/** A copy that only remembers what it took in. */
class Seen implements EntrySink {
  readonly numbers: number[] = [];
  use(): void {}
  add(octets: Uint8Array, offset: number, count: number): boolean {
    const view = new DataView(octets.buffer, octets.byteOffset);
    for (let index = 0; index < count; index += 1) this.numbers.push(view.getUint32(offset + index * 40 + 10));
    return true;
  }
  forget(): void {}
}

export interface Child {
  readonly machine: Machine;
  readonly feed: Followed<Seen>;
  trusts(): boolean;
  holds(position: Position): boolean;
}

interface RelayHost {
  readonly relay: Relay;
  readonly machine: Machine;
  readonly notices: readonly ServingNotice[];
  readonly base: string;
}

export class Tree {
  readonly time = new Time();
  readonly storage: Storage = openMemory(this.time.world);
  readonly #parties = new Map<string, Party>();
  readonly #revokedKeys = new Set<string>();
  readonly notices: ServingNotice[] = [];
  kid = "k1";
  #feed: Feed | null = null;
  #made = 0;

  static async open(more: Partial<FeedParts> = {}): Promise<Tree> {
    const tree = new Tree();
    for (const [id, audience] of [
      ["orders", AUDIENCE],
      ["stubborn", AUDIENCE],
      ["relay", AUDIENCE],
      ["files", "https://files.example.com"],
    ] as const) {
      await tree.resourceServer(id, audience);
    }
    await tree.tokensUntil(START / 1000 + 86_400);
    await tree.start(more);
    return tree;
  }

  async resourceServer(id: string, audience: string): Promise<void> {
    const secretHash = hashClientSecret(`${id} secret`);
    const client = { id: asId("client", id), kind: "resource_server", name: id, secretHash, scope: [] } as const;
    await this.storage.clients.create({ ...client, audience, jwks: null, createdAt: this.time.world.clock.now() }, []);
  }

  /** A process of the login server; the one before is gone. */
  async start(more: Partial<FeedParts> = {}): Promise<void> {
    const { world, alarm } = this.time;
    const judge: TicketJudge = {
      read: async (text) => {
        const signed = await this.keys.read(text, TICKET_TYP);
        if (typeof signed === "string") return null;
        const ticket = readTicket(signed.payload);
        return ticket === null ? null : { by: "ticket", ticket, kid: signed.kid ?? "" };
      },
      stands: ({ ticket, kid }) => isTicketGood(ticket, kid, ISSUER, world.clock.now() / 1000, () => undefined),
    };
    const verifiers = createVerifiers(this.storage.clients, ISSUER, judge);
    const feed = await openFeed({
      log: this.storage.revocation,
      store: this.storage.feed,
      verifiers,
      feedKey: new Uint8Array(32).fill(7),
      sign: {
        checkpoint: async (statement) =>
          this.signed(CHECKPOINT_TYP, { ...checkpointClaims({ iss: ISSUER, ...statement }) }),
        ticket: async (claims) => this.signed(TICKET_TYP, { ...claims }),
        holds: (text) => this.#readText(text) !== null,
      },
      issuer: ISSUER,
      leaseMs: N,
      nodes: null,
      maxConnections: 50,
      world,
      alarm,
      notice: (notice) => {
        if (notice.kind !== "failed") this.notices.push(notice);
      },
      ...more,
    });
    this.#feed = feed;
    const app = createApp({
      routes: [...feedRoutes(feed), ...ticketRoutes(feed)],
      base: "",
      authenticator: createAuthenticator(
        {
          judge: async () => ({ ok: false, code: "not_ours", reason: null }),
          readSession: () => assert.fail("nobody comes here with a session"),
          verifiers,
        },
        { issuer: ISSUER, audience: ISSUER, adminAudience: `${ISSUER}/admin` },
      ),
      origins: createOriginPolicy(ISSUER, []),
      addresses: createAddressReader([]),
      metricsTokens: [],
      logger: SILENT,
      world,
      observe: () => {},
    });
    this.#parties.set(ISSUER, { feed, answer: handlerOf(app) });
  }

  /** Tokens are out that live until then: no entry may be forgotten before. @param exp Unix seconds */
  async tokensUntil(exp: number): Promise<void> {
    const key: SigningKeyRecord = {
      ...{ kid: "tokens", alg: "ES256", state: "active", publicJwk: null, sealedPrivate: null, dataKey: 0 },
      ...{ createdAt: START, activatedAt: START, retiredAt: null, highestExp: exp },
    };
    await this.storage.keys.replace(0, [key], []);
  }

  /** A text as the issuer signs it. */
  signed(typ: string, payload: object): string {
    return JSON.stringify({ by: this.kid, typ, payload });
  }

  #readText(text: string): { by: string; typ: string; payload: Record<string, unknown> } | null {
    try {
      const read = JSON.parse(text) as { by: string; typ: string; payload: Record<string, unknown> };
      return /^k\d$/.test(read.by) && !this.#revokedKeys.has(read.by) ? read : null;
    } catch {
      return null;
    }
  }

  readonly keys: Pick<IssuerKeys, "read"> = {
    read: async (text, mediaType) => {
      const read = this.#readText(text);
      return read === null || read.typ !== mediaType ? "forged" : { payload: read.payload, kid: read.by };
    },
  };

  /** The key is revoked: nobody takes its signatures any more, and another signs. */
  async revokeKey(kid: string, next: string): Promise<void> {
    this.#revokedKeys.add(kid);
    this.kid = next;
    await this.storage.revocation.apply([{ effect: "revoke", kind: "key", value: kid, reason: "key_revoked" }]);
  }

  get origin(): Feed {
    return this.#feed ?? assert.fail("no login server");
  }

  /** The login server's process ends as by a power cut. */
  stopOrigin(): void {
    this.#feed?.close();
    this.#parties.set(ISSUER, { feed: null, answer: null });
  }

  outside(machine: Machine): FeedWorld {
    const { world, alarm } = this.time;
    const partyAt = (url: string): Party | undefined =>
      [...this.#parties].find(([base]) => url.replace(/^ws/, "http").startsWith(`${base}/`))?.[1];
    return {
      now: () => world.clock.now() + machine.ahead,
      mono: () => world.clock.monotonic(),
      after: alarm,
      chance: () => 0.5,
      turn: () => new Promise((resolve) => setImmediate(resolve)),
      connect: (url) => {
        const stream = new Stream(machine, machine.isCut ? null : (partyAt(url)?.feed ?? null));
        machine.streams.push(stream);
        return stream.follower;
      },
      fetch: async (url, init) => {
        machine.asked.push(new URL(url));
        const answer = partyAt(url)?.answer ?? null;
        if (machine.isCut || answer === null || machine.refuses(new URL(url))) throw new TypeError("fetch failed");
        return answer(new Request(url, { ...init, signal: null }));
      },
    };
  }

  /** A relay at an address; one that was there before is gone. */
  async relay(name: string, upstream: string = ISSUER, id = newId("relay", systemWorld.random)): Promise<RelayHost> {
    const machine = new Machine();
    const notices: ServingNotice[] = [];
    const { world, alarm } = this.time;
    const base = `https://${name}.example.com`;
    const relay = await openRelay({
      id,
      issuer: ISSUER,
      issuerBase: ISSUER,
      upstreamBase: upstream,
      clientId: "relay",
      clientSecret: "relay secret",
      keys: this.keys,
      maxConnections: 50,
      maxEntries: 100_000,
      world,
      alarm,
      outside: this.outside(machine),
      notice: (notice) => notices.push(notice),
    });
    const app = createRelayApp({
      ...{ relay, issuer: ISSUER, metricsTokens: [], logger: SILENT, world },
      draining: () => false,
      metrics: async () => ({ type: "text/plain", text: "" }),
    });
    this.#parties.set(base, { feed: relay, answer: handlerOf(app) });
    await settle();
    return { relay, machine, notices, base };
  }

  /** Nobody answers there any more. @param machine whose streams break */
  kill({ base, machine }: RelayHost): void {
    this.#parties.set(base, { feed: null, answer: null });
    machine.cut();
  }

  /** Whoever asks at one address comes to another. */
  lead(from: string, to: string): void {
    const party = this.#parties.get(to);
    if (party !== undefined) this.#parties.set(from, party);
  }

  ask(url: string, init: RequestInit = {}): Promise<Response> {
    return this.outside(new Machine()).fetch(url, init);
  }

  /** A verifier that follows somebody. */
  async child(base: string, client = "orders", acceptMs = 0): Promise<Child> {
    const machine = new Machine();
    const outside = this.outside(machine);
    const feed = followFeed(
      {
        issuer: ISSUER,
        issuerBase: ISSUER,
        base,
        clientId: client,
        clientSecret: `${client} secret`,
        audiences: client === "files" ? ["https://files.example.com"] : [AUDIENCE],
        maxStaleness: Number.POSITIVE_INFINITY,
        acceptMs,
        maxEntries: 100_000,
        keep: null,
        readSigned: async (text) => {
          const read = await this.keys.read(text, CHECKPOINT_TYP);
          return typeof read === "string" ? read : read.payload;
        },
      },
      outside,
      new Seen(),
    );
    await settle();
    return {
      machine,
      feed,
      trusts: () => feed.trust(outside.now()) === "live",
      holds: ({ seq }) => feed.copy.numbers.includes(seq),
    };
  }

  async revoke(audience: string | null = null): Promise<Position> {
    this.#made += 1;
    const effect = { effect: "revoke_token", jti: `${this.#made}`, grant: null, audience, reason: "admin" } as const;
    const position = await this.storage.revocation.apply([effect]);
    // What comes close together goes together: a millisecond for each that hands it on.
    await this.time.pass(4);
    return position;
  }

  async deleteClient(id: string): Promise<void> {
    await this.storage.clients.delete(asId("client", id), [
      { effect: "revoke", kind: "client", value: id, reason: "client_deleted" },
    ]);
    await settle();
  }

  /** Waits at the login server; the answer, once there is one. */
  confirm(position: Position): { answer(): Confirmation | null } {
    let answer: Confirmation | null = null;
    void this.origin.wait(position, null).settled.then((settled) => {
      answer = settled;
    });
    this.origin.ask(position);
    return { answer: () => answer };
  }
}
