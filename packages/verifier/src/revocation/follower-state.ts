/**
 * What a follower of the feed knows, what can happen to it, and what it asks to be done. follower.ts has the transitions.
 */

import type { Behind, ClientFrame, Greeting, Rev, ServerFrame } from "./frames.ts";
import { elapsed, holds, type Lease, leaseLeft, type Moment } from "./lease.ts";
import type { Position } from "./position.ts";

export interface FollowerSettings {
  /** Longest lease taken, in milliseconds; Infinity for what the server gives. */
  readonly maxStaleness: number;
  /** How long beyond its lease the owner lets this verifier accept; 0 unless the policy is `accept`. */
  readonly acceptMs: number;
  /** False where there is no WebSocket: the feed is polled. */
  readonly streams: boolean;
  /** Longest time between two pings, in milliseconds. */
  readonly pingMs: number;
  /**
   * Somebody stands between the issuer and us who could leave something out: the copy is trusted only while a checkpoint
   * that the issuer signed lately vouches for it.
   */
  readonly vouched: boolean;
  /** The id of the relay that follows here; null for a verifier. A relay acknowledges when it is told to (`cleared`). */
  readonly relay: string | null;
}

/** For how long a checkpoint vouches, in milliseconds from when the issuer signed it: three times as long as between two. */
export const VOUCH_MS = 15_000;
/** The trouble of a relay that meets itself. */
export const CIRCLE = "the relays stand in a circle: this one follows itself";
/** How often an issuer signs one, in milliseconds. */
export const CHECKPOINT_EVERY_MS = 5_000;

interface Ping {
  readonly n: number;
  readonly sent: Moment;
}

/** A heartbeat whose head is received but not applied yet: the lease that it will give. */
interface Owed {
  readonly head: Position;
  readonly lease: Lease;
}

export type Phase =
  | { readonly is: "idle" | "closed" }
  | { readonly is: "loading"; readonly attempt: number }
  | { readonly is: "waiting"; readonly until: number; readonly next: "load" | "connect" }
  | { readonly is: "opening"; readonly link: number; readonly after: Position; readonly until: number }
  | { readonly is: "following"; readonly link: number; readonly heard: Moment; readonly leaveAt: number | null }
  | {
      readonly is: "polling";
      readonly link: number;
      readonly after: Position;
      /** An answer is awaited. */
      readonly asking: boolean;
      readonly until: number;
    };

export interface Follower {
  readonly settings: FollowerSettings;
  readonly phase: Phase;
  /** Everything up to here is applied; null before the first snapshot. */
  readonly position: Position | null;
  /** Everything up to here has arrived without a gap, on the present link. */
  readonly received: Position | null;
  /** The server was told that everything up to here is applied, on the present link. */
  readonly acked: Position | null;
  /** And wants to be told of this one as soon as it is. */
  readonly asked: Position | null;
  readonly feedKey: Uint8Array | null;
  /** How many snapshots were taken over: what was applied on top of one says nothing about the position after the next. */
  readonly era: number;
  /** N as a signed snapshot said it: a heartbeat may shorten it, and never lengthens it. */
  readonly signedLeaseMs: number;
  readonly lease: Lease | null;
  readonly owed: Owed | null;
  /** Up to here a signature of the issuer says that nothing is missing. */
  readonly verified: Position | null;
  /** When the last such signature was made at the earliest. */
  readonly vouch: Moment | null;
  /** What ended before this may be missing from the copy: Unix milliseconds. */
  readonly forgotten: number;
  readonly pings: readonly Ping[];
  /** Numbers of pings and of links are never used twice. */
  readonly nextPing: number;
  readonly nextLink: number;
  readonly pingAt: number;
  readonly instance: string | null;
  /** Attempts in a row that came to nothing. */
  readonly failures: number;
  /** Attempts in a row at a stream that never was welcome. */
  readonly streamFailures: number;
  /** Until when the feed is polled although there are streams, on the monotonic clock. */
  readonly pollUntil: number;
  /** How long that is, in milliseconds; 0 while streams are not known to be impossible. */
  readonly pollSpell: number;
  /** The head that the server told last. */
  readonly head: Position | null;
  /** Of the signed positions the one that lies furthest, also where the log has lost it since. */
  readonly proof: Proof | null;
  /** Why there is trouble at present, for people; null while all is well. */
  readonly trouble: string | null;
}

/** What happened. Those with a `link` count only while that link is the present one. */
export type FollowerEvent =
  /** @param copy the position of a copy that was kept and has been applied: it saves the snapshot, and grants nothing */
  | { readonly type: "started"; readonly copy: LoadedCopy | null }
  | { readonly type: "loaded"; readonly attempt: number; readonly copy: LoadedCopy }
  | { readonly type: "load_failed"; readonly attempt: number; readonly reason: string }
  /** A message of the stream; null where it did not decode. */
  | { readonly type: "frame"; readonly link: number; readonly frame: ServerFrame | null }
  | { readonly type: "polled"; readonly link: number; readonly frames: readonly ServerFrame[] | null }
  | { readonly type: "lost"; readonly link: number; readonly reason: string }
  /** Every entry of the `rev` that an `apply` named is in the set. */
  | { readonly type: "applied"; readonly era: number; readonly to: Position }
  /** The set is full: what was to be applied is not, and must not be passed over. */
  | { readonly type: "overflowed" }
  | { readonly type: "checkpoint"; readonly link: number; readonly found: Found; readonly checkpoint: string }
  /** No verifier behind this relay can accept what was revoked up to a position. */
  | { readonly type: "cleared"; readonly position: Position; readonly behind: Behind }
  /** A new ticket is at hand, for a connection that was opened with an earlier one. */
  | { readonly type: "renewed"; readonly ticket: string }
  /** The time that `wakeAt` asked for. */
  | { readonly type: "woken" }
  /** `kept`: others hold leases on this copy, so that nobody may be told that none is held. */
  | { readonly type: "closed"; readonly kept?: boolean };

export interface LoadedCopy {
  readonly position: Position;
  readonly feedKey: Uint8Array;
  readonly leaseMs: number;
  /** Milliseconds since the issuer signed it, at most; Infinity where nobody knows. */
  readonly age: number;
  /** The issuer's signature over the position. */
  readonly checkpoint: string;
}

/** A position that the issuer signed. */
export interface Proof {
  readonly position: Position;
  readonly checkpoint: string;
}

/** What a checkpoint came to: not the issuer's, or what it says of the entries behind `since` up to a position. */
export type Found =
  | { readonly is: "forged" }
  | {
      readonly is: "signed";
      readonly position: Position;
      readonly since: Position;
      /** Those that we hold are the `same`, they are not (`other`), or we do not hold all of them any more (`gone`). */
      readonly entries: "same" | "other" | "gone";
      /** As of a snapshot. */
      readonly age: number;
    };

/** What is to be done, in this order. */
export type FollowerAction =
  /** Get, check and apply a snapshot; answer with `loaded` or `load_failed`. */
  | { readonly do: "load"; readonly attempt: number }
  /** Open a stream and say `hello` on it, with whose it is; answer with frames, or `lost`. */
  | { readonly do: "connect"; readonly link: number; readonly greeting: Greeting }
  | { readonly do: "send"; readonly link: number; readonly frame: ClientFrame }
  /** Ask once; answer with `polled` or `lost`. */
  | {
      readonly do: "poll";
      readonly link: number;
      readonly after: Position;
      readonly ping: number;
      readonly instance: string | null;
      /** Of a position that lies further than the one asked from. */
      readonly checkpoint: string | null;
    }
  /** `released`: for good, and without a lease from here on; the server need not wait for this verifier. */
  | { readonly do: "disconnect"; readonly link: number; readonly released: boolean }
  /** Put the entries into the set; answer with `applied` or `overflowed`. In the order of the actions. */
  | { readonly do: "apply"; readonly era: number; readonly rev: Rev }
  /** Entries that ended before this time of the server may go. Milliseconds since 1970. */
  | { readonly do: "forget"; readonly until: number }
  /** Whoever feeds us keeps entries back or changes them: ask the issuer itself from now on. */
  | { readonly do: "distrust" }
  /** What we showed was refused: show something new. */
  | { readonly do: "renew" };

export type Step = readonly [Follower, readonly FollowerAction[]];

export function newFollower(settings: FollowerSettings): Follower {
  return {
    settings,
    phase: { is: "idle" },
    position: null,
    received: null,
    acked: null,
    asked: null,
    feedKey: null,
    era: 0,
    signedLeaseMs: 0,
    lease: null,
    owed: null,
    verified: null,
    vouch: null,
    forgotten: Number.NEGATIVE_INFINITY,
    pings: [],
    nextPing: 1,
    nextLink: 1,
    pingAt: 0,
    instance: null,
    failures: 0,
    streamFailures: 0,
    pollUntil: 0,
    pollSpell: 0,
    head: null,
    proof: null,
    trouble: null,
  };
}

/** When `woken` is to come, on the monotonic clock; null for never. */
export function wakeAt({ phase, pingAt }: Follower): number | null {
  switch (phase.is) {
    case "waiting":
    case "opening":
    case "polling":
      return phase.until;
    case "following":
      return Math.min(pingAt, phase.leaveAt ?? pingAt);
    default:
      return null;
  }
}

/** Is the copy to be trusted now? @param extra milliseconds beyond the lease, for an owner who chose `accept` */
export function isTrusted(state: Follower, now: Moment, extra = 0): boolean {
  return holds(state.lease, now, extra) && vouchLeft(state, now) + extra > 0;
}

/** For how long it is, in milliseconds; 0 where it is not. */
export function trustLeft(state: Follower, now: Moment): number {
  return Math.max(0, Math.min(leaseLeft(state.lease, now), vouchLeft(state, now)));
}

function vouchLeft({ settings, vouch }: Follower, now: Moment): number {
  if (!settings.vouched) return Number.POSITIVE_INFINITY;
  return vouch === null ? Number.NEGATIVE_INFINITY : VOUCH_MS - elapsed(vouch, now);
}
