/**
 * The vault: random data keys that the database holds only wrapped.
 *
 *   MAPAE_SECRET (newest first) ──HKDF──► wrapping key ──AES-256-GCM──► data keys ──► signing keys, MACs, pepper
 *
 * So a leaked database mints nothing, and the secret rotates by re-wrapping a handful of rows: what the data keys
 * protect is not touched.
 */
import { createCipheriv, createDecipheriv, createHmac, hkdfSync } from "node:crypto";
import { StartRefused } from "../prelude/fault.ts";
import type { Secret } from "../prelude/secret.ts";
import type { World } from "../prelude/world.ts";
import { planDataKeys } from "./schedule.ts";
import { DATA_KEY_PURPOSES, type DataKeyPurpose, type VaultStore, type WrappedKey } from "./store.ts";

const NONCE = 12;
const TAG = 16;

export interface DataKey {
  readonly id: number;
  readonly purpose: DataKeyPurpose;
  readonly key: Buffer;
}

export interface Vault {
  /** The newest data key of a purpose: for what is made now. */
  current(purpose: DataKeyPurpose): DataKey;
  /** A data key by id: for what was made earlier. */
  find(purpose: DataKeyPurpose, id: number): DataKey | undefined;
  /** Makes a new current key of a purpose; earlier ones stay readable. */
  rotate(purpose: DataKeyPurpose): Promise<DataKey>;
  /** Does what the schedule (schedule.ts) says is due, and reads what other processes did. */
  tick(): Promise<void>;
}

interface WrappingKey {
  readonly fingerprint: string;
  readonly key: Buffer;
}

/** Encrypts under a data key: nonce ‖ ciphertext ‖ tag. `context` is authenticated, and needed to open. */
export function encrypt(key: Buffer, plaintext: Buffer, context: string, world: World): Buffer {
  const nonce = world.random.bytes(NONCE);
  const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(Buffer.from(context));
  return Buffer.concat([nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

/** Opens what `encrypt` made; `undefined` where key, context or bytes are not the same. */
export function decrypt(key: Buffer, sealed: Buffer, context: string): Buffer | undefined {
  if (sealed.length < NONCE + TAG) return undefined;
  try {
    const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, NONCE), { authTagLength: TAG })
      .setAAD(Buffer.from(context))
      .setAuthTag(sealed.subarray(sealed.length - TAG));
    return Buffer.concat([decipher.update(sealed.subarray(NONCE, sealed.length - TAG)), decipher.final()]);
  } catch {
    return undefined;
  }
}

function wrappingKey(secret: Secret): WrappingKey {
  const key = Buffer.from(hkdfSync("sha256", secret.reveal(), "", "mapae data key wrapping v1", 32));
  return { key, fingerprint: createHmac("sha256", key).update("fingerprint").digest("base64url").slice(0, 16) };
}

function wrap(data: DataKey, under: WrappingKey, createdAt: number, world: World): WrappedKey {
  const wrapped = encrypt(under.key, data.key, `${data.purpose}:${data.id}`, world);
  return { id: data.id, purpose: data.purpose, wrapped, wrappedBy: under.fingerprint, createdAt };
}

/**
 * Opens the vault with the secrets, newest first: makes the data keys that do not exist yet, and wraps anew those that
 * an older secret wraps. Throws `StartRefused` where none of the secrets opens a key.
 */
export async function openVault(store: VaultStore, secrets: readonly Secret[], world: World): Promise<Vault> {
  const wrappers = secrets.map(wrappingKey);
  const newest = wrappers[0];
  if (newest === undefined) throw new StartRefused("MAPAE_SECRET is empty: at least one secret is needed.");
  const keys = new Map<number, DataKey>();
  const newestOfPurpose = new Map<DataKeyPurpose, DataKey>();
  let held: readonly WrappedKey[] = [];

  const unwrap = (row: WrappedKey): DataKey => {
    const wrapper = wrappers.find(({ fingerprint }) => fingerprint === row.wrappedBy);
    const key = wrapper && decrypt(wrapper.key, row.wrapped, `${row.purpose}:${row.id}`);
    if (key === undefined) {
      throw new StartRefused(
        "MAPAE_SECRET does not open this database: it was made with another secret. Give that one too (newest first).",
      );
    }
    return { id: row.id, purpose: row.purpose, key };
  };

  const load = async (): Promise<void> => {
    const rows = await store.all();
    held = rows;
    for (const id of keys.keys()) if (!rows.some((row) => row.id === id)) keys.delete(id);
    for (const key of rows.map(unwrap)) {
      keys.set(key.id, key);
      if (key.id > (newestOfPurpose.get(key.purpose)?.id ?? 0)) newestOfPurpose.set(key.purpose, key);
    }
    const stale = rows.filter((row) => row.wrappedBy !== newest.fingerprint);
    await store.rewrap(
      stale.map((row) =>
        wrap({ id: row.id, purpose: row.purpose, key: unwrap(row).key }, newest, row.createdAt, world),
      ),
    );
  };

  const make = async (purposes: readonly DataKeyPurpose[]): Promise<void> => {
    let id = Math.max(0, ...keys.keys());
    const made = purposes.map((purpose) => ({ id: ++id, purpose, key: world.random.bytes(32) }));
    await store.add(made.map((key) => wrap(key, newest, world.clock.now(), world)));
    await load();
  };

  await load();
  const missing = DATA_KEY_PURPOSES.filter((purpose) => !newestOfPurpose.has(purpose));
  if (missing.length > 0) await make(missing);

  const newestOf = (purpose: DataKeyPurpose): DataKey => {
    const key = newestOfPurpose.get(purpose);
    if (key === undefined) throw new Error(`the vault has no key for ${purpose}`);
    return key;
  };
  return {
    current: newestOf,
    find: (purpose, id) => {
      const key = keys.get(id);
      return key?.purpose === purpose ? key : undefined;
    },
    rotate: async (purpose) => {
      const before = newestOf(purpose).id;
      while (newestOf(purpose).id === before) await make([purpose]);
      return newestOf(purpose);
    },
    tick: async () => {
      await load();
      const { rotate, forget } = planDataKeys(held, world.clock.now());
      if (rotate.length > 0) await make(rotate);
      await store.remove(forget);
      if (forget.length > 0) await load();
    },
  };
}
