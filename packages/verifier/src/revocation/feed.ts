/**
 * Runs the follower (follower.ts) on a world: sockets, polls, snapshots and timers become events, and its actions are done.
 *
 *   socket, answer, timer ──► event ──► step(state, event, clocks) ──► state, actions ──► socket, request, copy, timer
 *
 * Events are taken one after the other, also those that an action brings about at once.
 */
import { exchange } from "../exchange.ts";
import { decodeUtf8 } from "../jose/utf8.ts";
import { type Copy, createCopy } from "./copy.ts";
import { createDialer } from "./dial.ts";
import { step } from "./follower.ts";
import {
  type Follower,
  type FollowerAction,
  type FollowerEvent,
  isTrusted,
  newFollower,
  trustLeft,
  VOUCH_MS,
  wakeAt,
} from "./follower-state.ts";
import {
  type Behind,
  FEED_PATHS,
  type Greeting,
  POLL_MAX,
  POLL_TYPE,
  RELEASED_CODE,
  REV_HEADER_BYTES,
  type ServerFrame,
} from "./frames.ts";
import { elapsed, type Moment } from "./lease.ts";
import {
  type Believed,
  type EntrySink,
  fetchSnapshot,
  type KeptSnapshot,
  type LoadOptions,
  type LoadOutcome,
  loadSnapshot,
  type NotHad,
  type ReadSigned,
  takeSnapshot,
} from "./load.ts";
import { formatPosition, type Position } from "./position.ts";
import { RecentEntries } from "./recent.ts";
import { CHECKPOINT_HEADER } from "./snapshot.ts";
import { createUpstream, type UpstreamOptions } from "./upstream.ts";
import { readVouching } from "./vouching.ts";
import { decodePoll } from "./wire.ts";
import type { FeedWorld } from "./world.ts";

/** Where an owner keeps the last snapshot, so that a restart needs no new one. */
export interface SnapshotKeeper {
  read(): Promise<KeptSnapshot | null>;
  write(kept: KeptSnapshot): Promise<void>;
}

export interface FeedOptions extends UpstreamOptions {
  readonly issuer: string;
  /** What the owner's tokens may name in `aud`; null for whatever this resource server is registered for. */
  readonly audiences: readonly string[] | null;
  /** Milliseconds; Infinity for what the server gives. */
  readonly maxStaleness: number;
  readonly maxEntries: number;
  readonly keep: SnapshotKeeper | null;
  readonly readSigned: ReadSigned;
  /** Of a relay: see `RelayOptions`. */
  readonly relay?: RelayOptions;
}

/** What a follower needs that hands on what it hears. */
export interface RelayOptions {
  readonly id: string;
  readonly pingMs: number;
  /** Told of each checkpoint that agrees with what came. */
  readonly vouched: (checkpoint: string, position: Position) => void;
  /** Called after anything has happened. */
  readonly happened: () => void;
  /** Whether others hold leases on this copy, which outlast its follower. */
  readonly isLent: () => boolean;
}

/** How far the copy is to be trusted: within the lease, within the owner's extra time, or not. */
export type Trust = "live" | "extra" | "stale";

export interface Feed<Sink extends EntrySink = Copy> {
  readonly copy: Sink;
  readonly state: Follower;
  /** @param wall milliseconds since 1970 */
  trust(wall: number): Trust;
  /** Milliseconds that are left of the lease. */
  leaseLeft(): number;
  /** N as it is in force here, in milliseconds. */
  readonly leaseMs: number;
  /** By how many milliseconds what is known here by the lease may be out of date now. */
  age(): number;
  /** `Authorization` of this resource server's requests to the issuer. */
  readonly authorization: string;
  /** What tokens name whose single revocations are told here; null before the first snapshot. */
  readonly audience: string | null;
  /** Where the feed is followed now. */
  base(): string;
  /** The relays between the issuer and here, as far as they said so. */
  readonly above: readonly string[];
  /** Of a relay: no verifier behind it can accept what was revoked up to a position. */
  cleared(position: Position, behind: Behind): void;
  /** Gets and checks a snapshot, for others. */
  fetchSnapshot(): Promise<Believed | NotHad>;
  /** Resolves with the first lease. @throws Error with the reason when it cannot be had now */
  ready(): Promise<void>;
  /** Called after entries came in. @returns ends it */
  onEntries(listener: () => void): () => void;
  close(): void;
}

const PING_MS = 1_000;
const POLL_TIMEOUT_MS = 10_000;
/** N, until the first snapshot says it. */
const LEASE_MS_USUAL = 5_000;

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : "there are no credentials";
}

/** Follows into a copy of its own. */
export function openFeed(options: FeedOptions, world: FeedWorld): Feed {
  return followFeed(options, world, createCopy(options.issuer, options.maxEntries));
}

/** @param copy where the entries go */
export function followFeed<Sink extends EntrySink>(options: FeedOptions, world: FeedWorld, copy: Sink): Feed<Sink> {
  const { issuer, audiences, maxStaleness, acceptMs, maxEntries, keep, readSigned, relay } = options;
  const upstream = createUpstream(options, world, (ticket) => happen({ type: "renewed", ticket }));
  const { base, authorization, issuerTime } = upstream;
  const recent = new RecentEntries();
  const loading: LoadOptions = {
    ...{ base, issuer, authorization, audiences, most: maxEntries, copy, recent, readSigned, issuerTime },
    refused: upstream.renew,
    relay: relay?.id ?? null,
    above: (relays) => {
      above = relays;
    },
  };
  const dialer = createDialer(world, {
    lost,
    frame(link, frame) {
      if (frame?.type === "welcome") above = frame.relays ?? [];
      happen({ type: "frame", link, frame });
      if (frame !== null) void vouchBy(link, frame);
    },
  });
  const stop = new AbortController();
  const listeners = new Set<() => void>();
  const waiting = new Set<() => void>();
  const queue: FollowerEvent[] = [];
  let above: readonly string[] = [];
  let audience: string | null = null;
  let told: string | null = null;
  let state = newFollower({
    ...{ maxStaleness, acceptMs, streams: world.connect !== null, vouched: upstream.isIndirect },
    pingMs: relay?.pingMs ?? PING_MS,
    relay: relay?.id ?? null,
  });
  let asking: { readonly link: number; readonly stop: AbortController } | null = null;
  let running = false;
  let timer: { readonly at: number; readonly cancel: () => void } | null = null;

  const now = (): Moment => ({ mono: world.mono(), wall: world.now() });

  function happen(event: FollowerEvent): void {
    queue.push(event);
    if (running) return;
    running = true;
    try {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        const [after, actions] = step(state, next, now(), world.chance());
        state = after;
        for (const action of actions) perform(action);
      }
    } finally {
      running = false;
    }
    schedule();
    relay?.happened();
    for (const look of [...waiting]) look();
  }

  function schedule(): void {
    const due = wakeAt(state);
    if (timer !== null && timer.at === due) return;
    timer?.cancel();
    timer = null;
    if (due === null) return;
    const cancel = world.after(Math.max(0, due - world.mono()), () => {
      timer = null;
      happen({ type: "woken" });
    });
    timer = { at: due, cancel };
  }

  function perform(action: FollowerAction): void {
    switch (action.do) {
      case "load":
        void load(action.attempt);
        return;
      case "connect":
        void connect(action.link, action.greeting);
        return;
      case "send":
        dialer.say(action.link, action.frame);
        return;
      case "poll":
        void poll(action);
        return;
      case "disconnect":
        dialer.hangUp(action.link, action.released ? RELEASED_CODE : undefined);
        if (asking?.link === action.link) asking.stop.abort();
        return;
      case "apply": {
        const { era, rev } = action;
        const whole = copy.add(rev.octets, REV_HEADER_BYTES, rev.count);
        recent.add(rev.octets, REV_HEADER_BYTES, rev.count);
        queue.push(whole ? { type: "applied", era, to: rev.to } : { type: "overflowed" });
        for (const listener of listeners) listener();
        return;
      }
      case "forget":
        copy.forget(Math.floor(action.until / 1000));
        return;
      case "distrust":
        upstream.distrust();
        return;
      case "renew":
        upstream.renew();
        return;
    }
  }

  async function load(attempt: number): Promise<void> {
    const outcome = await loadSnapshot(loading, world, stop.signal).catch(
      (): LoadOutcome => ({ ok: false, why: "failed", reason: "the snapshot could not be read" }),
    );
    if (stop.signal.aborted) return;
    for (const listener of listeners) listener();
    if (outcome.ok) {
      audience = outcome.audience;
      happen({ type: "loaded", attempt, copy: outcome.copy });
      await keep?.write(outcome.kept).catch(() => undefined);
    } else if (outcome.why === "full") happen({ type: "overflowed" });
    else happen({ type: "load_failed", attempt, reason: outcome.reason });
  }

  async function connect(link: number, greeting: Greeting): Promise<void> {
    dialer.hangUp();
    const shown = upstream.credentials();
    const credentials =
      shown instanceof Promise ? await shown.catch((error: unknown) => lost(link, messageOf(error))) : shown;
    // While it was got, the link may have been given up.
    const isWanted = state.phase.is === "opening" && state.phase.link === link;
    if (credentials !== undefined && isWanted) dialer.dial(link, base(), { ...greeting, ...credentials });
  }

  function lost(link: number, reason: string): undefined {
    happen({ type: "lost", link, reason });
  }

  /** A heartbeat may carry a checkpoint; the same one comes from everybody. */
  async function vouchBy(link: number, frame: ServerFrame): Promise<void> {
    if (frame.type !== "hb" || frame.checkpoint === undefined || frame.checkpoint === told) return;
    const { checkpoint } = frame;
    told = checkpoint;
    const received = () => state.received;
    const parts = { issuer, audience: () => audience, received, recent, readSigned, issuerTime };
    const found = await readVouching(checkpoint, parts);
    // Whether it is good cannot be told at the moment: it then tells nothing.
    if (found === null) told = null;
    if (found === null || stop.signal.aborted) return;
    happen({ type: "checkpoint", link, found, checkpoint });
    if (found.is !== "signed" || found.entries !== "same") return;
    relay?.vouched(checkpoint, found.position);
    // It is old; or a clock was set, ours or the issuer's, since we heard what that one says.
    if (found.age >= VOUCH_MS) upstream.doubtTime();
  }

  async function poll({ link, after, ping, instance, checkpoint }: FollowerAction & { do: "poll" }): Promise<void> {
    const query = new URLSearchParams({ after: formatPosition(after), ping: String(ping) });
    if (instance !== null) query.set("instance", instance);
    if (acceptMs > 0) query.set("accept_ms", String(acceptMs));
    const mine = new AbortController();
    asking = { link, stop: mine };
    const allowed = await authorization().catch((error: unknown) => lost(link, messageOf(error)));
    if (allowed === undefined || stop.signal.aborted) return;
    const signed = checkpoint === null ? {} : { [CHECKPOINT_HEADER]: checkpoint };
    const headers = { accept: POLL_TYPE, authorization: allowed, ...signed };
    const inquiry = { url: `${base()}${FEED_PATHS.poll}?${query}`, headers, most: POLL_MAX, timeout: POLL_TIMEOUT_MS };
    const answer = await exchange(inquiry, world, mine.signal);
    if (stop.signal.aborted) return;
    if (!answer.ok) {
      if (answer.status === 401) upstream.renew();
      return lost(link, answer.status === 401 ? "the server refused the credentials" : answer.reason);
    }
    const text = decodeUtf8(answer.octets);
    const frames = text === null ? null : decodePoll(text);
    happen({ type: "polled", link, frames });
    for (const frame of frames ?? []) void vouchBy(link, frame);
  }

  async function start(): Promise<void> {
    const kept = await keep?.read().catch(() => null);
    if (stop.signal.aborted) return;
    if (kept === null || kept === undefined) return happen({ type: "started", copy: null });
    const outcome = await takeSnapshot(kept, loading, world, stop.signal);
    if (outcome.ok) audience = outcome.audience;
    if (!stop.signal.aborted) happen({ type: "started", copy: outcome.ok ? outcome.copy : null });
  }

  /** One look whether the wait for the first lease is over, either way. */
  function readiness(): "yes" | "no" | "open" {
    if (isTrusted(state, now())) return "yes";
    return state.phase.is === "waiting" || state.phase.is === "closed" ? "no" : "open";
  }

  if (keep === null) happen({ type: "started", copy: null });
  else void start().catch(() => happen({ type: "started", copy: null }));

  return {
    copy,
    get state() {
      return state;
    },
    trust(wall) {
      if (state.lease === null) return "stale";
      const moment = { mono: world.mono(), wall };
      if (isTrusted(state, moment)) return "live";
      return acceptMs > 0 && isTrusted(state, moment, acceptMs) ? "extra" : "stale";
    },
    leaseLeft: () => trustLeft(state, now()),
    get leaseMs() {
      return Math.min(state.era === 0 ? LEASE_MS_USUAL : state.signedLeaseMs, maxStaleness);
    },
    age: () => (state.lease === null ? 0 : state.lease.age + elapsed(state.lease.sent, now())),
    authorization: upstream.secret,
    get audience() {
      return audience;
    },
    base,
    get above() {
      return above;
    },
    cleared: (position, behind) => happen({ type: "cleared", position, behind }),
    fetchSnapshot: () => fetchSnapshot(loading, world, stop.signal),
    async ready() {
      // A wait between two attempts is no answer yet to somebody who has only just asked.
      let asked = state.phase.is !== "waiting";
      await new Promise<void>((resolve) => {
        const look = () => {
          const is = readiness();
          if (is === "open") asked = true;
          if (is === "yes" || (is === "no" && (asked || state.phase.is === "closed"))) {
            waiting.delete(look);
            resolve();
          }
        };
        waiting.add(look);
        look();
      });
      if (readiness() === "yes") return;
      throw new Error(`The verifier does not follow the revocations: ${state.trouble ?? "it was closed"}.`);
    },
    onEntries(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    close() {
      stop.abort();
      asking?.stop.abort();
      timer?.cancel();
      timer = null;
      happen({ type: "closed", kept: relay?.isLent() ?? false });
      upstream.close();
      listeners.clear();
    },
  };
}
