/**
 * What a storage does for sessions and grants that another store holds (memory, Valkey: storage/live/). Users, clients, keys
 * and the log stay here. The other store may lose its tail or all it has, and then only the log knows what was ended: so
 * entries that end something are kept for as long as what they ended could be alive there.
 */
import type { Slot, SlotHolder } from "../status/slot.ts";

export interface ElsewhereStore {
  /** The installation's id: random, made with the database. The other store is marked with it. */
  installation(): Promise<string>;
  /**
   * Sessions that this storage does not hold may live until `exp` (Unix seconds): entries that can end one are kept at
   * least until then from now on. The mark only rises. Returns it; 0 where there never was one.
   */
  keepUntil(exp: number): Promise<number>;
  /**
   * The slot of a status list that the next token of a grant names (status/slot.ts): the grant is not here, its slots are.
   * @param seed for a list that has to be opened
   */
  slot(of: SlotHolder, seed: Buffer): Promise<Slot | null>;
}
