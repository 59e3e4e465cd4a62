/** A start that waits for a database which is not there yet: of several machines that start together, one is always first. */
import { StartRefused } from "../../prelude/fault.ts";
import type { Clock, SetAlarm } from "../../prelude/world.ts";

const REST_MS = { first: 250, last: 2_000 };

export interface Patience {
  /** How long it is tried again, in milliseconds. */
  readonly waitMs: number;
  readonly clock: Clock;
  readonly alarm: SetAlarm;
  /** Told once that it is tried again. */
  readonly tell: (line: string) => void;
}

/** Tries again, each time later, while what stands in the way is something that passes. */
export async function patiently<T>(work: () => Promise<T>, { waitMs, clock, alarm, tell }: Patience): Promise<T> {
  const until = clock.monotonic() + waitMs;
  for (let restMs = REST_MS.first; ; restMs = Math.min(restMs * 2, REST_MS.last)) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof StartRefused) || !error.passes || clock.monotonic() + restMs > until) throw error;
      if (restMs === REST_MS.first) tell(`${error.message} It is tried again for ${Math.ceil(waitMs / 1000)} s.`);
      await new Promise<void>((wake) => alarm(restMs, wake));
    }
  }
}
