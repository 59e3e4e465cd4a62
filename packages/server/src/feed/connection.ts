/**
 * One verifier's connection, as a pure state machine: from a state and an event to the next state and what to do.
 *
 *   greeting ──hello──► admitting ──admitted──► live ──────────────────────────► over
 *      │ late, bad         │ declined            │ news: entries go out, in order, from where it is
 *      └───────────────────┴──► over             │ ping: a head is read that begins after it; the heartbeat echoes it
 *                                                │       once every entry up to that head has gone out before it
 *                                                │ ack: never above what was sent; asked for where somebody waits for it
 *                                                └ silence, slowness, flood, withdrawn credentials: cut
 *
 * No clock, no socket, no log: times and positions come with the events, and the hub carries out the actions in order.
 * Only a heartbeat gives a lease, and no path leads to one but ping → read → entries → heartbeat.
 */
import type { Behind, ClientFrame, Hello } from "@mapae/verifier/revocation";
import type { InstanceId } from "../prelude/ids.ts";
import { isBefore, type Position } from "../revocation/entry.ts";
import type { Head } from "./source.ts";

/**
 * How a connection is ended by this side: the WebSocket close code (RFC 6455 §7.4.2: 4000–4999 are the application's), and
 * the code of the `refused` frame before it, where there is something that the verifier should know.
 */
export const CLOSINGS = {
  resync: { code: 4001, refused: null, says: "load a snapshot" },
  leaving: { code: 1001, refused: null, says: "this node is going away" },
  bad_frame: { code: 4400, refused: "bad_frame", says: "a frame that does not decode, or comes where it must not" },
  unauthorized: { code: 4401, refused: "unauthorized", says: "no resource server's credentials, or not any more" },
  slow: { code: 4408, refused: null, says: "too much was waiting to be read" },
  silent: { code: 4409, refused: null, says: "nothing was heard for too long" },
  too_many_connections: {
    code: 4429,
    refused: "too_many_connections",
    says: "this node has as many connections as it may have",
  },
  unavailable: { code: 4503, refused: "unavailable", says: "not possible now" },
} as const;
export type Closing = keyof typeof CLOSINGS;
/** With this code a verifier closes that holds no lease any more and accepts nothing by it: it need not be waited for. */
export const RELEASED_CODE = 4000;

/** A connection must say who it is within this time. */
export const GREETING_MS = 5_000;
/** A verifier pings every second. After this long without a word the link is dead, whatever TCP says. */
export const SILENCE_MS = 15_000;
/** What may wait in a connection for the network, in octets: some 25,000 entries. */
export const BACKLOG_MAX = 1024 * 1024;
/** Further behind than this many entries, a snapshot is the shorter way, and everyone's is the same buffer. */
export const RESUME_ENTRIES_MAX = 20_000;
/** Frames within one second: a ping, and an acknowledgement for each of at most 500 coalesced frames. */
export const FRAMES_PER_SECOND_MAX = 1_000;

/** Why a verifier must load a snapshot instead of resuming from a position; `null` where it may resume. */
export function resyncReason(after: Position, head: Position, backlog: number): "epoch" | "ahead" | "too_old" | null {
  if (after.epoch !== head.epoch) return isBefore(head, after) ? "ahead" : "epoch";
  if (isBefore(head, after)) return "ahead";
  return backlog > RESUME_ENTRIES_MAX ? "too_old" : null;
}

interface Heard {
  readonly at: number;
  /** Frames since `second`. */
  readonly second: number;
  readonly frames: number;
}

/** A heartbeat that waits for the entries up to its head. */
export interface Owed extends Omit<Head, "position"> {
  readonly echo: number;
  readonly head: Position;
}

export interface LiveState extends Heard {
  readonly phase: "live";
  readonly instance: InstanceId;
  /** Everything up to here was handed to the network. */
  readonly sent: Position;
  /** The last ping received, and the last for which a head read has begun; −1 before the first. */
  readonly pinged: number;
  readonly begun: number;
  readonly reading: boolean;
  /** What it said, and what it was asked for. */
  readonly acked: Position;
  readonly asked: Position | null;
  readonly owed: Owed | null;
}

export type ConnectionState =
  | { readonly phase: "greeting"; readonly at: number }
  | { readonly phase: "admitting"; readonly at: number }
  | LiveState
  | { readonly phase: "over" };

export type ConnectionEvent =
  /** `frame` is `null` where it does not decode. */
  | { readonly type: "frame"; readonly frame: ClientFrame | null; readonly now: number }
  | { readonly type: "admitted"; readonly instance: InstanceId; readonly after: Position; readonly now: number }
  | { readonly type: "declined"; readonly reason: Closing }
  /** It may not resume from where it is. */
  | { readonly type: "behind"; readonly why: "epoch" | "ahead" | "too_old" }
  /** The node's log stands at `head`: send what is missing. */
  | { readonly type: "news"; readonly head: Position }
  /** The read that the last `read_head` asked for found this head, on which a lease of `leaseMs` may be given. */
  | ({ readonly type: "head" } & Omit<Owed, "echo">)
  | { readonly type: "no_head" }
  /** Somebody waits for it to acknowledge a position that it is sent, or was. */
  | { readonly type: "ask"; readonly position: Position }
  /** How much waits for the network, after something was handed to it. */
  | { readonly type: "backlog"; readonly octets: number }
  | { readonly type: "tick"; readonly now: number }
  | { readonly type: "drain"; readonly afterMs: number }
  /** The log that was told here goes on as another one: of a relay that had to load a snapshot itself. */
  | { readonly type: "turned"; readonly why: string }
  | { readonly type: "cut"; readonly reason: Closing }
  /** The other side closed, or the link broke. */
  | { readonly type: "gone"; readonly released: boolean };

export type ConnectionAction =
  | { readonly do: "admit"; readonly hello: Hello }
  | { readonly do: "welcome"; readonly position: Position }
  | { readonly do: "send_entries"; readonly from: Position; readonly to: Position }
  | { readonly do: "read_head" }
  | { readonly do: "ask"; readonly position: Position }
  | ({ readonly do: "heartbeat" } & Owed)
  | { readonly do: "acked"; readonly position: Position; readonly behind: Behind | null }
  | { readonly do: "renew"; readonly ticket: string }
  | { readonly do: "resync"; readonly why: string }
  | { readonly do: "drain"; readonly afterMs: number }
  | { readonly do: "close"; readonly reason: Closing }
  | { readonly do: "leave"; readonly instance: InstanceId; readonly how: "lost" | "released" };

export type Step = readonly [ConnectionState, readonly ConnectionAction[]];

const OVER: ConnectionState = { phase: "over" };

export function begin(now: number): ConnectionState {
  return { phase: "greeting", at: now };
}

export function step(state: ConnectionState, event: ConnectionEvent): Step {
  switch (state.phase) {
    case "over":
      return [state, []];
    case "greeting":
    case "admitting":
      return beforeLive(state, event);
    case "live":
      return live(state, event);
  }
}

function beforeLive(state: ConnectionState & { phase: "greeting" | "admitting" }, event: ConnectionEvent): Step {
  switch (event.type) {
    case "frame":
      // Nothing but one hello is heard before the welcome.
      if (state.phase === "admitting" || event.frame?.type !== "hello") return cut("bad_frame");
      return [{ phase: "admitting", at: state.at }, [{ do: "admit", hello: event.frame }]];
    case "admitted": {
      const { instance, after, now } = event;
      const heard = { at: now, second: now, frames: 0 };
      const silent = { pinged: -1, begun: -1, reading: false, asked: null, owed: null };
      return [
        { phase: "live", instance, sent: after, acked: after, ...silent, ...heard },
        [{ do: "welcome", position: after }],
      ];
    }
    case "behind":
      return [
        OVER,
        [
          { do: "resync", why: event.why },
          { do: "close", reason: "resync" },
        ],
      ];
    case "declined":
    case "cut":
      return cut(event.reason);
    case "tick":
      return event.now - state.at > GREETING_MS ? cut("silent") : [state, []];
    case "gone":
      return [OVER, []];
    case "drain":
      return cut("leaving");
    default:
      return [state, []];
  }
}

function live(state: LiveState, event: ConnectionEvent): Step {
  switch (event.type) {
    case "frame":
      return heard(state, event.frame, event.now);
    case "news":
      return flush(state, event.head);
    case "head": {
      if (!state.reading) return [state, []];
      const { head, leaseMs, ageMs } = event;
      const owed: Owed = { echo: state.begun, head, leaseMs, ...(ageMs === undefined ? {} : { ageMs }) };
      const read: LiveState = { ...state, reading: false, owed };
      return then(beat(read), readAgain);
    }
    case "no_head":
      // No heartbeat without a head that is certain; the next ping tries again.
      return [{ ...state, reading: false }, []];
    case "ask":
      return ask(state, event.position);
    case "backlog":
      return event.octets > BACKLOG_MAX ? leave(state, "slow") : [state, []];
    case "tick":
      return event.now - state.at > SILENCE_MS ? leave(state, "silent") : [state, []];
    case "drain":
      return [state, [{ do: "drain", afterMs: event.afterMs }]];
    case "turned": {
      const [over, actions] = leave(state, "resync");
      return [over, [{ do: "resync", why: event.why }, ...actions]];
    }
    case "cut":
      return leave(state, event.reason);
    case "gone":
      return [OVER, [{ do: "leave", instance: state.instance, how: event.released ? "released" : "lost" }]];
    default:
      return [state, []];
  }
}

function heard(state: LiveState, frame: ClientFrame | null, now: number): Step {
  const sameSecond = now - state.second < 1_000;
  const frames = sameSecond ? state.frames + 1 : 1;
  if (frame === null || frames > FRAMES_PER_SECOND_MAX) return leave(state, "bad_frame");
  const next: LiveState = { ...state, at: now, second: sameSecond ? state.second : now, frames };
  switch (frame.type) {
    case "hello":
      return leave(state, "bad_frame");
    case "ack":
      // What was not sent cannot have been applied: a forged or early acknowledgement.
      if (isBefore(state.sent, frame.position)) return leave(state, "bad_frame");
      return [
        { ...next, acked: isBefore(state.acked, frame.position) ? frame.position : state.acked },
        [{ do: "acked", position: frame.position, behind: frame.behind ?? null }],
      ];
    case "ticket":
      return [next, [{ do: "renew", ticket: frame.ticket }]];
    case "ping":
      // An old or repeated number gives nothing anew.
      return frame.n > state.pinged ? readAgain({ ...next, pinged: frame.n }) : [next, []];
  }
}

/** Begins a head read for the last ping, unless one is under way: that one began before it, so another follows. */
function readAgain(state: LiveState): Step {
  if (state.reading || state.pinged <= state.begun) return [state, []];
  return [{ ...state, reading: true, begun: state.pinged }, [{ do: "read_head" }]];
}

function flush(state: LiveState, head: Position): Step {
  if (!isBefore(state.sent, head)) return [state, []];
  // No frame leads from one epoch into another.
  if (state.sent.epoch !== head.epoch) return live(state, { type: "turned", why: "epoch" });
  return then([{ ...state, sent: head }, [{ do: "send_entries", from: state.sent, to: head }]], beat);
}

/** Once for each position, and behind its entries. */
function ask(state: LiveState, position: Position): Step {
  const { sent, acked, asked } = state;
  if (isBefore(sent, position) || !isBefore(acked, position)) return [state, []];
  if (asked !== null && !isBefore(asked, position)) return [state, []];
  return [{ ...state, asked: position }, [{ do: "ask", position }]];
}

/**
 * The heartbeat that is owed, once every entry up to its head has gone out before it. It names all that has: a verifier
 * takes its lease behind that, and not merely behind the head that was read, which may be older than a revocation that
 * was confirmed in the meantime.
 */
function beat(state: LiveState): Step {
  const { owed, sent } = state;
  if (owed === null || isBefore(sent, owed.head)) return [state, []];
  return [{ ...state, owed: null }, [{ do: "heartbeat", ...owed, head: sent }]];
}

function then([state, actions]: Step, next: (state: LiveState) => Step): Step {
  if (state.phase !== "live") return [state, actions];
  const [after, more] = next(state);
  return [after, [...actions, ...more]];
}

/** Ends a connection that nobody is registered on. */
function cut(reason: Closing): Step {
  return [OVER, [{ do: "close", reason }]];
}

/** Ends a live one: its verifier stays counted while a lease can run. */
function leave({ instance }: LiveState, reason: Closing): Step {
  return [
    OVER,
    [
      { do: "close", reason },
      { do: "leave", instance, how: "lost" },
    ],
  ];
}
