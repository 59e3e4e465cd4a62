/**
 * Token buckets in this process: what throttles one node, whichever driver holds the rest.
 *
 * The table is bounded, and what happens when it is full decides whether an attacker can win by filling it. A bucket
 * that has refilled says nothing and is dropped freely. Where all of them say something, the *fullest* of a sample goes:
 * a stranger who floods the table with fresh keys has spent one unit on each, so it is his own keys that go, and the
 * bucket of a victim under attack, which is the emptiest, is the last that would be forgotten.
 */
import type { Clock } from "../../prelude/world.ts";
import { type Bucket, type BucketRule, giveBack, levelAt, take } from "../../throttle/bucket.ts";
import type { ThrottleStore } from "../../throttle/store.ts";

/** Some 200 bytes each: 20 MB when full. */
const CAPACITY = 100_000;
/** How many buckets one insertion into a full table looks at. */
const SAMPLE = 16;

interface Entry {
  readonly key: string;
  readonly rule: BucketRule;
  bucket: Bucket;
}

export function openMemoryThrottle(clock: Clock, capacity = CAPACITY): ThrottleStore {
  const places = new Map<string, number>();
  const entries: Entry[] = [];
  let hand = 0;

  /** How much of its capacity a bucket still has, 0 to 1. */
  const fullness = ({ bucket, rule }: Entry, now: number) => levelAt(bucket, rule, now) / rule.capacity;

  const remove = (place: number): void => {
    const gone = entries[place];
    const last = entries.pop();
    if (gone === undefined || last === undefined) return;
    places.delete(gone.key);
    if (gone === last) return;
    entries[place] = last;
    places.set(last.key, place);
  };

  /** Looks at the next few buckets around the table; drops those that have refilled, and one in any case if it is full. */
  const sweep = (now: number): void => {
    let fullest = -1;
    let most = -1;
    for (let looked = 0; looked < SAMPLE && entries.length > 0; looked += 1) {
      hand = (hand + 1) % entries.length;
      const entry = entries[hand];
      if (entry === undefined) continue;
      const full = fullness(entry, now);
      if (full >= 1) {
        remove(hand);
        return;
      }
      if (full > most) {
        most = full;
        fullest = hand;
      }
    }
    if (entries.length >= capacity && fullest >= 0) remove(fullest);
  };

  const put = (key: string, rule: BucketRule, bucket: Bucket, now: number): void => {
    const place = places.get(key);
    const held = place === undefined ? undefined : entries[place];
    if (held !== undefined) {
      held.bucket = bucket;
      return;
    }
    sweep(now);
    places.set(key, entries.length);
    entries.push({ key, rule, bucket });
  };

  const bucketOf = (key: string): Bucket | undefined => {
    const place = places.get(key);
    return place === undefined ? undefined : entries[place]?.bucket;
  };

  return {
    async take(key, rule) {
      const now = clock.monotonic();
      const taken = take(bucketOf(key), rule, now);
      put(key, rule, taken.bucket, now);
      return taken.allowed ? 0 : taken.retryAfterMs;
    },
    async giveBack(key, rule) {
      const now = clock.monotonic();
      const place = places.get(key);
      // A bucket that is not held is full already.
      if (place === undefined) return;
      const bucket = giveBack(bucketOf(key), rule, now);
      if (bucket.level >= rule.capacity) remove(place);
      else put(key, rule, bucket, now);
    },
  };
}
