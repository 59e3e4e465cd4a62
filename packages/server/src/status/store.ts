/** What status lists ask of storage. Slots are taken, and made invalid, by the transitions that cause it. */
import type { InvalidSlot, StatusList } from "./slot.ts";

export interface StatusStore {
  /** Oldest first. */
  lists(): Promise<readonly StatusList[]>;
  /** What was made invalid after that, in the order of the log, then of list and index. */
  invalid(after: InvalidSlot, limit: number): Promise<readonly InvalidSlot[]>;
  /** Forgets lists that were opened before a time (Unix milliseconds), with their slots; returns how many slots. */
  prune(openedBefore: number): Promise<number>;
}
