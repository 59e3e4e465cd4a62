/**
 * WebCrypto works on other threads, so that what it answers comes at no certain moment. While a seed runs, its digests hold
 * the time and are answered in the order in which they were asked: they take no time, and a run repeats.
 */
import type { Timeline } from "./timeline.ts";

let running: Timeline | null = null;

const { subtle } = globalThis.crypto;
const digest = subtle.digest.bind(subtle);
let last: Promise<unknown> = Promise.resolve();
subtle.digest = (algorithm, data) => {
  const work = digest(algorithm, data);
  const inTurn = last.then(
    () => work,
    () => work,
  );
  last = inTurn;
  running?.hold(inTurn);
  return inTurn;
};

/** Whose time stands still for a digest from now on. */
export function holdTimeOf(timeline: Timeline | null): void {
  running = timeline;
}
