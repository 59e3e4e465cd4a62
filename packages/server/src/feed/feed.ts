/**
 * The login server's feed: what has been revoked, on its way to every verifier, and the word that it has arrived.
 *
 *   log ──► mirror ──► frames, snapshots ──► streams, polls (serving.ts) ──► verifiers ──► acknowledgements ──► leases
 *    └──► linearizable head reads ──► heartbeats ──► leases of N                                                  │
 *                                                                              `wait: "all"` ◄────────────────────┘
 *
 * Everything of the outside world comes in as an argument, so that a simulation runs this very code.
 */
import { entryKeys } from "@mapae/verifier/revocation";
import { type ClientId, type InstanceId, newId } from "../prelude/ids.ts";
import type { SetAlarm, World } from "../prelude/world.ts";
import { isBefore, type Position, type RevocationEntry } from "../revocation/entry.ts";
import type { RevocationStore } from "../revocation/store.ts";
import { Checkpoints } from "./checkpoints.ts";
import { HeadReads } from "./heads.ts";
import { Leases } from "./leases.ts";
import { mirrorLog } from "./log-source.ts";
import { LogMirror } from "./mirror.ts";
import type { Nodes } from "./nodes.ts";
import { Answering } from "./others.ts";
import { openServing, type Serving, type ServingNotice } from "./serving.ts";
import { type IsSigned, type SignCheckpoint, Snapshots } from "./snapshots.ts";
import type { FeedSource } from "./source.ts";
import type { FeedStore } from "./store.ts";
import { Tail, type TailWatch } from "./tail.ts";
import { type IssuedTicket, issueTicket, type SignTicket, type TicketWish } from "./tickets.ts";
import type { Verifier, Verifiers } from "./verifiers.ts";

export interface FeedParts {
  readonly log: RevocationStore;
  readonly store: FeedStore;
  readonly verifiers: Verifiers;
  /** Under which entries are hashed; 32 octets, known to verifiers and this server. */
  readonly feedKey: Uint8Array;
  readonly sign: FeedSigner;
  readonly issuer: string;
  readonly leaseMs: number;
  /** Who else serves this log: see leases.ts. */
  readonly nodes: Nodes | null | "unknown";
  readonly maxConnections: number;
  /** Left out: that the log lost its end is not looked for. */
  readonly tail?: TailWatch;
  readonly world: World;
  readonly alarm: SetAlarm;
  /** What an operator should read. Holds no secret. */
  readonly notice: (notice: FeedNotice) => void;
}

/** The issuer's signature, as its tokens bear it. */
export interface FeedSigner {
  readonly checkpoint: SignCheckpoint;
  readonly ticket: SignTicket;
  /** Left out: signatures hold for ever. */
  readonly holds?: IsSigned;
}

export type FeedNotice = ServingNotice | { readonly kind: "failed"; readonly error: unknown };

export interface Feed extends Omit<Serving, "hub"> {
  /** A ticket for relays, for a resource server that showed its secret. */
  ticket(wish: TicketWish): Promise<IssuedTicket>;
  /**
   * Before a resource server is told that a token is active (introspection): counts it for as long as it may act on the
   * answer. @param asked milliseconds that it wants @returns those that it may take, from when it sent its question
   */
  lend(verifier: Verifier, asked: number): Promise<number>;
  /** Forgets what concerns no living token. @param now Unix seconds, of a clock that is believed */
  compact(now: number): void;
}

const START: Position = { epoch: 0, seq: 0 };
/** How long a node that could not read the log waits before it tries again. */
const LOAD_AGAIN_MS = 500;

export async function openFeed(parts: FeedParts): Promise<Feed> {
  const { log, store, verifiers, feedKey, issuer, world, alarm, leaseMs, nodes, maxConnections, notice } = parts;
  const { checkpoint: sign, holds: isSigned = () => true } = parts.sign;
  const { clock } = world;
  const keys = entryKeys(feedKey, issuer);
  const mirror = new LogMirror();
  const failed = (error: unknown): void => notice({ kind: "failed", error });
  const leases = await Leases.open({ store, clock, alarm, leaseMs, nodes, failed });
  const snapshots = new Snapshots({ mirror, clock, facts: { leaseMs, feedKey }, sign, isSigned });
  const checkpoints = new Checkpoints({ mirror, clock, sign, isSigned, failed });
  const tail = new Tail(parts.tail ?? null, notice, () => leases.distrust());
  const heads = new HeadReads(async () => {
    const known = mirror.head;
    const head = await log.readHead();
    return (await tail.compare(known, head)) ? log.readHead() : head;
  });
  const source: FeedSource = {
    mirror,
    feedKey,
    leaseMs,
    relays: [],
    loaded: () => loaded,
    head: async () => ({ position: await heads.ask(), leaseMs }),
    reach: async () => mirror.advance(await heads.ask()),
    checkpoint: (sent, audience) => checkpoints.latest(sent, audience),
    snapshot: (audience) => snapshots.get(audience),
  };
  const serving = openServing({ source, leases, verifiers, world, alarm, maxConnections, tail, notice });
  // A million entries take seconds to hash: the rest of the server need not wait for them, verifiers do.
  let closed = false;
  const loaded = mirrorLog({
    log,
    mirror,
    keyOf: ({ kind, value }) => keys(kind, value),
    news: (entries) => serving.hub.news(goneBy(entries)),
    failed: async (error) => {
      failed(error);
      if (closed) throw error;
      await new Promise<void>((wake) => alarm(LOAD_AGAIN_MS, wake));
    },
  });
  loaded.catch(() => {}); // closed before it could be read; whoever asked for it is told

  const answering =
    nodes === null || nodes === "unknown"
      ? null
      : new Answering({
          nodes,
          alarm,
          bring: async (position) => {
            await loaded;
            if (isBefore(mirror.head, position)) await source.reach(position);
            serving.hub.ask(position);
          },
          wait: (position) => leases.waitHere(position),
        });

  /** Who introspects, by resource server: all processes of one count as one, by what was lent last. */
  const introspecting = new Map<ClientId, InstanceId>();

  const { connect, poll, snapshot, wait, ask, standings, drain, tally, relays } = serving;
  return {
    ...{ connect, poll, snapshot, wait, ask, standings, drain, tally, relays },
    get connections() {
      return serving.connections;
    },
    get head() {
      return mirror.head;
    },
    get entries() {
      return mirror.size;
    },
    ticket: (wish) => issueTicket({ issuer, leases, head: () => log.head(), sign: parts.sign.ticket, world }, wish),
    lend: async ({ client }, asked) => {
      let id = introspecting.get(client) ?? null;
      if (!leases.resume(id, client)) {
        id = newId("instance", world.random);
        introspecting.set(client, id);
        await leases.register({ id, client, acceptMs: 0, polls: true }, START);
      }
      return leases.lend(id, asked);
    },
    compact: (now) => mirror.compact(now),
    close: () => {
      closed = true;
      answering?.close();
      serving.close();
    },
  };
}

/** Whom an entry puts out: a resource server that is deleted. */
function goneBy(entries: readonly RevocationEntry[]): (verifier: Verifier) => boolean {
  const deleted = new Set<string>();
  for (const { kind, value, reason } of entries) {
    if (kind === "client" && reason === "client_deleted") deleted.add(value);
  }
  return ({ client }) => deleted.has(client);
}
