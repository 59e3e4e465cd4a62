/**
 * When data keys change. MAC keys move by the calendar, because what they protect is replaced in the course of use; an
 * old one is forgotten when nothing made under it can be alive. What the others protect lies in the database, so they
 * change when an operator says so.
 */
import type { DataKeyPurpose, WrappedKey } from "./store.ts";

const DAY = 86_400_000;

export interface DataKeyLife {
  readonly rotateAfterMs: number;
  /** How long after its successor was made a key is still needed. */
  readonly neededMs: number;
}

/** `null`: changes by hand only, and stays. */
export const DATA_KEY_LIVES: Record<DataKeyPurpose, DataKeyLife | null> = {
  // A session lives 400 days at the most, by the bounds of MAPAE_SESSION_TTL; and so does the refresh token it holds.
  "refresh-mac": { rotateAfterMs: 30 * DAY, neededMs: 400 * DAY },
  // A browser keeps the device cookie for 400 days; then the device counts as unknown.
  "device-mac": { rotateAfterMs: 90 * DAY, neededMs: 400 * DAY },
  signing: null,
  pepper: null,
  // Another one makes every verifier load a snapshot anew.
  feed: null,
  webhook: null,
  ssf: null,
};

export interface DataKeyPlan {
  readonly rotate: readonly DataKeyPurpose[];
  readonly forget: readonly number[];
}

/** What is due at a time (Unix milliseconds). The newest key of a purpose is never forgotten. */
export function planDataKeys(
  keys: readonly Pick<WrappedKey, "id" | "purpose" | "createdAt">[],
  now: number,
  lives = DATA_KEY_LIVES,
): DataKeyPlan {
  const rotate: DataKeyPurpose[] = [];
  const forget: number[] = [];
  for (const [purpose, own] of Map.groupBy(keys, (key) => key.purpose)) {
    const life = lives[purpose];
    if (life === null) continue;
    const newestFirst = [...own].sort((a, b) => b.id - a.id);
    for (const [index, key] of newestFirst.entries()) {
      const successor = newestFirst[index - 1];
      if (successor === undefined) {
        if (now >= key.createdAt + life.rotateAfterMs) rotate.push(purpose);
      } else if (now >= successor.createdAt + life.neededMs) forget.push(key.id);
    }
  }
  return { rotate, forget };
}
