/**
 * True time, and what happens in it: a queue of events that is worked off one by one. Between two events everything that
 * they set going is run to its end (promises included), so that a run has one order and a seed repeats it.
 *
 *   earliest event ──► run it ──► let every promise settle ──► look (the oracle) ──► next
 *
 * Nobody but the simulation itself knows this time. What the code under test sees are the clocks of machine.ts.
 */
import { createHash, type Hash } from "node:crypto";

interface Planned {
  at: number;
  readonly order: number;
  run: (() => void) | null;
}

export type Cancel = () => void;

/** The last lines of a trace are what one reads. */
const TRACE_MAX = 4_000;

export class Timeline {
  /** Milliseconds since the beginning. */
  now = 0;
  events = 0;
  readonly trace: string[] = [];
  readonly #queue: Planned[] = [];
  readonly #hash: Hash = createHash("sha256");
  /** What of an event goes into the hash: when it was, and its place in the order of planning. */
  readonly #moment = new Float64Array(2);
  #order = 0;
  #failure: unknown = null;
  #held = 0;
  #leapt = 0;

  at(time: number, run: () => void): Cancel {
    const planned: Planned = { at: Math.max(time, this.now), order: this.#order++, run };
    this.#push(planned);
    return () => {
      planned.run = null;
    };
  }

  after(ms: number, run: () => void): Cancel {
    return this.at(this.now + ms, run);
  }

  /** Resolves in so many milliseconds. */
  wait(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve));
  }

  /** So much time passes in which nothing happens: what is planned comes as much later. */
  leap(ms: number): void {
    for (const planned of this.#queue) planned.at += ms;
    this.now += ms;
    this.#leapt += ms;
  }

  /** A line of the trace. Every line, and every event, counts for the hash by which two runs are compared. */
  note(line: string): void {
    const whole = `${this.now.toFixed(3).padStart(12)}  ${line}`;
    this.#hash.update(`${whole}\n`);
    this.trace.push(whole);
    if (this.trace.length > 2 * TRACE_MAX) this.trace.splice(0, TRACE_MAX);
  }

  traceHash(): string {
    return this.#hash.copy().digest("hex");
  }

  /** Ends the run with what was found, as soon as the present event is over. */
  fail(error: unknown): void {
    this.#failure ??= error;
  }

  /** Time stands still until this is done: real work on another thread (making a key) that takes no simulated time. */
  hold(work: Promise<unknown>): void {
    this.#held += 1;
    work.then(
      () => {
        this.#held -= 1;
      },
      (error: unknown) => {
        this.#held -= 1;
        this.fail(error);
      },
    );
  }

  /**
   * Works off what happens in so many milliseconds, not counting leaps.
   * @param look called after every event, when all is quiet
   */
  async run(ms: number, look: () => void): Promise<void> {
    const until = this.now + ms - this.#leapt;
    for (;;) {
      const next = this.#queue[0];
      if (next === undefined || next.at > until + this.#leapt) break;
      this.#pop();
      if (next.run === null) continue;
      this.now = next.at;
      this.events += 1;
      this.#moment[0] = next.at;
      this.#moment[1] = next.order;
      this.#hash.update(this.#moment);
      next.run();
      do await quiet();
      while (this.#held > 0);
      if (this.#failure === null) look();
      if (this.#failure !== null) throw this.#failure;
    }
    this.now = until + this.#leapt;
  }

  // A binary heap by time, then by order of planning.

  #push(planned: Planned): void {
    const queue = this.#queue;
    let at = queue.push(planned) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = queue[above];
      if (parent === undefined || isEarlier(parent, planned)) break;
      queue[at] = parent;
      at = above;
    }
    queue[at] = planned;
  }

  #pop(): void {
    const queue = this.#queue;
    const last = queue.pop();
    if (last === undefined || queue.length === 0) return;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      let least = last;
      let place = at;
      for (const child of [left, left + 1]) {
        const candidate = queue[child];
        if (candidate !== undefined && isEarlier(candidate, least)) {
          least = candidate;
          place = child;
        }
      }
      queue[at] = least;
      if (place === at) return;
      at = place;
    }
  }
}

function isEarlier(one: Planned, other: Planned): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}

/** All microtasks are done when the loop comes round. */
function quiet(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
