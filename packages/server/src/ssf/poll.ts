/**
 * Polling (RFC 8936): a receiver says what it is done with, and is given what waits; where nothing does, it may wait too.
 *
 *   receipt ──► stored ──► what waits? ──► something: answer
 *                              ▲      └──► nothing: wait ──► woken, a second passed, or 20 s are over
 *                              └─────────────────────────────────┘
 *
 * A commit wakes those who wait. What wakes nobody, since it wrote nothing into the log or was another process's, is found
 * by the look that each takes every second.
 */
import type { Cause } from "../audit/event.ts";
import type { StreamId } from "../prelude/ids.ts";
import type { Clock, SetAlarm } from "../prelude/world.ts";
import type { NamedSet, SetMaker } from "./set.ts";
import type { Due, Receipt, StreamStore } from "./store.ts";
import type { Stream } from "./stream.ts";

/** More in one answer is not sent, whatever was asked for. */
export const MOST_EVENTS = 100;
/** Proxies give up after 30 s and more. */
export const LONG_POLL_MS = 20_000;
const LOOK_MS = 1_000;
/** A receiver that polls is heard of often enough if that is written down this often. */
const HEARD_MS = 60_000;

export interface Poll extends Receipt {
  /** At most `MOST_EVENTS`; 0: none, only the receipt counts. */
  readonly limit: number;
  /** Whether to wait where nothing is there. */
  readonly waits: boolean;
}

export interface PollAnswer {
  readonly sets: readonly NamedSet[];
  readonly more: boolean;
}

export interface PollTally {
  readonly polls: number;
  readonly events: number;
  readonly waiting: number;
}

export interface Polls {
  /** `undefined`: there is no such stream. */
  poll(id: StreamId, poll: Poll, cause: Cause): Promise<PollAnswer | undefined>;
  /** There may be something to tell. */
  wake(): void;
  tally(): PollTally;
  /** Answers everyone who waits; from now on nobody does. */
  release(): void;
}

export function createPolls(services: {
  readonly streams: StreamStore;
  readonly sets: SetMaker;
  readonly clock: Clock;
  readonly alarm: SetAlarm;
}): Polls {
  const { streams, sets, clock, alarm } = services;
  /** One for each stream: a second poll sends the first one home. */
  const waiting = new Map<StreamId, { readonly look: () => void; readonly leave: () => void }>();
  let released = false;
  /** How often there has been something new: what came during a look is looked for again. */
  let wakes = 0;
  let polled = 0;
  let events = 0;

  /** Resolves to whether it is worth looking again. */
  const wait = (id: StreamId, ms: number): Promise<boolean> =>
    new Promise((resolve) => {
      const end = (again: boolean) => () => {
        callOff();
        if (waiting.get(id) === mine) waiting.delete(id);
        resolve(again);
      };
      const mine = { look: end(true), leave: end(false) };
      const callOff = alarm(Math.min(ms, LOOK_MS), mine.look);
      waiting.set(id, mine);
    });

  const signed = async (stream: Stream, due: Due, limit: number): Promise<PollAnswer> => {
    const controls = stream.controls.slice(0, limit);
    const signals = due.signals.slice(0, limit - controls.length);
    return {
      sets: [
        ...(await Promise.all(controls.map((control) => sets.ofControl(stream, control)))),
        ...(await Promise.all(signals.map((signal) => sets.ofSignal(stream, signal)))),
      ],
      more: due.more || signals.length < due.signals.length || controls.length < stream.controls.length,
    };
  };

  return {
    tally: () => ({ polls: polled, events, waiting: waiting.size }),
    poll: async (id, { acknowledged, refused, limit, waits }, cause) => {
      const until = clock.monotonic() + LONG_POLL_MS;
      polled += 1;
      waiting.get(id)?.leave();
      let receipt: Receipt | null = acknowledged.length + refused.length > 0 ? { acknowledged, refused } : null;
      for (;;) {
        if (receipt !== null) await streams.receive(id, receipt, cause);
        const before = wakes;
        const due = await streams.due(id, limit);
        if (due === undefined) return undefined;
        const { stream, signals, behind } = due;
        receipt = null;
        if (behind || clock.now() - stream.activeAt > HEARD_MS) receipt = { acknowledged: [], refused: [] };
        const left = until - clock.monotonic();
        const nothing = signals.length === 0 && stream.controls.length === 0;
        if (!nothing || !waits || released || limit === 0 || left <= 0) {
          if (receipt !== null) await streams.receive(id, receipt, cause);
          const answer = await signed(stream, due, limit);
          events += answer.sets.length;
          return answer;
        }
        if (wakes === before && !(await wait(id, left))) return { sets: [], more: false };
      }
    },
    wake: () => {
      wakes += 1;
      for (const { look } of [...waiting.values()]) look();
    },
    release: () => {
      released = true;
      for (const { leave } of [...waiting.values()]) leave();
    },
  };
}
