/**
 * Commits that come close together travel in one frame: the first after a pause goes at once, further ones wait for the
 * window, which grows with the number of connections because each frame costs as much as there are of them.
 */
import type { Clock, SetAlarm } from "../prelude/world.ts";

/** The longest that a commit waits for others, and how many connections make up a millisecond of it. */
const LONGEST_MS = 20;
const CONNECTIONS_PER_MS = 50;

export class Window {
  readonly #clock: Clock;
  readonly #alarm: SetAlarm;
  readonly #flush: () => void;
  #flushedAt = Number.NEGATIVE_INFINITY;
  #callOff: (() => void) | null = null;

  constructor(clock: Clock, alarm: SetAlarm, flush: () => void) {
    this.#clock = clock;
    this.#alarm = alarm;
    this.#flush = flush;
  }

  /** There is something to send, to so many connections: now, or with what else comes within the window. */
  open(connections: number): void {
    if (this.#callOff !== null) return;
    const due = this.#flushedAt + Math.min(LONGEST_MS, connections / CONNECTIONS_PER_MS) - this.#clock.monotonic();
    if (due <= 0) this.flush();
    else this.#callOff = this.#alarm(Math.ceil(due), () => this.flush());
  }

  /** Sends now what waits. */
  flush(): void {
    this.close();
    this.#flush();
    this.#flushedAt = this.#clock.monotonic();
  }

  close(): void {
    this.#callOff?.();
    this.#callOff = null;
  }
}
