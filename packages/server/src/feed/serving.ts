/**
 * What faces verifiers, whoever serves them: streams through the hub, polls, snapshots, and who waits for them.
 *
 *   FeedSource ──► frames ──► hub: streams ┐
 *        │    └─────────────► polls ───────┴──► verifiers ──► acknowledgements ──► leases ──► wait
 *        └──► snapshot
 */
import type { ServerTextFrame } from "@mapae/verifier/revocation";
import { Unavailable } from "../prelude/fault.ts";
import { type InstanceId, newId } from "../prelude/ids.ts";
import type { SetAlarm, World } from "../prelude/world.ts";
import { isBefore, type Position } from "../revocation/entry.ts";
import { resyncReason } from "./connection.ts";
import { Frames } from "./frames.ts";
import { Hub } from "./hub.ts";
import type { Leases } from "./leases.ts";
import type { FeedConnection, Link } from "./link.ts";
import type { Standing } from "./registry.ts";
import type { FeedSnapshot } from "./snapshots.ts";
import type { FeedSource } from "./source.ts";
import { Tail, type TailNotice } from "./tail.ts";
import { FeedTally } from "./tally.ts";
import { mayAccept, unboundTicket, type Verifier, type Verifiers } from "./verifiers.ts";
import type { Confirmation, Waiting } from "./waiting.ts";

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

/** What the routes and the stream's door need of a feed. */
export interface FollowedFeed {
  connect(link: Link): FeedConnection;
  /** A poll is a ping: the same head read, the same lease. Rejects with `Unavailable` where the head is not certain. */
  poll(request: PollRequest): Promise<PollAnswer>;
  snapshot(verifier: Verifier): Promise<FeedSnapshot>;
  /** The relays from here to the issuer, this one first; none at the login server. */
  readonly relays: readonly string[];
}

/** What can be measured of it. */
export interface MeasuredFeed {
  standings(): readonly Standing[];
  readonly connections: number;
  readonly head: Position;
  readonly entries: number;
  readonly tally: FeedTally;
}

export interface Serving extends FollowedFeed, MeasuredFeed {
  readonly hub: Hub;
  /** Begins to wait for a position that is committed: see leases.ts. */
  wait(position: Position, timeoutMs: number | null): Waiting;
  /** Has everyone say at once that a position is applied, and not with the next ping: somebody waits for it. */
  ask(position: Position): void;
  /** Takes nobody new and asks everyone to connect elsewhere within a time; then ends what is left. */
  drain(afterMs: number): Promise<void>;
  /** Ends all connections, and every wait without confirming. */
  close(): void;
}

export interface ServingParts {
  readonly source: FeedSource;
  readonly leases: Leases;
  readonly verifiers: Verifiers;
  readonly world: World;
  readonly alarm: SetAlarm;
  readonly maxConnections: number;
  /** Left out: that the log lost its end is not looked for here. */
  readonly tail?: Tail;
  readonly notice: (notice: ServingNotice) => void;
}

export type ServingNotice =
  /** Verifiers did not acknowledge: the confirmation came by the end of their leases, or not in time. */
  { readonly kind: "slow_verifiers"; readonly confirmation: Confirmation; readonly position: Position } | TailNotice;

const START: Position = { epoch: 0, seq: 0 };
/** How often a node that leaves looks whether everyone has gone. */
const DRAIN_LOOK_MS = 50;

export function openServing(parts: ServingParts): Serving {
  const { source, leases, verifiers, world, alarm, maxConnections, notice } = parts;
  const { clock } = world;
  const tally = new FeedTally();
  const frames = new Frames(() => source.mirror);
  const { tail = new Tail(null, notice, () => {}) } = parts;
  const hub = new Hub({ source, frames, leases, verifiers, tally, world, alarm, maxConnections, tail });

  /** One registration for all polls that name it: it counts by its last lease alone, so that two who share it are covered. */
  const pollerOf = async ({ verifier, instance, acceptMs }: PollRequest): Promise<InstanceId> => {
    if (leases.resume(instance, verifier.client)) return instance;
    const id = newId("instance", world.random);
    const known = { id, client: verifier.client, acceptMs, polls: true, ...unboundTicket(verifier, acceptMs) };
    await leases.register(known, START);
    return id;
  };

  return {
    hub,
    tally,
    connect: (link) => hub.connect(link),
    poll: async (request) => {
      tally.polls += 1;
      const { verifier, after, ping, acceptMs, checkpoint } = request;
      if (!mayAccept(verifier, acceptMs)) return [{ type: "refused", code: "unauthorized" }];
      await source.loaded();
      const instance = await pollerOf(request);
      try {
        const head = await source.head();
        source.mirror.advance(head.position);
        if (isBefore(source.mirror.head, after)) await source.reach(after);
        if (await tail.hear(verifier.client, after, checkpoint, source.mirror.head)) await source.reach(after);
        const { mirror, feedKey, relays } = source;
        // All that this node knows by now, which may be more than the head that was read: see `beat` in connection.ts.
        const to = mirror.head;
        const why = resyncReason(after, to, mirror.countAfter(after));
        if (why !== null) return [{ type: "resync", reason: why }];
        const revs = to.seq === after.seq ? [] : frames.revs(after, to, verifier.audience);
        const aged = head.ageMs === undefined ? {} : { ageMs: head.ageMs };
        const leaseMs = leases.grant(instance, head.leaseMs);
        if (leaseMs === null) throw new Unavailable("a verifier is not counted any more");
        const told = source.checkpoint(to, verifier.audience);
        const serverTime = clock.now();
        const path = relays.length === 0 ? {} : { relays };
        return [
          { type: "welcome", instance, leaseMs: source.leaseMs, position: after, feedKey, serverTime, ...path },
          ...revs,
          {
            type: "hb",
            echo: ping,
            head: to,
            serverTime,
            leaseMs,
            ...aged,
            ...(told === null ? {} : { checkpoint: told }),
          },
        ];
      } finally {
        leases.left(instance, "lost");
      }
    },
    snapshot: async (verifier) => {
      tally.snapshots += 1;
      await source.loaded();
      return source.snapshot(verifier.audience);
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
    ask: (position) => {
      hub.ask(position);
      leases.ask(position);
    },
    standings: () => leases.all(),
    get relays() {
      return source.relays;
    },
    get connections() {
      return hub.size;
    },
    get head() {
      return source.mirror.head;
    },
    get entries() {
      return source.mirror.size;
    },
    drain: async (afterMs) => {
      hub.drain(afterMs);
      const until = clock.monotonic() + afterMs;
      while (hub.size > 0 && clock.monotonic() < until) await new Promise<void>((wake) => alarm(DRAIN_LOOK_MS, wake));
      hub.close();
    },
    close: () => {
      hub.close();
      leases.close();
    },
  };
}
