/**
 * How a follower comes to trust its copy, apart from what it says and does: the snapshot that it stands on, the pings that
 * it counts from, the lease that an echo gives, and the signatures that vouch for what came.
 */
import { type Follower, type FollowerAction, isTrusted, type LoadedCopy, type Proof } from "./follower-state.ts";
import type { Heartbeat } from "./frames.ts";
import { type Lease, leaseLeft, type Moment } from "./lease.ts";
import { comparePositions } from "./position.ts";

/** How many pings may be without an echo. */
const PINGS_MAX = 64;
/** No lease is longer, whatever a server says. */
const LEASE_MS_MAX = 300_000;

/** Takes over what a snapshot or a kept copy says of itself. No lease comes of it. */
export function adopt(state: Follower, copy: LoadedCopy, now: Moment): Follower {
  const { position, feedKey, leaseMs, age, checkpoint } = copy;
  return {
    ...keep(state, { position, checkpoint }),
    position,
    received: position,
    verified: position,
    vouch: ago(now, age),
    forgotten: Number.NEGATIVE_INFINITY,
    feedKey,
    era: state.era + 1,
    signedLeaseMs: Math.min(leaseMs, LEASE_MS_MAX),
    owed: null,
  };
}

/** A snapshot or heartbeat of a log that lost its end does not take its proof away. */
export function keep(state: Follower, proof: Proof): Follower {
  const further = state.proof === null || comparePositions(proof.position, state.proof.position) > 0;
  return further ? { ...state, proof } : state;
}

/** s(n): the clocks as they stood before the ping leaves. */
export function notePing(state: Follower, now: Moment): readonly [Follower, number] {
  const n = state.nextPing;
  const pings = [...state.pings.slice(1 - PINGS_MAX), { n, sent: now }];
  return [{ ...state, nextPing: n + 1, pings, pingAt: now.mono + pingEvery(state) }, n];
}

export function pingEvery({ signedLeaseMs, settings }: Follower): number {
  // What a relay gives is what is left of its own lease, so it renews that more often.
  const part = settings.relay === null ? 4 : 20;
  return Math.max(1, Math.min(settings.pingMs, Math.floor(Math.min(signedLeaseMs, settings.maxStaleness) / part)));
}

/**
 * How long a lease is taken for that a server gives. What a relay knows may be older than our ping: that counts, where the
 * owner wants to know less than N late. Below 0 it is over as it comes, and what he allows beyond it is counted from there.
 */
export function leaseMsOf({ settings, signedLeaseMs }: Follower, { leaseMs, ageMs = 0 }: Heartbeat): number {
  return Math.min(leaseMs, signedLeaseMs, settings.maxStaleness - ageMs);
}

export function grant(state: Follower, given: Lease, now: Moment): Follower {
  // A relay gives what is left of its own: a shorter one takes nothing away from one that was given.
  const lease = leaseLeft(state.lease, now) > leaseLeft(given, now) ? state.lease : given;
  return wellIfTrusted({ ...state, lease, owed: null }, now);
}

/** A lease that had run out when it came is no sign that all is well, and neither is one that nobody vouches for. */
export function wellIfTrusted(state: Follower, now: Moment): Follower {
  return isTrusted(state, now) ? { ...state, failures: 0, trouble: null } : state;
}

/** For so long what has ended is kept: the clocks of nodes differ, and one that is a little behind is no reason for a snapshot. */
export const FORGET_LATE_MS = 300_000;

/** Forgets what has ended by both clocks, the server's and ours. */
export function forgetting(state: Follower, serverTime: number, now: Moment): readonly [Follower, FollowerAction] {
  const until = Math.min(serverTime, now.wall) - FORGET_LATE_MS;
  return [
    { ...state, forgotten: Math.max(state.forgotten, until) },
    { do: "forget", until },
  ];
}

export function ago({ mono, wall }: Moment, ms: number): Moment {
  return { mono: mono - ms, wall: wall - ms };
}

export function later(one: Moment | null, other: Moment): Moment {
  return one !== null && one.mono > other.mono ? one : other;
}
