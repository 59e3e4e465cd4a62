/**
 * A token bucket, as a pure function of what was left and when: the one arithmetic behind every limit.
 *
 *   level ◄── refills with time, up to the capacity          a take lowers it, and is refused where it would go below 0
 */

export interface BucketRule {
  /** How many may come at once. */
  readonly capacity: number;
  /** How long one unit takes to come back, in milliseconds. */
  readonly refillMs: number;
}

export interface Bucket {
  readonly level: number;
  /** Milliseconds on the store's clock: monotonic within one process, the store's own where several share it. */
  readonly at: number;
}

export type Take =
  | { readonly allowed: true; readonly bucket: Bucket }
  | { readonly allowed: false; readonly bucket: Bucket; readonly retryAfterMs: number };

/** What is in the bucket at a time; a clock that went back refills nothing. */
export function levelAt(bucket: Bucket | undefined, rule: BucketRule, now: number): number {
  if (bucket === undefined) return rule.capacity;
  return Math.min(rule.capacity, bucket.level + Math.max(0, now - bucket.at) / rule.refillMs);
}

/** Takes one unit if there is one. */
export function take(bucket: Bucket | undefined, rule: BucketRule, now: number): Take {
  const level = levelAt(bucket, rule, now);
  const at = Math.max(now, bucket?.at ?? now);
  if (level >= 1) return { allowed: true, bucket: { level: level - 1, at } };
  return { allowed: false, bucket: { level, at }, retryAfterMs: Math.ceil((1 - level) * rule.refillMs) };
}

/** Gives one unit back: what it was taken for turned out not to count. */
export function giveBack(bucket: Bucket | undefined, rule: BucketRule, now: number): Bucket {
  return { level: Math.min(rule.capacity, levelAt(bucket, rule, now) + 1), at: Math.max(now, bucket?.at ?? now) };
}
