/** What the feed asks of storage: what must be remembered of leases when this process is gone. */
import type { Instance } from "./registry.ts";

export interface FeedStore {
  /** The N under which leases may be running that an earlier process gave, in milliseconds; `null` where none ever did. */
  leaseMs(): Promise<number | null>;
  /** Before the first lease of this length is given, and once no longer one can be running. */
  setLeaseMs(ms: number): Promise<void>;
  /** The instances whose owners let them accept without a lease: their windows can be longer than a restart. */
  unbound(): Promise<readonly Instance[]>;
  addUnbound(instance: Instance): Promise<void>;
  removeUnbound(id: string): Promise<void>;
}
