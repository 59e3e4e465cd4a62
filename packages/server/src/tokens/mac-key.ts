/**
 * The MAC key that a refresh or session token names, known in time: one that another node made a moment ago must not turn
 * its token into a forgery here. What is made up costs all of those who ask in a second one look at the keys.
 */
import type { Vault } from "../vault/vault.ts";

/** Version 1, then the key's id: see refresh-token.ts and session-token.ts. */
const NAMED = /^AQ[A-Za-z0-9_-]{69,74}$/;

/** Resolves once the key is known, or certainly none of ours. */
export async function learnMacKey(token: string, vault: Vault): Promise<void> {
  if (!NAMED.test(token)) return;
  await vault.learn("refresh-mac", Buffer.from(token.slice(0, 8), "base64url").readUInt32BE(1));
}
