/**
 * Limits on what may fail how often. A unit is taken *before* the work and given back when it turned out not to count
 * (a right password), so that parallel guesses cannot slip through between check and count. Attempts that find no unit
 * left while others are still being checked wait for those instead of being refused: a hundred honest log-ins at once
 * are not an attack.
 */
import { createHash } from "node:crypto";
import { LIMITS, type LimitName } from "./limits.ts";
import type { ThrottleStore } from "./store.ts";

export interface Permit {
  /** The attempt did not count: its unit goes back. Calling it twice gives back once. */
  giveBack(): Promise<void>;
  /** The attempt counted. Calling neither leaves the waiting ones waiting. */
  keep(): void;
}

export type Admission =
  | { readonly allowed: true; readonly permit: Permit }
  | { readonly allowed: false /** seconds, at least 1 */; readonly retryAfter: number };

export interface Throttle {
  /** Takes a unit of a limit for what it counts by. */
  admit(limit: LimitName, by: string): Promise<Admission>;
}

const NOTHING: Permit = { giveBack: async () => {}, keep: () => {} };

/** @param enabled `false` lifts every limit: for load tests only */
export function createThrottle(store: ThrottleStore, enabled: boolean): Throttle {
  if (!enabled) return { admit: async () => ({ allowed: true, permit: NOTHING }) };
  const pending = new Map<string, { held: number; waiting: (() => void)[] }>();

  const hold = (key: string): void => {
    const entry = pending.get(key) ?? { held: 0, waiting: [] };
    entry.held += 1;
    pending.set(key, entry);
  };
  const release = (key: string): void => {
    const entry = pending.get(key);
    if (entry === undefined) return;
    entry.held -= 1;
    const woken = entry.waiting.splice(0);
    if (entry.held === 0) pending.delete(key);
    for (const wake of woken) wake();
  };

  const admit = async (limit: LimitName, by: string): Promise<Admission> => {
    const rule = LIMITS[limit];
    // The store need not learn names or addresses.
    const key = createHash("sha256").update(`${limit}\0${by}`).digest("base64url").slice(0, 22);
    for (;;) {
      const waitMs = await store.take(key, rule);
      if (waitMs === 0) break;
      const others = pending.get(key);
      if (others === undefined) return { allowed: false, retryAfter: Math.max(1, Math.ceil(waitMs / 1000)) };
      await new Promise<void>((wake) => others.waiting.push(wake));
    }
    hold(key);
    let open = true;
    return {
      allowed: true,
      permit: {
        giveBack: async () => {
          if (!open) return;
          open = false;
          // Whatever the store does, those who wait must be woken.
          await store.giveBack(key, rule).finally(() => release(key));
        },
        keep: () => {
          if (!open) return;
          open = false;
          release(key);
        },
      },
    };
  };
  return { admit };
}
