/**
 * Credentials of Shared Signals: what a receiver wants to see as `Authorization` when events are pushed to it, and what
 * another provider wants to see of this server. Kept encrypted under the vault, bound to what they are for, and told to
 * nobody again.
 */
import type { ReceiverId, StreamId } from "../prelude/ids.ts";
import { Secret } from "../prelude/secret.ts";
import type { World } from "../prelude/world.ts";
import { decrypt, encrypt, type Vault } from "../vault/vault.ts";
import type { Sealed } from "./stream.ts";

function seal(context: string, credential: Secret, vault: Vault, world: World): Sealed {
  const { id: dataKey, key } = vault.current("ssf");
  return { dataKey, sealed: encrypt(key, Buffer.from(credential.reveal()), context, world) };
}

/** Throws where the vault cannot open it: its key is another database's. */
function open(context: string, credential: Sealed | null, vault: Vault): Secret | null {
  if (credential === null) return null;
  const key = vault.find("ssf", credential.dataKey);
  const opened = key && decrypt(key.key, credential.sealed, context);
  if (opened === undefined) throw new Error(`the credential of ${context} cannot be opened`);
  return new Secret(opened.toString());
}

export function sealCredential(id: StreamId, credential: Secret, vault: Vault, world: World): Sealed {
  return seal(`stream:${id}`, credential, vault, world);
}

export function openCredential(id: StreamId, credential: Sealed | null, vault: Vault): Secret | null {
  return open(`stream:${id}`, credential, vault);
}

export function sealReceiverCredential(id: ReceiverId, credential: Secret, vault: Vault, world: World): Sealed {
  return seal(`receiver:${id}`, credential, vault, world);
}

export function openReceiverCredential(id: ReceiverId, credential: Sealed | null, vault: Vault): Secret | null {
  return open(`receiver:${id}`, credential, vault);
}
