/**
 * A relay: follows the feed as a verifier does, and serves it as the login server does, so that fan-out grows as a tree.
 *
 *   upstream ──► follower (@mapae/verifier/revocation) ──► the log (log.ts) ──► frames ──► streams, polls (feed/serving.ts)
 *      ▲            │ its lease: what is left of it is the most that it gives              │
 *      └────────────┴── acknowledges (upward.ts) ◄── when everyone behind it is safe ◄─────┘
 *
 * Nothing is kept between two processes of it: whatever it gave ends with the lease that it had, and upstream counts that.
 * It knows no sockets and no clocks but those that it is given, so that a simulation runs this very code.
 */
import {
  CHECKPOINT_TYP,
  type FeedWorld,
  FORGET_LATE_MS,
  followFeed,
  type IssuerKeys,
  type Feed as Upstream,
} from "@mapae/verifier/revocation";
import { mayVouch } from "../feed/checkpoints.ts";
import { LEASE_LONGEST_MS } from "../feed/lease.ts";
import { Leases } from "../feed/leases.ts";
import { LogMirror } from "../feed/mirror.ts";
import { type FollowedFeed, type MeasuredFeed, openServing, type ServingNotice } from "../feed/serving.ts";
import type { FeedSource } from "../feed/source.ts";
import type { FeedStore } from "../feed/store.ts";
import type { Verifiers } from "../feed/verifiers.ts";
import { Unavailable } from "../prelude/fault.ts";
import type { RelayId } from "../prelude/ids.ts";
import type { SetAlarm, World } from "../prelude/world.ts";
import { isBefore, type Position } from "../revocation/entry.ts";
import { RelayLog } from "./log.ts";
import { RelaySnapshots } from "./snapshots.ts";
import { Upward } from "./upward.ts";
import { createRelayVerifiers } from "./verifiers.ts";

export interface RelayParts {
  readonly id: RelayId;
  /** `iss` of what the issuer signs. */
  readonly issuer: string;
  /** Addresses of the issuer and of upstream, without a slash at their ends: the same, or upstream is another relay. */
  readonly issuerBase: string;
  readonly upstreamBase: string;
  /** The resource server as which it follows; it serves verifiers of the same audience. */
  readonly clientId: string;
  readonly clientSecret: string;
  readonly keys: Pick<IssuerKeys, "read">;
  readonly maxConnections: number;
  readonly maxEntries: number;
  readonly world: World;
  readonly alarm: SetAlarm;
  /** Sockets and requests to upstream and the issuer, on the same clocks as `world`. */
  readonly outside: FeedWorld;
  readonly notice: (notice: ServingNotice) => void;
}

/** How it fares, for people and metrics. */
export interface RelayStatus {
  /** Milliseconds that are left of its own lease: the most that it gives. */
  readonly leaseLeft: number;
  readonly position: Position | null;
  readonly audience: string | null;
  readonly via: "stream" | "poll" | "none";
  /** The relays between it and the issuer. */
  readonly above: readonly string[];
  /** What is wrong at present, for people. */
  readonly trouble: string | null;
}

export interface Relay extends FollowedFeed, MeasuredFeed {
  readonly verifiers: Verifiers;
  /** Resolves with the first lease. @throws Error with the reason when it cannot be had now */
  ready(): Promise<void>;
  status(): RelayStatus;
  drain(afterMs: number): Promise<void>;
  close(): void;
}

const PING_MS = 1_000;
/** Somebody who was elsewhere may know more than is here yet, for so long. */
const REACH_MS = 1_000;
/** Later than its follower forgets: where clocks went back so far that an entry may be missing here, that one loads a snapshot. */
const FORGOTTEN_LATE_MS = 2 * FORGET_LATE_MS;
/** Checkpoints that are kept, for those who are a little behind. */
const CHECKPOINTS_KEPT = 16;
const COMPACT_EVERY_MS = 30_000;

/** What a relay has to remember beyond its process: nothing. */
const NOTHING: FeedStore = {
  leaseMs: async () => null,
  setLeaseMs: async () => {},
  unbound: async () => [],
  addUnbound: async () => {},
  removeUnbound: async () => {},
};

export async function openRelay(parts: RelayParts): Promise<Relay> {
  const { id, issuer, keys, world, alarm, outside, maxConnections, maxEntries, notice } = parts;
  const { clock } = world;
  const leases = await Leases.open({
    ...{ store: NOTHING, clock, alarm, leaseMs: LEASE_LONGEST_MS, nodes: null },
    failed: () => {},
  });
  const nothing = { mirror: new LogMirror(), feedKey: new Uint8Array(32) };
  let upstream: Upstream<RelayLog> | null = null;
  let vouched: readonly { readonly text: string; readonly position: Position }[] = [];
  const waiting = new Set<() => void>();
  /** What has been told of already. */
  let toldHead: Position | null = null;
  let toldDismissal: Position | null = null;

  const log = new RelayLog(issuer, maxEntries, (epochChanged) => {
    vouched = [];
    toldDismissal = null;
    serving.hub.turned(epochChanged ? "epoch" : "upstream");
  });
  const snapshots = new RelaySnapshots(log, clock, () => {
    if (upstream === null) throw new Unavailable("this relay is starting");
    return upstream.fetchSnapshot();
  });
  const source: FeedSource = {
    get mirror() {
      return log.current?.mirror ?? nothing.mirror;
    },
    get feedKey() {
      return log.current?.feedKey ?? nothing.feedKey;
    },
    get leaseMs() {
      return upstream?.leaseMs ?? LEASE_LONGEST_MS;
    },
    get relays() {
      return [id, ...(upstream?.above ?? [])];
    },
    loaded: async () => {
      if (log.current === null) throw new Unavailable("this relay has no snapshot yet");
    },
    head: async () => {
      const leaseMs = Math.floor(upstream?.leaseLeft() ?? 0);
      // Without a lease of its own it gives none: what it knows may be out of date (docs/revocation.md, "Relays").
      if (leaseMs < 1 || log.current === null) throw new Unavailable("this relay holds no lease");
      return { position: log.current.mirror.head, leaseMs, ageMs: Math.ceil(upstream?.age() ?? 0) };
    },
    reach: (position) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (isBefore(source.mirror.head, position)) return;
          callOff();
          waiting.delete(look);
          resolve();
        };
        const callOff = alarm(REACH_MS, () => {
          waiting.delete(look);
          resolve();
        });
        waiting.add(look);
        look();
      }),
    checkpoint: (sent) => {
      return vouched.findLast(({ position }) => mayVouch(position, sent, source.mirror))?.text ?? null;
    },
    snapshot: () => snapshots.get(),
  };
  const verifiers = createRelayVerifiers({
    ...{ issuer, keys, log },
    issuerTime: () => clock.now() + (upstream?.state.lease?.behind ?? 0),
  });
  const serving = openServing({ source, leases, verifiers, world, alarm, maxConnections, notice });
  const upward = new Upward({
    settled: async (position) => {
      const waiting = serving.wait(position, null);
      serving.ask(position);
      return (await waiting.settled).confirmed;
    },
    standings: () => leases.all(),
    say: (position, behind) => upstream?.cleared(position, behind),
  });

  /** After anything has happened upstream. */
  function happened(): void {
    const { current } = log;
    if (upstream === null || current === null) return;
    const { position, phase } = upstream.state;
    if (position === null) return;
    current.mirror.advance(position);
    const { head } = current.mirror;
    if (toldHead === null || toldHead.epoch !== head.epoch || toldHead.seq !== head.seq) {
      toldHead = head;
      serving.hub.news();
      for (const look of [...waiting]) look();
    }
    const dismissal = current.dismissals.newest;
    if (dismissal !== toldDismissal) {
      toldDismissal = dismissal;
      void serving.hub.checkCredentials();
    }
    upward.applied(position, phase.is === "following" ? phase.link : null);
  }

  upstream = followFeed(
    {
      issuer,
      issuerBase: parts.issuerBase,
      base: parts.upstreamBase,
      clientId: parts.clientId,
      clientSecret: parts.clientSecret,
      // Whatever it is registered for: that is what it serves.
      audiences: null,
      maxStaleness: Number.POSITIVE_INFINITY,
      acceptMs: 0,
      maxEntries,
      keep: null,
      readSigned: async (text) => {
        const read = await keys.read(text, CHECKPOINT_TYP);
        return typeof read === "string" ? read : read.payload;
      },
      relay: {
        id,
        pingMs: PING_MS,
        vouched: (text, position) => {
          vouched = [...vouched.slice(1 - CHECKPOINTS_KEPT), { text, position }];
        },
        happened,
        isLent: () => leases.all().some(({ leaseEnds }) => leaseEnds > clock.monotonic()),
      },
    },
    outside,
    log,
  );

  let callOffCompacting = (): void => {};
  const compactLater = (): void => {
    callOffCompacting = alarm(COMPACT_EVERY_MS, () => {
      const { lease } = upstream?.state ?? {};
      // By the issuer's clock, as far as it was heard: ours may be wrong, and what is forgotten here is missing behind here.
      if (lease) log.current?.mirror.compact((clock.now() + Math.min(0, lease.behind) - FORGOTTEN_LATE_MS) / 1000);
      compactLater();
    });
  };
  compactLater();

  const { connect, poll, snapshot, standings, tally, drain } = serving;
  return {
    ...{ connect, poll, snapshot, standings, tally, drain, verifiers },
    get relays() {
      return source.relays;
    },
    get connections() {
      return serving.connections;
    },
    get head() {
      return serving.head;
    },
    get entries() {
      return serving.entries;
    },
    ready: () => upstream?.ready() ?? Promise.reject(new Error("the relay is starting")),
    status: () => statusOf(upstream),
    close: () => {
      callOffCompacting();
      serving.close();
      upstream?.close();
    },
  };
}

function statusOf(upstream: Upstream<RelayLog> | null): RelayStatus {
  const { position = null, phase = { is: "idle" }, trouble = null } = upstream?.state ?? {};
  return {
    leaseLeft: upstream?.leaseLeft() ?? 0,
    position,
    audience: upstream?.audience ?? null,
    via: phase.is === "following" ? "stream" : phase.is === "polling" ? "poll" : "none",
    above: upstream?.above ?? [],
    trouble,
  };
}
