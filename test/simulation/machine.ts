/**
 * A machine with a process on it: its own clocks, its timers, and the ways in which it stops.
 *
 *   running ──pause──► paused   clocks go on; what arrives and what is due waits, and comes at once when it goes on (SIGSTOP,
 *      │                        a long collection of garbage)
 *      ├──sleep──► asleep       the monotonic clock stands still, the wall clock goes on
 *      └──crash──► down         the process is gone, with all that it knew; what it still had to do never happens
 *
 * The monotonic clock runs at a rate within 1 % of true time, and so does the wall clock, which can also be set. What is
 * assumed of clocks (docs/revocation.md) is what whoever makes trouble here keeps to: no clock's rate is off by more, and a
 * wall clock is not set back close to a sleep, since over both together no clock would have counted the time that passed
 * (`isSteady`).
 */
import type { World } from "../../packages/server/src/prelude/world.ts";
import type { Dice } from "./random.ts";
import type { Cancel, Timeline } from "./timeline.ts";

/** When true time is 0, in Unix milliseconds. */
export const EPOCH_MS = 1_800_000_000_000;

export type MachineState = "running" | "paused" | "asleep" | "down";

export interface Rates {
  readonly mono: number;
  readonly wall: number;
}

/** What one life of a process has: its doings end with it. */
interface Life {
  over: boolean;
}

export class Machine {
  readonly name: string;
  readonly timeline: Timeline;
  readonly dice: Dice;
  readonly #rates: Rates;
  state: MachineState = "running";
  /** Called when the machine goes on after a pause or sleep, before anything that waited is done. */
  onResume: () => void = () => {};
  readonly #crashes = new Set<(silently: boolean) => void>();
  /** Called when something has begun to run here, or its clock was set. */
  onTurn: () => void = () => {};
  #life: Life = { over: false };
  #waiting: (() => void)[] = [];
  /** True time of the last sleep's end, and of the last time that the wall clock was set back. */
  #woke = Number.NEGATIVE_INFINITY;
  #setBack = Number.NEGATIVE_INFINITY;
  #mono: { at: number; value: number };
  #wall: { at: number; value: number };

  constructor(name: string, timeline: Timeline, dice: Dice, rates: Rates, wallOffset = 0) {
    this.name = name;
    this.timeline = timeline;
    this.dice = dice;
    this.#rates = rates;
    this.#mono = { at: timeline.now, value: dice.between(1_000, 1_000_000) };
    this.#wall = { at: timeline.now, value: EPOCH_MS + timeline.now + wallOffset };
  }

  monotonic(): number {
    const ran = this.state === "asleep" ? 0 : this.timeline.now - this.#mono.at;
    return this.#mono.value + ran * this.#rates.mono;
  }

  wall(): number {
    return Math.floor(this.#wall.value + (this.timeline.now - this.#wall.at) * this.#rates.wall);
  }

  /** By how much this wall clock is ahead of true time. */
  wallError(): number {
    return this.wall() - (EPOCH_MS + this.timeline.now);
  }

  /** Neither slept nor was set back in the last so many milliseconds. */
  isSteady(ms: number): boolean {
    return this.state !== "asleep" && this.timeline.now - Math.max(this.#woke, this.#setBack) > ms;
  }

  setWall(error: number): void {
    if (error < this.wallError()) this.#setBack = this.timeline.now;
    this.#wall = { at: this.timeline.now, value: EPOCH_MS + this.timeline.now + error };
    this.onTurn();
  }

  /** Clock and randomness as the code under test is given them. */
  world(): World {
    return {
      clock: { now: () => this.wall(), monotonic: () => this.monotonic() },
      random: { bytes: (length) => this.dice.bytes(length) },
    };
  }

  get alive(): boolean {
    return this.state !== "down";
  }

  get running(): boolean {
    return this.state === "running";
  }

  /** Runs something in the present process: now, or when it goes on; never, if it ends before. */
  deliver(run: () => void): void {
    if (this.state === "down") return;
    if (this.state === "running" && this.#waiting.length === 0) {
      this.onTurn();
      run();
    } else this.#waiting.push(run);
  }

  /** `deliver` for what concerns the present process and no later one: what it asked for, what it listens to. */
  toThisProcess(): (run: () => void) => void {
    const life = this.#life;
    return (run) => {
      if (!life.over) this.deliver(run);
    };
  }

  /** Calls `run` in so many milliseconds of this machine's monotonic clock, if the process lives. */
  timer(ms: number, run: () => void): Cancel {
    const life = this.#life;
    const due = this.monotonic() + ms;
    let cancelled = false;
    const look = (): void => {
      if (cancelled || life.over) return;
      const left = due - this.monotonic();
      if (left > 1e-6) plan(left);
      else run();
    };
    const plan = (left: number): void => {
      // A timer is never early, and a little late.
      this.timeline.after(left / this.#rates.mono + this.dice.between(0, 1), () => {
        if (!cancelled && !life.over) this.deliver(look);
      });
    };
    plan(ms);
    return () => {
      cancelled = true;
    };
  }

  pause(): void {
    if (this.state === "running") this.state = "paused";
  }

  sleep(): void {
    if (this.state !== "running") return;
    this.#mono = { at: this.timeline.now, value: this.monotonic() };
    this.state = "asleep";
  }

  /** Goes on: first whoever uses the process gets to it (`onResume`), then everything that waited, in order. */
  resume(): void {
    if (this.state !== "paused" && this.state !== "asleep") return;
    if (this.state === "asleep") {
      this.#mono = { at: this.timeline.now, value: this.#mono.value };
      this.#woke = this.timeline.now;
    }
    this.state = "running";
    this.onResume();
    const life = this.#life;
    const waiting = this.#waiting;
    this.#waiting = [];
    // One event each, as an event loop would: what one causes may come before the next.
    for (const run of waiting) {
      this.timeline.after(0, () => {
        if (!life.over) this.deliver(run);
      });
    }
  }

  /** Calls `gone` when the process ends. The result ends that. */
  onCrash(gone: (silently: boolean) => void): () => void {
    this.#crashes.add(gone);
    return () => this.#crashes.delete(gone);
  }

  /** @param silently the whole machine is gone, so that nobody is told */
  crash(silently: boolean): void {
    if (this.state === "down") return;
    this.state = "down";
    this.#life.over = true;
    this.#waiting = [];
    for (const gone of [...this.#crashes]) gone(silently);
    this.#crashes.clear();
  }

  /** A new process, which knows nothing. Its monotonic clock begins anew. */
  boot(): void {
    if (this.state !== "down") return;
    this.#life = { over: false };
    this.#waiting = [];
    this.#mono = { at: this.timeline.now, value: this.dice.between(0, 1_000_000) };
    this.state = "running";
  }
}
