/** What throttling asks of storage: counters that all nodes share where the driver is shared. */
import type { BucketRule } from "./bucket.ts";

export interface ThrottleStore {
  /** Takes one unit of the key's bucket; 0 where it was there, else milliseconds until it will be. */
  take(key: string, rule: BucketRule): Promise<number>;
  giveBack(key: string, rule: BucketRule): Promise<void>;
}
