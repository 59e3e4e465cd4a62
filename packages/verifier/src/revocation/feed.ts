/**
 * Runs the follower (follower.ts) on a world: sockets, polls, snapshots and timers become events, and its actions are done.
 *
 *   socket, answer, timer ──► event ──► step(state, event, clocks) ──► state, actions ──► socket, request, copy, timer
 *
 * Events are taken one after the other, also those that an action brings about at once.
 */
import { exchange } from "../exchange.ts";
import type { JsonObject } from "../jose/json.ts";
import { decodeUtf8 } from "../jose/utf8.ts";
import { type Copy, createCopy } from "./copy.ts";
import { step } from "./follower.ts";
import { type Follower, type FollowerAction, type FollowerEvent, newFollower, wakeAt } from "./follower-state.ts";
import { holds, leaseLeft, type Moment } from "./lease.ts";
import {
  type KeptSnapshot,
  type LoadOptions,
  type LoadOutcome,
  loadSnapshot,
  type ReadSigned,
  takeSnapshot,
} from "./load.ts";
import { formatPosition } from "./position.ts";
import { CHECKPOINT_HEADER, readCheckpoint, snapshotDigest } from "./snapshot.ts";
import {
  type ClientFrame,
  decodePoll,
  decodeServerFrame,
  encodeClientFrame,
  FEED_PATHS,
  POLL_MAX,
  POLL_TYPE,
  RELEASED_CODE,
  REV_HEADER_BYTES,
  SUBPROTOCOL,
} from "./wire.ts";
import type { FeedSocket, FeedWorld } from "./world.ts";

/** Where an owner keeps the last snapshot, so that a restart needs no new one. */
export interface SnapshotKeeper {
  read(): Promise<KeptSnapshot | null>;
  write(kept: KeptSnapshot): Promise<void>;
}

export interface FeedOptions {
  readonly issuer: string;
  /** Address of the feed, without a slash at its end. */
  readonly base: string;
  readonly clientId: string;
  readonly clientSecret: string;
  /** Milliseconds; Infinity for what the server gives. */
  readonly maxStaleness: number;
  /** Milliseconds beyond the lease in which the owner may choose to accept. */
  readonly acceptMs: number;
  readonly maxEntries: number;
  readonly keep: SnapshotKeeper | null;
  readonly readSigned: ReadSigned;
}

/** How far the copy is to be trusted: within the lease, within the owner's extra time, or not. */
export type Trust = "live" | "extra" | "stale";

export interface Feed {
  readonly copy: Copy;
  readonly state: Follower;
  /** @param wall milliseconds since 1970 */
  trust(wall: number): Trust;
  /** Milliseconds that are left of the lease. */
  leaseLeft(): number;
  /** N as it is in force here, in milliseconds. */
  readonly leaseMs: number;
  /** `Authorization` of this resource server's requests. */
  readonly authorization: string;
  /** Resolves with the first lease. @throws Error with the reason when it cannot be had now */
  ready(): Promise<void>;
  /** Called after entries came in. @returns ends it */
  onEntries(listener: () => void): () => void;
  close(): void;
}

const POLL_TIMEOUT_MS = 10_000;
/** N, until the first snapshot says it. */
const LEASE_MS_USUAL = 5_000;

/** RFC 6749 §2.3.1: both are form-encoded before they become Basic credentials. */
export function basicAuthorization(clientId: string, clientSecret: string): string {
  const encoded = (text: string) => new URLSearchParams({ "": text }).toString().slice(1);
  return `Basic ${btoa(`${encoded(clientId)}:${encoded(clientSecret)}`)}`;
}

export function openFeed(options: FeedOptions, world: FeedWorld): Feed {
  const { issuer, base, clientId, clientSecret, maxStaleness, acceptMs, maxEntries, keep, readSigned } = options;
  const copy = createCopy(issuer, maxEntries);
  const authorization = basicAuthorization(clientId, clientSecret);
  const loading: LoadOptions = { base, issuer, authorization, most: maxEntries, copy, readSigned };
  const stop = new AbortController();
  const listeners = new Set<() => void>();
  const waiting = new Set<() => void>();
  const queue: FollowerEvent[] = [];
  let state = newFollower({ clientId, clientSecret, maxStaleness, acceptMs, streams: world.connect !== null });
  let socket: { readonly link: number; readonly it: FeedSocket; open: boolean } | null = null;
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
        connect(action.link, action.hello);
        return;
      case "send":
        say(action.link, action.frame);
        return;
      case "poll":
        void poll(action);
        return;
      case "disconnect":
        if (socket?.link === action.link) hangUp(action.released ? RELEASED_CODE : undefined);
        if (asking?.link === action.link) asking.stop.abort();
        return;
      case "apply": {
        const { era, rev } = action;
        const whole = copy.add(rev.octets, REV_HEADER_BYTES, rev.count);
        queue.push(whole ? { type: "applied", era, to: rev.to } : { type: "overflowed" });
        for (const listener of listeners) listener();
        return;
      }
      case "forget":
        copy.forget(Math.floor(action.serverTime / 1000));
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
      happen({ type: "loaded", attempt, copy: outcome.copy });
      await keep?.write(outcome.kept).catch(() => undefined);
    } else if (outcome.why === "full") happen({ type: "overflowed" });
    else happen({ type: "load_failed", attempt, reason: outcome.reason });
  }

  function connect(link: number, hello: ClientFrame): void {
    hangUp();
    if (world.connect === null) return;
    let it: FeedSocket;
    try {
      it = world.connect(`${base.replace(/^http/, "ws")}${FEED_PATHS.stream}`, SUBPROTOCOL);
    } catch {
      queue.push({ type: "lost", link, reason: "no connection could be opened" });
      return;
    }
    const opened = { link, it, open: false };
    socket = opened;
    it.binaryType = "arraybuffer";
    it.onopen = () => {
      opened.open = true;
      say(link, hello);
    };
    it.onmessage = ({ data }: { readonly data: unknown }) => {
      const frame = decodeServerFrame(data instanceof ArrayBuffer ? new Uint8Array(data) : data);
      happen({ type: "frame", link, frame });
      if (frame?.type === "hb" && frame.checkpoint !== undefined) void checkCheckpoint(link, frame.checkpoint);
    };
    it.onclose = () => happen({ type: "lost", link, reason: "the connection ended" });
    it.onerror = () => happen({ type: "lost", link, reason: "the connection failed" });
  }

  function say(link: number, frame: ClientFrame): void {
    if (socket?.link !== link || !socket.open) return;
    try {
      socket.it.send(encodeClientFrame(frame));
    } catch {
      // It is closing; `onclose` will tell.
    }
  }

  function hangUp(code?: number): void {
    const leaving = socket?.it;
    socket = null;
    if (leaving === undefined) return;
    leaving.onopen = null;
    leaving.onmessage = null;
    leaving.onclose = null;
    // Closing what never opened is an error on some runtimes, and nobody's business any more.
    leaving.onerror = () => undefined;
    leaving.close(code);
  }

  async function checkCheckpoint(link: number, jws: string): Promise<void> {
    const payload = await readSigned(jws).catch((): "keys_unavailable" => "keys_unavailable");
    // Whether it is good cannot be told at the moment: it then tells nothing.
    if (payload === "keys_unavailable") return;
    const position = positionSigned(payload);
    happen({ type: "checkpoint", link, proof: position && { position, checkpoint: jws } });
  }

  function positionSigned(payload: JsonObject | "forged") {
    const checkpoint = payload === "forged" ? null : readCheckpoint(payload);
    return checkpoint?.iss === issuer ? checkpoint.position : null;
  }

  async function poll({ link, after, ping, instance, checkpoint }: FollowerAction & { do: "poll" }): Promise<void> {
    const query = new URLSearchParams({ after: formatPosition(after), ping: String(ping) });
    if (instance !== null) query.set("instance", instance);
    if (acceptMs > 0) query.set("accept_ms", String(acceptMs));
    const mine = new AbortController();
    asking = { link, stop: mine };
    const signed = checkpoint === null ? {} : { [CHECKPOINT_HEADER]: checkpoint };
    const headers = { accept: POLL_TYPE, authorization, ...signed };
    const inquiry = { url: `${base}${FEED_PATHS.poll}?${query}`, headers, most: POLL_MAX, timeout: POLL_TIMEOUT_MS };
    const answer = await exchange(inquiry, world, mine.signal);
    if (stop.signal.aborted) return;
    if (!answer.ok) {
      const reason = answer.status === 401 ? "the server refused the credentials" : answer.reason;
      happen({ type: "lost", link, reason });
      return;
    }
    const text = decodeUtf8(answer.octets);
    const frames = text === null ? null : decodePoll(text);
    happen({ type: "polled", link, frames });
    for (const frame of frames ?? []) {
      if (frame.type === "hb" && frame.checkpoint !== undefined) void checkCheckpoint(link, frame.checkpoint);
    }
  }

  async function start(): Promise<void> {
    const kept = await keep?.read().catch(() => null);
    if (stop.signal.aborted) return;
    if (kept === null || kept === undefined) return happen({ type: "started", copy: null });
    const digest = await snapshotDigest(kept.snapshot);
    const outcome = await takeSnapshot(kept, digest, loading, world, stop.signal);
    if (!stop.signal.aborted) happen({ type: "started", copy: outcome.ok ? outcome.copy : null });
  }

  /** One look whether the wait for the first lease is over, either way. */
  function readiness(): "yes" | "no" | "open" {
    if (holds(state.lease, now())) return "yes";
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
      const { lease } = state;
      if (lease === null) return "stale";
      const moment = { mono: world.mono(), wall };
      if (holds(lease, moment)) return "live";
      return acceptMs > 0 && holds(lease, moment, acceptMs) ? "extra" : "stale";
    },
    leaseLeft: () => leaseLeft(state.lease, now()),
    get leaseMs() {
      return Math.min(state.era === 0 ? LEASE_MS_USUAL : state.signedLeaseMs, maxStaleness);
    },
    authorization,
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
      happen({ type: "closed" });
      listeners.clear();
    },
  };
}
