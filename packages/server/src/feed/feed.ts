/**
 * The feed: what has been revoked, on its way to every verifier, and the word that it has arrived.
 *
 *   log ──► mirror ──► frames, snapshots ──► hub: streams ┐
 *    │                                   └─► polls ───────┴──► verifiers ──► acknowledgements ──► leases
 *    └──► linearizable head reads ──► heartbeats ──► leases of N                                    │
 *                                                                  `wait: "all"` ◄──────────────────┘
 *
 * Everything of the outside world comes in as an argument, so that a simulation runs this very code.
 */
import { entryKeys, type ServerTextFrame } from "@mapae/verifier/revocation";
import { Unavailable } from "../prelude/fault.ts";
import { type ClientId, type InstanceId, newId } from "../prelude/ids.ts";
import type { SetAlarm, World } from "../prelude/world.ts";
import { isBefore, type Position, type RevocationEntry } from "../revocation/entry.ts";
import type { RevocationStore } from "../revocation/store.ts";
import { resyncReason } from "./connection.ts";
import { type FeedSnapshot, Frames, type IsSigned, type SignCheckpoint } from "./frames.ts";
import { HeadReads } from "./heads.ts";
import { Hub } from "./hub.ts";
import { Leases } from "./leases.ts";
import type { FeedConnection, Link } from "./link.ts";
import { LogMirror } from "./mirror.ts";
import type { Standing } from "./registry.ts";
import type { FeedStore } from "./store.ts";
import { Tail, type TailNotice, type TailWatch } from "./tail.ts";
import { FeedTally } from "./tally.ts";
import type { Verifier, Verifiers } from "./verifiers.ts";
import type { Confirmation, Waiting } from "./waiting.ts";

export interface FeedParts {
  readonly log: RevocationStore;
  readonly store: FeedStore;
  readonly verifiers: Verifiers;
  /** Under which entries are hashed; 32 octets, known to verifiers and this server. */
  readonly feedKey: Uint8Array;
  readonly sign: SignCheckpoint;
  /** Left out: signatures hold for ever. */
  readonly isSigned?: IsSigned;
  readonly issuer: string;
  readonly leaseMs: number;
  /** No other node serves this log: see leases.ts. */
  readonly alone: boolean;
  readonly maxConnections: number;
  /** Left out: that the log lost its end is not looked for. */
  readonly tail?: TailWatch;
  readonly world: World;
  readonly alarm: SetAlarm;
  /** What an operator should read. Holds no secret. */
  readonly notice: (notice: FeedNotice) => void;
}

export type FeedNotice =
  /** Verifiers did not acknowledge: the confirmation came by the end of their leases, or not in time. */
  | { readonly kind: "slow_verifiers"; readonly confirmation: Confirmation; readonly position: Position }
  | TailNotice
  | { readonly kind: "failed"; readonly error: unknown };

export interface PollRequest {
  readonly verifier: Verifier;
  /** Everything up to here is applied. */
  readonly after: Position;
  readonly ping: number;
  readonly instance: string | null;
  readonly acceptMs: number;
  /** The signed position that it shows. */
  readonly checkpoint: string | null;
}

/** The frames of a poll's answer: text frames as values, `rev` as octets. */
export type PollAnswer = readonly (ServerTextFrame | Uint8Array)[];

export interface Feed {
  connect(link: Link): FeedConnection;
  /** A poll is a ping: the same head read, the same lease. Rejects with `Unavailable` where the head is not certain. */
  poll(request: PollRequest): Promise<PollAnswer>;
  snapshot(verifier: Verifier): Promise<FeedSnapshot>;
  /**
   * Before a resource server is told that a token is active (introspection): counts it for as long as it may act on the
   * answer. @param asked milliseconds that it wants @returns those that it may take, from when it sent its question
   */
  lend(verifier: Verifier, asked: number): Promise<number>;
  /** Begins to wait for a position that is committed: see leases.ts. */
  wait(position: Position, timeoutMs: number | null): Waiting;
  standings(): readonly Standing[];
  readonly connections: number;
  readonly head: Position;
  readonly entries: number;
  readonly tally: FeedTally;
  /** Forgets what concerns no living token. */
  compact(): void;
  /** Takes nobody new and asks everyone to connect elsewhere within a time; then ends what is left. */
  drain(afterMs: number): Promise<void>;
  /** Ends all connections, and every wait without confirming. */
  close(): void;
}

const PAGE = 5_000;
const START: Position = { epoch: 0, seq: 0 };
/** How old a signed position may be that heartbeats carry, and how old once the log has moved on: what is not signed is not proven (tail.ts). */
const CHECKPOINT_EVERY_MS = 10_000;
const CHECKPOINT_MOVED_MS = 2_000;
/** How often a node that leaves looks whether everyone has gone. */
const DRAIN_LOOK_MS = 50;
/** How long a node that could not read the log waits before it tries again. */
const LOAD_AGAIN_MS = 500;

export async function openFeed(parts: FeedParts): Promise<Feed> {
  const { log, store, verifiers, feedKey, issuer, world, alarm, leaseMs, alone, maxConnections, notice } = parts;
  const { isSigned = () => true } = parts;
  const { clock } = world;
  const keys = entryKeys(feedKey, issuer);
  const mirror = new LogMirror(({ kind, value }) => keys(kind, value));
  const tally = new FeedTally();
  const failed = (error: unknown): void => notice({ kind: "failed", error });
  const leases = await Leases.open({ store, clock, alarm, leaseMs, alone, failed });
  const frames = new Frames(mirror, clock, () => ({ leaseMs, feedKey }), parts.sign, isSigned);
  const tail = new Tail(parts.tail ?? null, notice, () => leases.distrust());
  const heads = new HeadReads(async () => {
    const known = mirror.head;
    const head = await log.readHead();
    return (await tail.compare(known, head)) ? log.readHead() : head;
  });

  let signed: { readonly at: number; readonly position: Position; readonly text: string } | null = null;
  let signing = false;
  /** The last signed position, if not ahead of what was sent; a new one is made in the background when it is old. */
  const checkpoint = (sent: Position): string | null => {
    const now = clock.monotonic();
    if (signed !== null && !isSigned(signed.text)) signed = null;
    const position = mirror.head;
    const moved = signed !== null && isBefore(signed.position, position);
    const old = signed === null || now - signed.at >= (moved ? CHECKPOINT_MOVED_MS : CHECKPOINT_EVERY_MS);
    if (old && !signing) {
      signing = true;
      parts
        .sign(position, mirror.size, null)
        .then((text) => {
          signed = { at: now, position, text };
        }, failed)
        .finally(() => {
          signing = false;
        });
    }
    return signed !== null && signed.position.epoch === sent.epoch && signed.position.seq <= sent.seq
      ? signed.text
      : null;
  };

  const hub = new Hub({
    mirror,
    frames,
    heads,
    leases,
    verifiers,
    feedKey,
    checkpoint,
    tally,
    world,
    alarm,
    maxConnections,
    loaded: () => loaded,
    tail,
  });
  // A million entries take seconds to hash: the rest of the server need not wait for them, verifiers do.
  let closed = false;
  const loaded = load(
    log,
    mirror,
    (entries) => hub.news(entries),
    async (error) => {
      failed(error);
      if (closed) throw error;
      await new Promise<void>((wake) => alarm(LOAD_AGAIN_MS, wake));
    },
  );
  loaded.catch(() => {}); // closed before it could be read; whoever asked for it is told

  /** Who introspects, by resource server: all processes of one count as one, by what was lent last. */
  const introspecting = new Map<ClientId, InstanceId>();

  /** One registration for all polls that name it: it counts by its last lease alone, so that two who share it are covered. */
  const pollerOf = async ({ verifier, instance, acceptMs }: PollRequest): Promise<InstanceId> => {
    if (leases.resume(instance, verifier.client)) return instance;
    const id = newId("instance", world.random);
    await leases.register({ id, client: verifier.client, acceptMs, polls: true }, START);
    return id;
  };

  return {
    connect: (link) => hub.connect(link),
    poll: async (request) => {
      tally.polls += 1;
      const { verifier, after, ping } = request;
      await loaded;
      const instance = await pollerOf(request);
      try {
        mirror.advance(await heads.ask());
        const restarted = await tail.hear(verifier.client, after, request.checkpoint, mirror.head);
        if (restarted) mirror.advance(await heads.ask());
        // All that this node knows by now, which may be more than the head that was read: see `beat` in connection.ts.
        const to = mirror.head;
        const why = resyncReason(after, to, mirror.countAfter(after));
        if (why !== null) return [{ type: "resync", reason: why }];
        const revs = to.seq === after.seq ? [] : frames.revs(after, to, verifier.audience);
        if (!leases.grant(instance)) throw new Unavailable("a verifier is not counted any more");
        const told = checkpoint(to);
        const serverTime = clock.now();
        return [
          { type: "welcome", instance, leaseMs, position: after, feedKey, serverTime },
          ...revs,
          { type: "hb", echo: ping, head: to, serverTime, leaseMs, ...(told === null ? {} : { checkpoint: told }) },
        ];
      } finally {
        leases.left(instance, "lost");
      }
    },
    snapshot: async (verifier) => {
      tally.snapshots += 1;
      await loaded;
      return frames.snapshot(verifier.audience);
    },
    lend: async ({ client }, asked) => {
      let id = introspecting.get(client) ?? null;
      if (!leases.resume(id, client)) {
        id = newId("instance", world.random);
        introspecting.set(client, id);
        await leases.register({ id, client, acceptMs: 0, polls: true }, START);
      }
      return leases.lend(id, asked);
    },
    wait: (position, timeoutMs) => {
      const waiting = leases.wait(position, timeoutMs);
      void waiting.settled.then((confirmation) => {
        tally.count(tally.confirmations, confirmation.by);
        tally.waitedMs += confirmation.waitedMs;
        if (confirmation.by !== "acknowledgements") notice({ kind: "slow_verifiers", confirmation, position });
      });
      return waiting;
    },
    standings: () => leases.all(),
    get connections() {
      return hub.size;
    },
    get head() {
      return mirror.head;
    },
    get entries() {
      return mirror.size;
    },
    tally,
    compact: () => mirror.compact(clock.now() / 1000),
    drain: async (afterMs) => {
      hub.drain(afterMs);
      const until = clock.monotonic() + afterMs;
      while (hub.size > 0 && clock.monotonic() < until) await new Promise<void>((wake) => alarm(DRAIN_LOOK_MS, wake));
      hub.close();
    },
    close: () => {
      closed = true;
      hub.close();
      leases.close();
    },
  };
}

/**
 * Fills the mirror with the log as it is, and with every commit from now on.
 * @param failed told of a page that could not be read; it is read again once this resolves
 */
async function load(
  log: RevocationStore,
  mirror: LogMirror,
  news: (entries: readonly RevocationEntry[]) => void,
  failed: (error: unknown) => Promise<void>,
): Promise<void> {
  let early: RevocationEntry[] | null = [];
  log.onCommit((entries) => {
    if (early !== null) {
      early.push(...entries);
      return;
    }
    mirror.add(entries);
    news(entries);
  });
  for (;;) {
    const page = await log.after(mirror.head, PAGE).catch(failed);
    if (page === undefined) continue;
    mirror.add(page);
    if (page.length < PAGE) break;
  }
  // What was committed while the pages were read, in its order; nothing can come in between.
  mirror.add(early);
  early = null;
  mirror.advance(log.head());
}
