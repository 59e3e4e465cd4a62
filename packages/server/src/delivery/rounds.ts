/**
 * Rounds over all receivers: looks whose turn it is, and has one piece of work at a time done for each.
 *
 *   wake ─(a moment)─► round ──► for each that is due and has nothing under way: work ──► done? more? ─┐
 *     ▲                                                                                               │
 *     └───────────────────────────────────────────────────────────────────────────────────────────────┘
 *
 * A commit only sets an alarm: nothing here stands in the way of what is told.
 */
import type { Clock, SetAlarm } from "../prelude/world.ts";

/** After a fault of ours, such as a store that cannot be read. */
const FAULT_MS = 5_000;
/** setTimeout takes no more than 2^31 − 1 ms. */
const LONGEST_ALARM_MS = 3_600_000;

/** Somebody who is delivered to. */
export interface Receiving {
  readonly id: string;
  /** Unix milliseconds. */
  readonly nextAttemptAt: number;
}

export interface Rounds {
  /** There may be something to do. Returns at once. */
  wake(): void;
  /** Called off when the rounds stop. */
  readonly signal: AbortSignal;
  /** Calls off what is under way, and waits for it. */
  stop(): Promise<void>;
}

export interface RoundsParts<Receiver extends Receiving> {
  /** Whether it is this process that delivers, of those that serve the same data. Woken when that changes. */
  readonly mine: () => boolean;
  /** Those who may be delivered to now. */
  readonly due: () => Promise<readonly Receiver[]>;
  /** Does a piece of work; resolves to whether there may be more at once. */
  readonly work: (receiver: Receiver, signal: AbortSignal) => Promise<boolean>;
  /** What is committed within this time travels together, in milliseconds. */
  readonly collectMs: number;
  /** Looks again after so long, whether or not anybody woke it; `null`: never. */
  readonly everyMs: number | null;
  readonly clock: Clock;
  readonly alarm: SetAlarm;
  readonly fault: (error: unknown) => void;
}

export function startRounds<Receiver extends Receiving>(parts: RoundsParts<Receiver>): Rounds {
  const { mine, due, work, collectMs, everyMs, clock, alarm, fault } = parts;
  const stopping = new AbortController();
  const underWay = new Map<string, Promise<void>>();
  /** There was a round while they were busy. */
  const again = new Set<string>();
  let alarmed: { readonly at: number; readonly callOff: () => void } | null = null;
  let rounds: Promise<void> = Promise.resolve();

  const wakeIn = (ms: number): void => {
    const at = clock.monotonic() + ms;
    if (stopping.signal.aborted || (alarmed !== null && alarmed.at <= at)) return;
    alarmed?.callOff();
    const callOff = alarm(ms, () => {
      alarmed = null;
      rounds = rounds.then(round).catch(failed);
    });
    alarmed = { at, callOff };
  };
  const failed = (error: unknown): void => {
    fault(error);
    wakeIn(FAULT_MS);
  };

  async function round(): Promise<void> {
    if (stopping.signal.aborted || !mine()) return;
    const receivers = await due();
    const now = clock.now();
    for (const receiver of receivers) {
      if (underWay.has(receiver.id)) again.add(receiver.id);
      else if (receiver.nextAttemptAt > now) wakeIn(Math.min(receiver.nextAttemptAt - now, LONGEST_ALARM_MS));
      else underWay.set(receiver.id, run(receiver));
    }
    if (everyMs !== null && receivers.length > 0) wakeIn(everyMs);
  }

  async function run(receiver: Receiver): Promise<void> {
    try {
      if (await work(receiver, stopping.signal)) again.add(receiver.id);
    } catch (error) {
      failed(error);
      again.delete(receiver.id);
    } finally {
      underWay.delete(receiver.id);
      if (again.delete(receiver.id)) wakeIn(0);
    }
  }

  wakeIn(0);
  return {
    wake: () => wakeIn(collectMs),
    signal: stopping.signal,
    stop: async () => {
      stopping.abort();
      alarmed?.callOff();
      await rounds;
      await Promise.all(underWay.values());
    },
  };
}
