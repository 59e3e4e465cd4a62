/**
 * The keyring: which key signs now, which keys verify, and what the world may know of them.
 *
 *   store ──load──► records ──► the active one signs, all but revoked and gone ones verify and are published
 *     ▲                 │
 *     └── plan() ◄──────┘        tick() applies what the schedule says is due; rotate, retire and revoke are an operator's
 */
import { type BoundKey, bindKey, bindSigningKey, KeyRefused, type SigningKey } from "@mapae/verifier/jose";
import { type Cause, draft, SYSTEM } from "../audit/event.ts";
import { StartRefused, Unavailable } from "../prelude/fault.ts";
import type { Secret } from "../prelude/secret.ts";
import type { World } from "../prelude/world.ts";
import { audit, type Effect } from "../revocation/effects.ts";
import type { Vault } from "../vault/vault.ts";
import { generateSigningKey, openPrivateKey, publicKeyOf, secretKeyOf, sharedSecretRecord } from "./generate.ts";
import {
  handOver,
  type KeyAction,
  type KeySchedule,
  type KeyState,
  knownFrom,
  plan,
  type SigningKeyRecord,
} from "./signing-key.ts";
import type { KeyStore } from "./store.ts";

/** A key's mark is raised by this much more than needed, so that a write is needed once in ten minutes and not per token. */
const MARK_AHEAD_SECONDS = 600;

/** Verifiers may have a key set without the key that would sign. */
export interface TooYoung {
  /** When they all have it, in Unix milliseconds. */
  readonly knownFrom: number;
}
export type KeyRefusal = "not_found" | "not_possible" | TooYoung;

export interface Keyring {
  /** The key that signs a token expiring at `exp` (Unix seconds). Its mark is durable before this resolves. */
  signer(exp: number): SigningKey | Promise<SigningKey>;
  /** The key to verify with; `undefined` for unknown, revoked and gone ones. */
  find(kid: string | undefined): BoundKey | undefined;
  /** RFC 7517 §5: every key that may verify, upcoming ones included. Empty with a shared secret. */
  jwks(): { readonly keys: readonly Readonly<Record<string, unknown>>[] };
  records(): readonly SigningKeyRecord[];
  /** Applies what the schedule says is due, and reads what other processes did. */
  tick(): Promise<void>;
  /**
   * The upcoming key signs from now on; the active one is retired, which harms nobody.
   * @param haste also where verifiers may not know the upcoming one yet
   */
  rotate(cause: Cause, haste: boolean): Promise<SigningKeyRecord | TooYoung>;
  /** Stops a key from signing. Its tokens stay good until they expire. @param haste as above, for the key that follows it */
  retire(kid: string, cause: Cause, haste: boolean): Promise<KeyRefusal | null>;
  /** Refuses every token that the key signed, at once. */
  revoke(kid: string, cause: Cause): Promise<KeyRefusal | null>;
}

export interface KeyringOptions extends KeySchedule {
  readonly sharedSecrets: readonly Secret[];
}

interface Loaded {
  readonly version: number;
  readonly records: readonly SigningKeyRecord[];
  readonly verify: ReadonlyMap<string, BoundKey>;
  readonly active: { readonly record: SigningKeyRecord; readonly key: SigningKey } | null;
}

const STAMPS: Partial<Record<KeyState, (now: number) => Partial<SigningKeyRecord>>> = {
  active: (now) => ({ activatedAt: now }),
  retired: (now) => ({ retiredAt: now }),
  gone: () => ({ sealedPrivate: null }),
  revoked: (now) => ({ retiredAt: now, sealedPrivate: null }),
};

function told(record: SigningKeyRecord, to: KeyState, cause: Cause): readonly Effect[] {
  if (to === "active") return [audit(draft("key.activated", cause, {}, { kid: record.kid }))];
  if (to === "retired") return [audit(draft("key.retired", cause, {}, { kid: record.kid }))];
  if (to !== "revoked") return [];
  return [
    { effect: "revoke", kind: "key", value: record.kid, reason: "key_revoked" },
    audit(draft("key.revoked", cause, {}, { kid: record.kid })),
  ];
}

export async function openKeyring(
  store: KeyStore,
  vault: Vault,
  options: KeyringOptions,
  world: World,
): Promise<Keyring> {
  const shared = new Map(
    options.sharedSecrets.map((secret, index) => {
      const record = sharedSecretRecord(options.alg, secret, index === 0, world.clock.now());
      return [record.kid, { secret, record }] as const;
    }),
  );
  let loaded: Loaded = { version: -1, records: [], verify: new Map(), active: null };

  const signing = (record: SigningKeyRecord): SigningKey => {
    const held = shared.get(record.kid);
    const source = held ? secretKeyOf(held.secret) : openPrivateKey(record, vault);
    return bindSigningKey(source, { alg: record.alg, kid: record.kid });
  };
  const verifying = (record: SigningKeyRecord): BoundKey | null => {
    const held = shared.get(record.kid);
    if (held === undefined && record.publicJwk === null) return null; // a shared secret that is configured no more
    return bindKey(held ? secretKeyOf(held.secret) : publicKeyOf(record), { alg: record.alg, kid: record.kid });
  };

  const load = async (): Promise<void> => {
    // Also where the version is the same: a mark may have been raised, and a key must outlive its last token.
    const { version, keys } = await store.all();
    const usable = keys.filter(({ state }) => state === "upcoming" || state === "active" || state === "retired");
    const verify = new Map(
      usable.flatMap((record) => {
        const held = loaded.verify.get(record.kid);
        const key = held?.algorithm.name === record.alg ? held : verifying(record);
        return key === null ? [] : [[record.kid, key] as const];
      }),
    );
    const record = keys.find(({ state, alg }) => state === "active" && alg === options.alg);
    const kept = loaded.active?.record.kid === record?.kid ? loaded.active?.key : undefined;
    loaded = { version, records: keys, verify, active: record ? { record, key: kept ?? signing(record) } : null };
  };

  /** Applies actions as one step, or not at all where another process changed the keys first. */
  const apply = async (actions: readonly KeyAction[], cause: Cause): Promise<boolean> => {
    const now = world.clock.now();
    const changed: SigningKeyRecord[] = [];
    const effects: Effect[] = [];
    for (const action of actions) {
      if (action.action === "generate") {
        const made = await generateSigningKey(options.alg, action.state, vault, world);
        changed.push(made);
        effects.push(...told(made, made.state, cause));
        continue;
      }
      const record = loaded.records.find(({ kid }) => kid === action.kid);
      if (record === undefined) continue;
      changed.push({ ...record, state: action.to, ...STAMPS[action.to]?.(now) });
      effects.push(...told(record, action.to, cause));
    }
    const done = await store.replace(loaded.version, changed, effects);
    await load();
    return done;
  };

  /** The configured secrets as the store should have them: the newest signs, the others verify. */
  const syncShared = async (): Promise<void> => {
    const known = new Map(loaded.records.map((record) => [record.kid, record]));
    const wanted = [...shared.values()].map(({ record }) => {
      const stored = known.get(record.kid);
      return stored === undefined || stored.state === "revoked"
        ? (stored ?? record)
        : { ...stored, alg: record.alg, state: record.state, ...STAMPS[record.state]?.(world.clock.now()) };
    });
    const replaced = loaded.records
      .filter(({ kid, state }) => !shared.has(kid) && (state === "active" || state === "upcoming"))
      .map((record) => ({ ...record, state: "retired" as const, retiredAt: world.clock.now() }));
    const changed = [...wanted, ...replaced].filter((record) => {
      const stored = known.get(record.kid);
      return stored?.state !== record.state || stored.alg !== record.alg;
    });
    if (changed.length > 0) await store.replace(loaded.version, changed, []);
    await load();
  };

  const tick = async (): Promise<void> => {
    await load();
    if (shared.size > 0) return syncShared();
    for (;;) {
      const due = plan(loaded.records, options, world.clock.now());
      if (due.length === 0) return;
      await apply(due, SYSTEM);
    }
  };

  const current = (): { record: SigningKeyRecord; key: SigningKey } => {
    // Only a shared secret that was revoked while it served leads here: it takes a new one and a restart.
    if (loaded.active === null) throw new Unavailable("no signing key is active");
    return loaded.active;
  };
  const raise = async (exp: number): Promise<SigningKey> => {
    for (;;) {
      const { record, key } = current();
      const mark = exp + MARK_AHEAD_SECONDS;
      await store.raiseMark(record.kid, mark);
      // A key that stopped in the meantime may be forgotten by its earlier mark: the one that follows it signs.
      if (loaded.active?.record.kid !== record.kid) continue;
      const raised = { ...record, highestExp: Math.max(mark, record.highestExp) };
      loaded = { ...loaded, active: { record: raised, key } };
      return key;
    }
  };

  const young = (key: SigningKeyRecord): TooYoung | null => {
    const from = knownFrom(key, options);
    return world.clock.now() < from ? { knownFrom: from } : null;
  };

  const stop = async (
    kid: string,
    to: "retired" | "revoked",
    cause: Cause,
    haste: boolean,
  ): Promise<KeyRefusal | null> => {
    for (;;) {
      await load();
      const record = loaded.records.find((known) => known.kid === kid);
      if (record === undefined || record.state === "gone") return "not_found";
      if (record.state === to || record.state === "revoked") return null;
      if (to === "retired" && record.state !== "active") return record.state === "retired" ? null : "not_possible";
      // A shared secret is every verifier's: only configuring another can replace it.
      if (to === "retired" && shared.has(kid)) return "not_possible";
      const upcoming = loaded.records.find(({ state, alg }) => state === "upcoming" && alg === options.alg);
      const follows = record.state === "active" && upcoming !== undefined;
      const tooYoung = follows && !haste ? young(upcoming) : null;
      if (tooYoung !== null) return tooYoung;
      const actions: KeyAction[] = [{ action: "move", kid, to }];
      if (follows) actions.push({ action: "move", kid: upcoming.kid, to: "active" });
      if (await apply(actions, cause)) break;
    }
    if (shared.size === 0) await tick();
    return null;
  };

  try {
    await tick();
  } catch (error) {
    if (error instanceof KeyRefused && shared.size > 0) throw new StartRefused(`MAPAE_SHARED_SECRET: ${error.message}`);
    throw error;
  }
  if (loaded.active === null) {
    throw new StartRefused("MAPAE_SHARED_SECRET was revoked: configure a new one, newest first.");
  }
  return {
    signer: (exp) => (current().record.highestExp >= exp ? current().key : raise(exp)),
    find: (kid) => (kid === undefined ? undefined : loaded.verify.get(kid)),
    jwks: () => ({
      keys: loaded.records.flatMap(({ kid, publicJwk }) =>
        publicJwk !== null && loaded.verify.has(kid) ? [publicJwk] : [],
      ),
    }),
    records: () => loaded.records,
    tick,
    rotate: async (cause, haste) => {
      await tick();
      const before = current().record.kid;
      for (;;) {
        const upcoming = loaded.records.find(({ state, alg }) => state === "upcoming" && alg === options.alg);
        // It may also be that another process has just rotated.
        if (shared.size > 0 || upcoming === undefined || current().record.kid !== before) return current().record;
        const tooYoung = haste ? null : young(upcoming);
        if (tooYoung !== null) return tooYoung;
        await apply(handOver(before, upcoming.kid), cause);
        await tick();
      }
    },
    retire: (kid, cause, haste) => stop(kid, "retired", cause, haste),
    // Verifiers ask for a key that they do not know; whoever does not is better without the revoked one.
    revoke: (kid, cause) => stop(kid, "revoked", cause, true),
  };
}

/** Whether an algorithm signs with a shared secret. */
export function isShared(alg: string): boolean {
  return alg.startsWith("HS");
}
