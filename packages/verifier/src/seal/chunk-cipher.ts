/**
 * One content in pieces, each encrypted by AES-256-GCM: the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár, "Online
 * Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance", CRYPTO 2015) over a key that is used for one file only.
 *
 *   nonce = 0⁷ ‖ number of the piece, 4 octets big-endian ‖ 1 for the last piece, else 0
 *
 * No nonce comes twice under a key: the number counts up, and the key is 256 random bits per file. A piece in another place,
 * and a piece that became the last one because the rest was cut off, have another nonce and do not open.
 *
 * On Node it runs over node:crypto, at half of WebCrypto's cost, and elsewhere over WebCrypto: the same octets.
 */
import { nodeCrypto } from "../jose/runtime.ts";
import { type Octets, owned, sha256, whole } from "./digest.ts";

export const KEY_OCTETS = 32;
export const TAG_OCTETS = 16;
/** As many pieces as the nonce can count. */
export const PIECES_MAX = 2 ** 32;

/** Encrypts, decrypts and hashes pieces. */
export interface ChunkEngine {
  /** A cipher under one file's key. */
  cipher(key: Octets): Promise<ChunkCipher>;
  /** SHA-256 of octets that come in parts: at once, where the runtime can. */
  hash(parts: readonly Uint8Array[]): Octets | Promise<Octets>;
  /** SHA-256 on another thread, where the runtime has some: it copies the octets, and costs half as much again. */
  hashBeside(octets: Uint8Array): Promise<Octets>;
  /** Lets everybody else on this thread have a turn; to be awaited once a piece. */
  turn(): Promise<void>;
}

export interface ChunkCipher {
  /** @returns ciphertext ‖ tag, in parts */
  seal(nonce: Octets, plaintext: Uint8Array): readonly Uint8Array[] | Promise<readonly Uint8Array[]>;
  /** @returns null where the tag does not hold */
  open(nonce: Octets, ciphertext: Uint8Array): Uint8Array | null | Promise<Uint8Array | null>;
}

export function nonceOf(index: number, last: boolean): Octets {
  const nonce = new Uint8Array(12);
  new DataView(nonce.buffer).setUint32(7, index);
  nonce[11] = last ? 1 : 0;
  return nonce;
}

export const webChunks: ChunkEngine = {
  hash: (parts) => sha256(whole(parts)),
  hashBeside: sha256,
  // Whoever awaits another thread gives the others their turn.
  turn: async () => undefined,
  async cipher(octets) {
    const key = await crypto.subtle.importKey("raw", octets, "AES-GCM", false, ["encrypt", "decrypt"]);
    return {
      seal: async (iv, plaintext) => [
        new Uint8Array(await crypto.subtle.encrypt({ name: "AES-GCM", iv }, key, owned(plaintext))),
      ],
      open: async (iv, ciphertext) => {
        try {
          return new Uint8Array(await crypto.subtle.decrypt({ name: "AES-GCM", iv }, key, owned(ciphertext)));
        } catch {
          return null;
        }
      },
    };
  },
};

type NodeCrypto = NonNullable<typeof nodeCrypto>;

export function nodeChunks({ createCipheriv, createDecipheriv, createHash }: NodeCrypto): ChunkEngine {
  return {
    hash(parts) {
      const hash = createHash("sha256");
      for (const part of parts) hash.update(part);
      return owned(hash.digest());
    },
    hashBeside: sha256,
    turn: () => new Promise((resolve) => setImmediate(resolve)),
    cipher: async (key) => ({
      seal(nonce, plaintext) {
        const cipher = createCipheriv("aes-256-gcm", key, nonce);
        const ciphertext = cipher.update(plaintext);
        cipher.final();
        return [ciphertext, cipher.getAuthTag()];
      },
      open(nonce, ciphertext) {
        if (ciphertext.length < TAG_OCTETS) return null;
        const end = ciphertext.length - TAG_OCTETS;
        const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_OCTETS });
        decipher.setAuthTag(ciphertext.subarray(end));
        const plaintext = decipher.update(ciphertext.subarray(0, end));
        try {
          decipher.final();
        } catch {
          return null;
        }
        return plaintext;
      },
    }),
  };
}

/** The fastest engine of this runtime. */
export const chunkEngine: ChunkEngine = nodeCrypto === null ? webChunks : nodeChunks(nodeCrypto);
