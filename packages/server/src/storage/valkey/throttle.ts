/**
 * The counters of limits in Valkey or Redis, so that whoever guesses at every node is counted once. While the store is away
 * each node counts for itself: a limit is then as many times as wide as there are nodes, and nobody is kept out for want of
 * a counter.
 */
import { Unavailable } from "../../prelude/fault.ts";
import type { Clock } from "../../prelude/world.ts";
import type { BucketRule } from "../../throttle/bucket.ts";
import type { ThrottleStore } from "../../throttle/store.ts";
import type { Script, Value } from "./connection.ts";
import { BEGIN, program } from "./lua.ts";

/** A bucket is its level and when that was so; one that would be full is not kept. */
const BUCKET = `
local function level(key, capacity, refill)
  local b = call('HMGET', key, 'l', 'a')
  if not b[1] then return capacity, now end
  local l, a = tonumber(b[1]), tonumber(b[2])
  return math.min(capacity, l + math.max(0, now - a) / refill), math.max(now, a)
end
local function put(key, l, a, capacity, refill)
  if l >= capacity then return call('DEL', key) end
  call('HSET', key, 'l', string.format('%.17g', l), 'a', int(a))
  call('PEXPIRE', key, int(math.ceil((capacity - l) * refill) + 1000))
end
`;

/** key, capacity, refill time of one: throttle/bucket.ts → milliseconds until there is one, 0 where it was taken */
const TAKE = program(
  BEGIN,
  BUCKET,
  `
local key, capacity, refill = P .. 't:' .. ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local level, at = level(key, capacity, refill)
if level >= 1 then
put(key, level - 1, at, capacity, refill)
return 0
end
put(key, level, at, capacity, refill)
return math.ceil((1 - level) * refill)`,
);

const GIVE_BACK = program(
  BEGIN,
  BUCKET,
  `
local key, capacity, refill = P .. 't:' .. ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
if call('EXISTS', key) == 0 then return 0 end
local level, at = level(key, capacity, refill)
put(key, math.min(capacity, level + 1), at, capacity, refill)
return 1`,
);

/** Of so many keys it is remembered that a unit was taken here; beyond that the oldest is forgotten. */
const MOST_OWN = 10_000;

export interface ThrottleOptions {
  readonly prefix: string;
  /** In the place of the server's clock: for tests that stop it. */
  readonly clock?: Clock;
}

/** @param alone where this node counts while the store is away */
export function throttleOver(
  run: (script: Script, args: readonly Value[]) => Promise<unknown>,
  alone: ThrottleStore,
  { prefix, clock }: ThrottleOptions,
): ThrottleStore {
  /** Units that were taken here because the store was away: they go back to where they came from. */
  const own = new Map<string, number>();
  const ask = async (script: Script, key: string, { capacity, refillMs }: BucketRule): Promise<number | null> => {
    try {
      return Number(await run(script, [prefix, clock?.now() ?? "", key, capacity, refillMs]));
    } catch (error) {
      if (error instanceof Unavailable) return null;
      throw error;
    }
  };
  return {
    take: async (key, rule) => {
      const waitMs = await ask(TAKE, key, rule);
      if (waitMs !== null) return waitMs;
      const alike = await alone.take(key, rule);
      if (alike === 0) own.set(key, (own.get(key) ?? 0) + 1);
      for (const [oldest] of own) {
        if (own.size <= MOST_OWN) break;
        own.delete(oldest);
      }
      return alike;
    },
    giveBack: async (key, rule) => {
      const held = own.get(key) ?? 0;
      if (held === 0) {
        await ask(GIVE_BACK, key, rule);
        return;
      }
      if (held === 1) own.delete(key);
      else own.set(key, held - 1);
      await alone.giveBack(key, rule);
    },
  };
}
