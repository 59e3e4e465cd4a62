/**
 * What a receiver wants to see as `Authorization` when events are pushed to it: kept encrypted under the vault, bound to
 * the stream that it is for, and told to nobody again.
 */
import type { StreamId } from "../prelude/ids.ts";
import { Secret } from "../prelude/secret.ts";
import type { World } from "../prelude/world.ts";
import { decrypt, encrypt, type Vault } from "../vault/vault.ts";
import type { Sealed } from "./stream.ts";

const contextOf = (id: StreamId): string => `stream:${id}`;

export function sealCredential(id: StreamId, credential: Secret, vault: Vault, world: World): Sealed {
  const { id: dataKey, key } = vault.current("ssf");
  return { dataKey, sealed: encrypt(key, Buffer.from(credential.reveal()), contextOf(id), world) };
}

/** Throws where the vault cannot open it: its key is another database's. */
export function openCredential(id: StreamId, credential: Sealed | null, vault: Vault): Secret | null {
  if (credential === null) return null;
  const key = vault.find("ssf", credential.dataKey);
  const opened = key && decrypt(key.key, credential.sealed, contextOf(id));
  if (opened === undefined) throw new Error(`the credential of ${id} cannot be opened`);
  return new Secret(opened.toString());
}
