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
import { type Sleep, systemSleep, type World } from "../prelude/world.ts";
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
  /** Whether there is a key that this process may not have heard of yet: looks again, for all who ask in the same second. */
  learn(purpose: DataKeyPurpose, id: number): Promise<boolean>;
}

/** How other processes on the same data come to know of a key. Without them, a new one is used at once. */
export interface VaultOptions {
  /** So long is a new key left alone before anything is made under it, in milliseconds: others must have it by then. */
  readonly settleMs: number;
  readonly sleep: Sleep;
}

const LEARN_MS = 1_000;

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
export async function openVault(
  store: VaultStore,
  secrets: readonly Secret[],
  world: World,
  { settleMs, sleep }: VaultOptions = { settleMs: 0, sleep: systemSleep },
): Promise<Vault> {
  const wrappers = secrets.map(wrappingKey);
  const newest = wrappers[0];
  if (newest === undefined) throw new StartRefused("MAPAE_SECRET is empty: at least one secret is needed.");
  const keys = new Map<number, DataKey>();
  /** From when on something may be made under a key, by the monotonic clock. */
  const settledAt = new Map<number, number>();
  let held: readonly WrappedKey[] = [];
  let lookedAt = Number.NEGATIVE_INFINITY;
  let looking: Promise<void> | null = null;

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
    const { clock } = world;
    for (const row of rows) {
      keys.set(row.id, unwrap(row));
      if (settledAt.has(row.id)) continue;
      // One that is older than that by the wall clock was seen by everyone before this process began.
      const old = clock.now() - row.createdAt > settleMs;
      settledAt.set(row.id, old ? Number.NEGATIVE_INFINITY : clock.monotonic() + settleMs);
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
  const missing = DATA_KEY_PURPOSES.filter((purpose) => !held.some((row) => row.purpose === purpose));
  if (missing.length > 0) await make(missing);

  const newestOf = (purpose: DataKeyPurpose): DataKey => {
    const now = world.clock.monotonic();
    let newest: DataKey | undefined;
    let oldest: DataKey | undefined;
    for (const key of keys.values()) {
      if (key.purpose !== purpose) continue;
      if (oldest === undefined || key.id < oldest.id) oldest = key;
      if ((newest === undefined || key.id > newest.id) && (settledAt.get(key.id) ?? 0) <= now) newest = key;
    }
    // The first of its purpose need not settle: nobody has another.
    const key = newest ?? oldest;
    if (key === undefined) throw new Error(`the vault has no key for ${purpose}`);
    return key;
  };
  const find = (purpose: DataKeyPurpose, id: number): DataKey | undefined => {
    const key = keys.get(id);
    return key?.purpose === purpose ? key : undefined;
  };
  return {
    current: newestOf,
    find,
    rotate: async (purpose) => {
      const before = newestOf(purpose).id;
      while (newestOf(purpose).id === before) {
        if (held.some((row) => row.purpose === purpose && row.id > before)) await sleep(settleMs);
        else await make([purpose]);
      }
      return newestOf(purpose);
    },
    tick: async () => {
      await load();
      const { rotate, forget } = planDataKeys(held, world.clock.now());
      if (rotate.length > 0) await make(rotate);
      await store.remove(forget);
      if (forget.length > 0) await load();
    },
    learn: async (purpose, id) => {
      if (find(purpose, id) !== undefined) return true;
      // No other process makes keys here.
      if (settleMs === 0) return false;
      const { clock } = world;
      if (looking === null && clock.monotonic() - lookedAt >= LEARN_MS) {
        lookedAt = clock.monotonic();
        looking = load().finally(() => {
          looking = null;
        });
      }
      await looking;
      return find(purpose, id) !== undefined;
    },
  };
}
