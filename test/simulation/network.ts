/**
 * The network between machines: what it does to each direction of each pair is set here, and changes while a run goes on.
 *
 *   open      what is sent arrives after its delay
 *   dark      nothing arrives and nobody is told. What a stream has sent waits, as TCP sends it again, and arrives when it
 *             is light again: a freeze with its release, or one half of a partition one way
 *   refused   (a pair) connections are refused, and those there are break: the honest way to be gone
 *
 * `lag` is a constant delay on top: a path by way of the moon. `narrow`: each octet of a stream takes its time. `mangled`:
 * something in between loses, doubles, delays, cuts or flips frames of streams. Streams and requests that use this are in transport.ts and requests.ts.
 */
import type { Machine } from "./machine.ts";
import type { Dice } from "./random.ts";
import type { Timeline } from "./timeline.ts";

export interface Weather {
  /** Least delay of one direction, in milliseconds. */
  readonly delay: number;
  /** Mean of what comes on top, drawn anew for each message. */
  readonly jitter: number;
  /** How often a question or an answer is lost for good, from 0 to 1. Streams repeat what is lost, and are late. */
  readonly lost: number;
  /** How often a question arrives twice. */
  readonly twice: number;
}

/** What something in between does to a frame, and how often it does. */
const MANGLED = { whole: 70, lost: 8, doubled: 5, late: 5, cut: 4, flipped: 8 } as const;
export type Mangled = keyof typeof MANGLED;

interface Direction {
  dark: boolean;
  lag: number;
  /** Milliseconds for each octet of a stream. */
  narrow: number;
  mangled: boolean;
  /** Called when it is light again. */
  lit: Set<() => void>;
}

export class Network {
  readonly timeline: Timeline;
  readonly #dice: Dice;
  readonly #weather: (from: Machine, to: Machine) => Weather;
  readonly #directions = new Map<string, Direction>();
  readonly #refused = new Set<string>();
  readonly #streamless = new Set<string>();
  readonly #breaks = new Map<string, Set<() => void>>();
  /** Nothing is lost or doubled any more. */
  #calm = false;

  constructor(timeline: Timeline, dice: Dice, weather: (from: Machine, to: Machine) => Weather) {
    this.timeline = timeline;
    this.#dice = dice;
    this.#weather = weather;
  }

  #direction(from: Machine, to: Machine): Direction {
    const key = `${from.name}>${to.name}`;
    let direction = this.#directions.get(key);
    if (direction === undefined) {
      direction = { dark: false, lag: 0, narrow: 0, mangled: false, lit: new Set() };
      this.#directions.set(key, direction);
    }
    return direction;
  }

  /** How long a message takes now. */
  delay(from: Machine, to: Machine): number {
    const { delay, jitter } = this.#weather(from, to);
    return delay + this.#dice.exponential(jitter) + this.#direction(from, to).lag;
  }

  isDark(from: Machine, to: Machine): boolean {
    return this.#direction(from, to).dark;
  }

  setDark(from: Machine, to: Machine, dark: boolean): void {
    const direction = this.#direction(from, to);
    direction.dark = dark;
    if (dark) return;
    const waiting = [...direction.lit];
    direction.lit.clear();
    for (const go of waiting) go();
  }

  setLag(from: Machine, to: Machine, lag: number): void {
    this.#direction(from, to).lag = lag;
  }

  narrow(from: Machine, to: Machine): number {
    return this.#direction(from, to).narrow;
  }

  setNarrow(from: Machine, to: Machine, msPerOctet: number): void {
    this.#direction(from, to).narrow = msPerOctet;
  }

  /** What becomes of the next frame of a stream. */
  mangle(from: Machine, to: Machine): Mangled {
    return this.#direction(from, to).mangled ? this.#dice.weighted(MANGLED) : "whole";
  }

  setMangled(from: Machine, to: Machine, mangled: boolean): void {
    this.#direction(from, to).mangled = mangled;
  }

  /** Whether a question or an answer is lost that leaves now. */
  loses(from: Machine, to: Machine): boolean {
    return !this.#calm && this.#dice.chance(this.#weather(from, to).lost);
  }

  /** Whether a question that leaves now arrives twice: a proxy that tries again. */
  doubles(from: Machine, to: Machine): boolean {
    return !this.#calm && this.#dice.chance(this.#weather(from, to).twice);
  }

  /** From 0 to below `count`. */
  below(count: number): number {
    return this.#dice.below(count);
  }

  /** Calls `go` when the direction is light: at once, or later. */
  whenLit(from: Machine, to: Machine, go: () => void): void {
    const direction = this.#direction(from, to);
    if (direction.dark) direction.lit.add(go);
    else go();
  }

  /** Brings a packet there; in the dark it is sent again until it is light. */
  bring(from: Machine, to: Machine, arrive: () => void): void {
    this.whenLit(from, to, () => this.timeline.after(this.delay(from, to), arrive));
  }

  refusesStreams(one: Machine, other: Machine): boolean {
    return this.#streamless.has(pairOf(one, other)) || this.refuses(one, other);
  }

  setStreamless(one: Machine, other: Machine, streamless: boolean): void {
    const pair = pairOf(one, other);
    if (streamless) this.#streamless.add(pair);
    else this.#streamless.delete(pair);
    if (streamless) this.breakStreams(one, other);
  }

  refuses(one: Machine, other: Machine): boolean {
    return this.#refused.has(pairOf(one, other));
  }

  setRefused(one: Machine, other: Machine, refused: boolean): void {
    const pair = pairOf(one, other);
    if (!refused) {
      this.#refused.delete(pair);
      return;
    }
    this.#refused.add(pair);
    this.breakStreams(one, other);
  }

  /** Breaks the streams between two machines, as a proxy that restarts does. */
  breakStreams(one: Machine, other: Machine): void {
    for (const cut of [...(this.#breaks.get(pairOf(one, other)) ?? [])]) cut();
  }

  /** `cut` is called when the streams between the two are broken; the result ends that. */
  onBreak(one: Machine, other: Machine, cut: () => void): () => void {
    const pair = pairOf(one, other);
    const cuts = this.#breaks.get(pair) ?? new Set();
    this.#breaks.set(pair, cuts.add(cut));
    return () => cuts.delete(cut);
  }

  /** Everything as it should be, and what waited goes on its way. */
  heal(): void {
    this.#calm = true;
    this.#refused.clear();
    this.#streamless.clear();
    for (const direction of this.#directions.values()) {
      direction.lag = 0;
      direction.narrow = 0;
      direction.mangled = false;
      direction.dark = false;
      const waiting = [...direction.lit];
      direction.lit.clear();
      for (const go of waiting) go();
    }
  }
}

function pairOf(one: Machine, other: Machine): string {
  return one.name < other.name ? `${one.name}|${other.name}` : `${other.name}|${one.name}`;
}
