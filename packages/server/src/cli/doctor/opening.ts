/** Whether the secrets at hand open a database, found out without changing it. */

import { StartRefused } from "../../prelude/fault.ts";
import { Secret } from "../../prelude/secret.ts";
import { systemWorld } from "../../prelude/world.ts";
import { placesIn } from "../../settings/places.ts";
import type { WrappedKey } from "../../vault/store.ts";
import { openVault } from "../../vault/vault.ts";
import { readSecretFile } from "./machine.ts";

/** The configured secrets, or those in the data folder's file; `undefined` where there are none. Nothing is made. */
export function secretsAtHand(config: {
  readonly secret: readonly Secret[] | null;
  readonly data: string;
}): readonly Secret[] | undefined {
  return config.secret ?? readSecretFile(placesIn(config.data).secret)?.map((text) => new Secret(text));
}

/** Why the secrets do not open the keys of a database; `null` where they do. */
export async function openingFault(
  dataKeys: readonly WrappedKey[],
  secrets: readonly Secret[],
): Promise<string | null> {
  // A store that shows the rows and keeps nothing: what the vault would write, it does not.
  const rows = { all: async () => dataKeys, add: async () => false, rewrap: async () => {}, remove: async () => {} };
  try {
    await openVault(rows, secrets, systemWorld);
    return null;
  } catch (error) {
    if (error instanceof StartRefused) return error.message;
    throw error;
  }
}
