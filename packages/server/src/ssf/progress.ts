/**
 * How a stream moves on: events have names (`jti`), their receiver acknowledges them by name, and the cursor follows.
 *
 *   jti    set_<stream>_<epoch>_<seq>      an event of the queue
 *          set_<stream>_own_<number>       what the stream says of itself
 *
 * The name is made of what it stands for, so nothing need be stored to know it again: the same event has the same name at
 * every attempt and in every process. The epoch of the log stands in it because a restored queue gives its numbers anew.
 */
import type { Signal } from "./signal.ts";
import { type Control, concerns, type Stream } from "./stream.ts";

const own = (stream: Pick<Stream, "id">): string => `set_${stream.id.replace(/^str_/, "")}`;

export function signalName(stream: Pick<Stream, "id">, { epoch, seq }: Pick<Signal, "epoch" | "seq">): string {
  return `${own(stream)}_${epoch}_${seq}`;
}

export function controlName(stream: Pick<Stream, "id">, { number }: Pick<Control, "number">): string {
  return `${own(stream)}_own_${number}`;
}

/** A stretch of the queue, in its order, with whom of it is an exception from the stream's default. */
export interface Stretch {
  readonly signals: readonly Signal[];
  readonly excepted: ReadonlySet<string>;
}

/** The signals of a stretch that are to be sent, and not acknowledged yet. */
export function dueIn(stream: Stream, { signals, excepted }: Stretch): readonly Signal[] {
  return signals.filter((signal) => concerns(stream, signal, signal.user !== null && excepted.has(signal.user)));
}

/**
 * The stream after its receiver is done with some events; names that it was never told are passed over. The cursor moves
 * to before the first that it is not done with.
 * @param stretch the first `WINDOW` signals behind the cursor
 */
export function acknowledge(stream: Stream, names: readonly string[], stretch: Stretch): Stream {
  const done = new Set(names);
  const controls = stream.controls.filter((control) => !done.has(controlName(stream, control)));
  const acked = stretch.signals.filter((signal) => done.has(signalName(stream, signal))).map(({ seq }) => seq);
  const known = [...new Set([...stream.acked, ...acked])].sort((a, b) => a - b);
  return advance({ ...stream, controls, acked: known }, stretch);
}

/** Moves the cursor over everything that no longer waits. */
export function advance(stream: Stream, stretch: Stretch): Stream {
  const [waiting] = dueIn(stream, stretch);
  const last = stretch.signals.at(-1);
  const cursor = waiting !== undefined ? waiting.seq - 1 : Math.max(stream.cursor, last?.seq ?? 0);
  return { ...stream, cursor, acked: stream.acked.filter((seq) => seq > cursor) };
}
