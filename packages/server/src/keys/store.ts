/** What the keyring asks of storage. */
import type { Effect } from "../revocation/effects.ts";
import type { SigningKeyRecord } from "./signing-key.ts";

export interface KeyStore {
  /** All keys that are not forgotten, with the version of the set. */
  all(): Promise<{ readonly version: number; readonly keys: readonly SigningKeyRecord[] }>;
  /**
   * Replaces the keys named and applies the effects, if the set is still at `version`: one atomic step. `false` and no
   * effect where another process was first.
   */
  replace(version: number, keys: readonly SigningKeyRecord[], effects: readonly Effect[]): Promise<boolean>;
  /** Raises a key's `highestExp` (Unix seconds); never lowers it, and does not change the version. */
  raiseMark(kid: string, exp: number): Promise<void>;
}
