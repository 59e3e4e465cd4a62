/**
 * The pepper: a stored hash is encrypted under a key that is not in the database, so that a leaked database gives a
 * guesser nothing to guess against. Encryption and not an HMAC of the password, because a key that leaks or ages is
 * then replaced by encrypting the hashes anew, without anybody's password.
 *
 *   stored = 0x01 ‖ key id (u32) ‖ nonce (12) ‖ AES-256-GCM(hash) ‖ tag (16)        additional data: header ‖ user id
 *
 * The user id is authenticated, so a row that is copied from one user to another opens for neither. Nonces are random:
 * NIST SP 800-38D §8.3 allows 2^32 under one key, more than any table of users will see.
 */
import { createCipheriv, createDecipheriv } from "node:crypto";
import type { Random } from "../prelude/world.ts";

export interface PepperKey {
  readonly id: number;
  /** 32 bytes. */
  readonly key: Uint8Array;
}

export interface PepperKeyring {
  /** Encrypts what is stored now. Read at every use, so a rotation needs no restart. */
  readonly current: PepperKey;
  /** Any key that something stored may still be under. */
  get(id: number): Uint8Array | undefined;
  /** Resolves once a key is there that another process made. */
  learn?(id: number): Promise<unknown>;
}

/** The stored hash of a user cannot be opened: the key is missing, or the bytes are not what was stored for this user. */
export class PepperFault extends Error {
  override readonly name = "PepperFault";
}

const VERSION = 1;
const HEADER_BYTES = 5;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

function additionalData(header: Buffer, userId: string): Buffer {
  return Buffer.concat([Buffer.from("mapae password"), header, Buffer.from(userId)]);
}

/** Encrypts a hash for one user under the current key. */
export function protect(hash: string, userId: string, keyring: PepperKeyring, random: Random): Buffer {
  const { id, key } = keyring.current;
  const header = Buffer.alloc(HEADER_BYTES, VERSION);
  header.writeUInt32BE(id, 1);
  const nonce = random.bytes(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(additionalData(header, userId));
  return Buffer.concat([header, nonce, cipher.update(hash, "utf8"), cipher.final(), cipher.getAuthTag()]);
}

/** The hash that was protected for this user; throws `PepperFault` where it does not open. */
export function reveal(stored: Uint8Array, userId: string, keyring: PepperKeyring): string {
  const bytes = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength);
  const id = keyIdOf(bytes);
  const key = id === keyring.current.id ? keyring.current.key : keyring.get(id);
  if (key === undefined) throw new PepperFault(`Pepper key ${id}, which protects stored passwords, is missing.`);
  const body = bytes.subarray(HEADER_BYTES);
  const decipher = createDecipheriv("aes-256-gcm", key, body.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAAD(additionalData(bytes.subarray(0, HEADER_BYTES), userId));
  decipher.setAuthTag(body.subarray(body.length - TAG_BYTES));
  const opened = decipher.update(body.subarray(NONCE_BYTES, body.length - TAG_BYTES));
  try {
    return Buffer.concat([opened, decipher.final()]).toString("utf8");
  } catch {
    throw new PepperFault("A stored password does not open: wrong pepper key, or not the bytes stored for this user.");
  }
}

/** The same hash under the current key, or `undefined` where it is already. */
export function rewrap(stored: Uint8Array, userId: string, keyring: PepperKeyring, random: Random): Buffer | undefined {
  if (keyIdOf(stored) === keyring.current.id) return undefined;
  return protect(reveal(stored, userId, keyring), userId, keyring, random);
}

/** The key that a stored hash is under: a key that no row names any more may be destroyed. */
export function keyIdOf(stored: Uint8Array): number {
  const bytes = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength);
  if (bytes.length < HEADER_BYTES + NONCE_BYTES + TAG_BYTES || bytes[0] !== VERSION)
    throw new PepperFault("A stored password is damaged: it has no pepper header.");
  return bytes.readUInt32BE(1);
}
