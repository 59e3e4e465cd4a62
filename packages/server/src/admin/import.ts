/**
 * Taking over an account of another system with its password hash: the password stays what it was, and the first log-in
 * that matches replaces the hash by one of ours.
 *
 *   identifier ──► hash: a known format? ──► how long does it take to verify? ──► the account, if its name is free
 *
 * A refused log-in waits for the floor (MAPAE_LOGIN_FLOOR), so that its time tells nothing. A hash that takes longer
 * than the floor breaks that until its user has logged in once; the import says so, and does not refuse it.
 */
import { type Cause, draft } from "../audit/event.ts";
import type { HashRefusal } from "../passwords/formats/format.ts";
import { inspectHash, measureCost } from "../passwords/hash.ts";
import type { Passwords } from "../passwords/passwords.ts";
import { newId, type UserId } from "../prelude/ids.ts";
import type { World } from "../prelude/world.ts";
import { audit } from "../revocation/effects.ts";
import { parseIdentifier } from "../users/identifier.ts";
import type { UserStore } from "../users/store.ts";
import type { User } from "../users/user.ts";

export interface ImportedUser {
  readonly identifier: string;
  readonly name: string | null;
  readonly roles: readonly string[];
  /** `null`: the account comes without a password, and an operator sets one. */
  readonly passwordHash: string | null;
  /** Unix milliseconds; `null`: now. */
  readonly createdAt: number | null;
}

/** A hash whose check outlasts the floor under refused log-ins; both in milliseconds. */
export interface SlowHash {
  readonly format: string;
  readonly ms: number;
  readonly floorMs: number;
}

export type ImportRefusal = "invalid_identifier" | "identifier_taken" | "invalid_time" | HashRefusal;
export type ImportResult =
  /** `user` is `null` in a dry run. `key` is the normalised identifier. */
  | { readonly ok: true; readonly user: UserId | null; readonly key: string; readonly slow: SlowHash | null }
  | { readonly ok: false; readonly code: ImportRefusal; readonly message: string };

export type ImportAction = (wish: ImportedUser, dryRun: boolean, cause: Cause) => Promise<ImportResult>;

export function createImport(
  services: { readonly users: UserStore; readonly passwords: Passwords; readonly world: World },
  floorMs: number,
): ImportAction {
  const { users, passwords, world } = services;
  /** One measurement for each way in which hashes were made: millions of hashes share a handful. */
  const measured = new Map<string, Promise<number>>();
  let measuring: Promise<unknown> = Promise.resolve();

  const slowness = async (hash: string): Promise<SlowHash | null> => {
    const inspected = inspectHash(hash);
    if (!inspected.ok) return null;
    const { format, parameters } = inspected;
    const way = JSON.stringify([format, parameters]);
    let cost = measured.get(way);
    if (cost === undefined) {
      // One after the other: side by side, each would measure the others too.
      cost = measuring.then(() => measureCost(hash, world.clock.monotonic));
      measuring = cost;
      measured.set(way, cost);
    }
    const ms = Math.round(await cost);
    return ms > floorMs ? { format, ms, floorMs } : null;
  };

  return async (wish, dryRun, cause) => {
    const identifier = parseIdentifier(wish.identifier);
    if (!identifier.ok) return { ok: false, code: "invalid_identifier", message: identifier.message };
    const { key } = identifier;
    const now = world.clock.now();
    if (wish.createdAt !== null && !(wish.createdAt >= 0 && wish.createdAt <= now)) {
      return { ok: false, code: "invalid_time", message: "created_at lies in the future, or before 1970." };
    }
    const id = newId("user", world.random);
    const hash = wish.passwordHash === null ? null : passwords.importHash(wish.passwordHash, id);
    if (hash !== null && !hash.ok) return { ok: false, code: hash.reason, message: hash.message };
    const slow = wish.passwordHash === null ? null : await slowness(wish.passwordHash);
    const user: User = {
      id,
      identifier: identifier.identifier,
      identifierKey: key,
      name: wish.name,
      state: "active",
      roles: wish.roles,
      createdAt: wish.createdAt ?? now,
      updatedAt: now,
      password: hash?.stored ?? null,
      credentialVersion: 1,
    };
    const detail = {
      ...(hash === null ? {} : { format: hash.format }),
      ...(wish.roles.length > 0 ? { roles: wish.roles.join(" ") } : {}),
    };
    const taken = dryRun
      ? (await users.findByIdentifier(key)) !== undefined
      : (await users.create(user, [audit(draft("user.imported", cause, { user: id }, detail))])) === "identifier_taken";
    if (taken) return { ok: false, code: "identifier_taken", message: "There is an account with this identifier." };
    return { ok: true, user: dryRun ? null : id, key, slow };
  };
}
