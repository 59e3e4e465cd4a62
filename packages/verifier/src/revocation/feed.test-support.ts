/** The outside world of a feed, in hand: stopped clocks, sockets that say what a test says, answers from a function. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { JsonObject } from "../jose/json.ts";
import { checkpointClaims } from "./checkpoint.ts";
import type { FeedEntry, RevocationKind } from "./entry.ts";
import { entryKeys } from "./entry-key.ts";
import { type FeedOptions, openFeed } from "./feed.ts";
import type { ClientFrame, Heartbeat, ServerTextFrame } from "./frames.ts";
import type { KeptSnapshot } from "./load.ts";
import type { Position } from "./position.ts";
import { encodeSnapshot } from "./snapshot.ts";
import { decodeClientFrame, encodeServerFrame } from "./wire.ts";
import type { FeedSocket, FeedWorld } from "./world.ts";

export const ISSUER = "https://login.example.com";
export const AUDIENCE = "https://orders.example.com";
export const EPOCH = 1_800_000_000;
export const N = 5_000;
export const KEY = new Uint8Array(32).fill(3);
export const at = (seq: number, epoch = EPOCH): Position => ({ epoch, seq });

export function entry(seq: number, kind: RevocationKind = "session", value = `s-${seq}`): FeedEntry {
  const key = entryKeys(KEY, ISSUER)(kind, value);
  return { kind, reason: "logout", position: at(seq), at: EPOCH, expires: EPOCH + 900, key };
}

export class FakeSocket implements FeedSocket {
  binaryType = "blob";
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: never) => void) | null = null;
  onclose: ((event: never) => void) | null = null;
  onerror: ((event: never) => void) | null = null;
  readonly url: string;
  readonly said: (ClientFrame | null)[] = [];
  closedWith: number | null | undefined;

  constructor(url: string) {
    this.url = url;
  }

  send(text: string): void {
    this.said.push(decodeClientFrame(text));
  }

  close(code?: number): void {
    this.closedWith = code ?? null;
  }

  open(): void {
    this.onopen?.({} as never);
  }

  hear(data: ServerTextFrame | Uint8Array<ArrayBuffer> | string): void {
    const raw = typeof data === "string" ? data : data instanceof Uint8Array ? data.buffer : encodeServerFrame(data);
    this.onmessage?.({ data: raw } as never);
  }

  get last(): ClientFrame | null {
    return this.said.at(-1) ?? null;
  }
}

export interface Setup {
  readonly position?: Position;
  readonly entries?: readonly FeedEntry[];
  readonly streams?: boolean;
  readonly options?: Partial<FeedOptions>;
  /** What differs in the checkpoint's claims. */
  readonly claims?: JsonObject;
  /** What comes of reading a signature, where it is not that of the snapshot. */
  readonly signed?: JsonObject | "forged" | "keys_unavailable";
  /** The same for other texts that are signed. */
  readonly later?: Readonly<Record<string, JsonObject | "forged" | "keys_unavailable">>;
  readonly respond?: (url: URL, init: RequestInit) => Response | undefined;
}

/** A feed, or what stands on one, in a world of its own. */
export function setup(options: Setup = {}) {
  return setupWith(openFeed, (feed, wall) => feed.trust(wall), options);
}

/** @param open makes what is tested @param trustOf how far it trusts its copy */
export function setupWith<Tested>(
  open: (options: FeedOptions, world: FeedWorld) => Tested,
  trustOf: (tested: Tested, wall: number) => string,
  options: Setup = {},
) {
  const clock = { mono: 0, wall: EPOCH * 1000 };
  const timers = new Set<{ at: number; run: () => void }>();
  const sockets: FakeSocket[] = [];
  const requests: { url: URL; init: RequestInit }[] = [];
  let turns = 0;
  const { position = at(10), entries = [], streams = true } = options;
  const facts = { position, serverTime: clock.wall, leaseMs: N, feedKey: KEY };
  const snapshot = encodeSnapshot(facts, entries);
  const sha256 = createHash("sha256").update(snapshot).digest("base64url");
  const statement = { iss: ISSUER, aud: AUDIENCE, position, since: null, count: entries.length };
  const honest = checkpointClaims({ ...statement, sha256, iat: EPOCH });
  const readSigned = async (text: string) =>
    options.later?.[text] ?? options.signed ?? { ...honest, ...options.claims };
  const world: FeedWorld = {
    mono: () => clock.mono,
    now: () => clock.wall,
    chance: () => 0.5,
    after(ms, run) {
      const timer = { at: clock.mono + ms, run };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    turn: async () => {
      turns += 1;
    },
    connect: streams
      ? (url) => {
          const socket = new FakeSocket(url);
          sockets.push(socket);
          return socket;
        }
      : null,
    fetch: async (url, init) => {
      const parsed = new URL(url);
      requests.push({ url: parsed, init });
      const given = options.respond?.(parsed, init);
      if (given !== undefined) return given;
      if (parsed.pathname === "/v1/revocations/snapshot") {
        return new Response(snapshot, { headers: { "mapae-checkpoint": "signed" } });
      }
      return new Response(null, { status: 404 });
    },
  };
  const given: FeedOptions = {
    issuer: ISSUER,
    issuerBase: ISSUER,
    base: ISSUER,
    audiences: [AUDIENCE],
    clientId: "orders api",
    clientSecret: "s:e&crét",
    maxStaleness: Number.POSITIVE_INFINITY,
    acceptMs: 0,
    maxEntries: 1_000,
    keep: null,
    readSigned,
    ...options.options,
  };
  const feed = open(given, world);
  const it = {
    feed,
    clock,
    sockets,
    requests,
    get turns() {
      return turns;
    },
    kept: { snapshot, checkpoint: "signed" } satisfies KeptSnapshot,
    get socket(): FakeSocket {
      return sockets.at(-1) ?? assert.fail("no socket was opened");
    },
    /** Lets promises go on, then passes time timer by timer. */
    async pass(ms: number): Promise<void> {
      const end = clock.mono + ms;
      for (;;) {
        await settled();
        const due = [...timers].filter((timer) => timer.at <= end).sort((one, other) => one.at - other.at)[0];
        if (due === undefined) break;
        timers.delete(due);
        clock.wall += Math.max(0, due.at - clock.mono);
        clock.mono = Math.max(clock.mono, due.at);
        due.run();
      }
      clock.wall += end - clock.mono;
      clock.mono = end;
    },
    welcome(position: Position = at(10)): void {
      it.socket.open();
      it.socket.hear({
        type: "welcome",
        instance: "ins_1",
        leaseMs: N,
        position,
        feedKey: KEY,
        serverTime: clock.wall,
      });
    },
    hb(head: Position, changes: Partial<Heartbeat> = {}): Heartbeat {
      const ping = it.socket.said.findLast((frame) => frame?.type === "ping");
      const echo = ping?.type === "ping" ? ping.n : -1;
      return { type: "hb", echo, head, serverTime: clock.wall, leaseMs: N, ...changes };
    },
    trust: () => trustOf(feed, clock.wall),
    async live(): Promise<void> {
      await it.pass(0);
      it.welcome(position);
      it.socket.hear(it.hb(position));
      assert.equal(it.trust(), "live");
    },
  };
  return it;
}

/**
 * Lets everything that waits for nothing but promises, streams and the thread pool (which hashes a snapshot) go on. Each
 * round goes through the pool itself, so that a busy machine makes the rounds longer and not too few.
 */
export async function settled(): Promise<void> {
  for (let round = 0; round < 20; round++) {
    await crypto.subtle.digest("SHA-256", new Uint8Array(1));
    await new Promise((resolve) => setImmediate(resolve));
  }
}
