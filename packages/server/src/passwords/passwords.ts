/**
 * What the rest of the server asks of passwords: make a hash to store, tell whether a password matches, take over a
 * hash from elsewhere. All hashing goes through admission; what is stored is encrypted under the pepper.
 *
 *   verify:  stored ──reveal──► hash ──(queue)──► match? ──yes──► weak or foreign hash: a new one   ┐
 *            none   ──────────► decoy of the same cost ─► no      older pepper key: wrapped anew    ┴► `upgraded`
 *
 * Time: an unknown account costs one hash with the parameters of today, as a known one with such a hash does. Imported
 * hashes may take longer until they are replaced, so sign-in adds a floor under the time of every failure;
 * `estimateCost` and `measureCost` (hash.ts) tell an import whether a hash would exceed it.
 */
import type { Random } from "../prelude/world.ts";
import type { HashAdmission } from "./admission.ts";
import { type Argon2Parameters, costOfArgon2 } from "./formats/argon2.ts";
import type { HashRefusal } from "./formats/format.ts";
import { decoyHash, estimateCost, hashPassword, inspectHash, needsUpgrade, verifyHash } from "./hash.ts";
import { keyIdOf, type PepperKeyring, protect, reveal, rewrap } from "./pepper.ts";

export interface PasswordsSettings {
  readonly pepper: PepperKeyring;
  /** From `argon2Parameters`, which keeps them above the floor. */
  readonly parameters: Argon2Parameters;
  readonly admission: HashAdmission;
  readonly random: Random;
}

/** `retryAfter` in seconds. A caller that went away is told the same; nobody listens. */
export type Overloaded = { readonly ok: false; readonly refusal: "overloaded"; readonly retryAfter: number };
export type Hashed = { readonly ok: true; readonly stored: Buffer } | Overloaded;
export type Verified =
  /** `upgraded`: store it in place of what was verified, unless the password changed in between. */
  | { readonly ok: true; readonly match: true; readonly upgraded?: Buffer }
  | { readonly ok: true; readonly match: false }
  | Overloaded;
export type ImportedHash =
  | { readonly ok: true; readonly stored: Buffer; readonly format: string }
  | { readonly ok: false; readonly reason: HashRefusal; readonly message: string };

export interface Passwords {
  /** Hashes a password that `checkPassword` accepted, to be stored for this user. */
  hash(password: string, userId: string, signal?: AbortSignal): Promise<Hashed>;
  /**
   * Whether the password is the one behind `stored`. Without `stored` (an unknown account, or one that has no password)
   * it does the work for nothing and never matches. Throws `PepperFault` where `stored` cannot be opened.
   */
  verify(
    password: string,
    stored: Uint8Array | undefined,
    userId: string | undefined,
    signal?: AbortSignal,
  ): Promise<Verified>;
  /** Takes a hash of another system as it is: no hashing, no queue. */
  importHash(text: string, userId: string): ImportedHash;
  /** The same hash under the newest pepper key, or `undefined` where it is already: for the rotation of the pepper. */
  rewrap(stored: Uint8Array, userId: string): Buffer | undefined;
}

const NOBODY = "";

export function createPasswords(settings: PasswordsSettings): Passwords {
  const { pepper, parameters, admission, random } = settings;
  const decoy = decoyHash(parameters, random);

  async function hash(password: string, userId: string, signal?: AbortSignal): Promise<Hashed> {
    const made = await admission.run(() => hashPassword(password, parameters, random), {
      cost: costOfArgon2(parameters),
      signal,
    });
    if (!made.ok) return overloaded(made);
    return { ok: true, stored: protect(made.value, userId, pepper, random) };
  }

  /** A new form of what just matched, where there is a better one; where the queue is full, the next log-in does it. */
  async function upgrade(
    password: string,
    text: string,
    stored: Uint8Array,
    userId: string,
  ): Promise<Buffer | undefined> {
    if (!needsUpgrade(text, parameters)) return rewrap(stored, userId, pepper, random);
    const again = await hash(password, userId);
    return again.ok ? again.stored : undefined;
  }

  return {
    hash,
    async verify(password, stored, userId, signal) {
      const known = stored !== undefined && userId !== undefined;
      const owner = known ? userId : NOBODY;
      const kept = known ? stored : protect(decoy, NOBODY, pepper, random);
      await pepper.learn?.(keyIdOf(kept));
      const text = reveal(kept, owner, pepper);
      const checked = await admission.run(() => verifyHash(text, password), { cost: estimateCost(text), signal });
      if (!checked.ok) return overloaded(checked);
      if (!known || !checked.value) return { ok: true, match: false };
      const upgraded = await upgrade(password, text, kept, owner);
      return { ok: true, match: true, ...(upgraded === undefined ? {} : { upgraded }) };
    },
    importHash(text, userId) {
      const inspected = inspectHash(text);
      if (!inspected.ok) return inspected;
      return { ok: true, stored: protect(text, userId, pepper, random), format: inspected.format };
    },
    rewrap: (stored, userId) => rewrap(stored, userId, pepper, random),
  };
}

function overloaded(refused: { refusal: "overloaded"; retryAfter: number } | { refusal: "aborted" }): Overloaded {
  const retryAfter = refused.refusal === "overloaded" ? refused.retryAfter : 1;
  return { ok: false, refusal: "overloaded", retryAfter };
}
