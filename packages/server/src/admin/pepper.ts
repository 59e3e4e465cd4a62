/**
 * Rotating the pepper: a new key, then every stored hash encrypted under it, while people go on logging in. Nobody's
 * password is needed. It may be interrupted and run again: what is under the newest key already is left alone.
 */
import { type Cause, draft } from "../audit/event.ts";
import type { AuditStore } from "../audit/store.ts";
import type { Passwords } from "../passwords/passwords.ts";
import { PAGE_LIMIT } from "../prelude/page.ts";
import type { UserStore } from "../users/store.ts";
import { USER_STATES } from "../users/user.ts";
import type { Vault } from "../vault/vault.ts";

export interface PepperRotation {
  /** The id of the key that hashes are under now. */
  readonly key: number;
  /** How many hashes were moved to it. A hash that changed meanwhile is under it anyway. */
  readonly moved: number;
}

export async function rotatePepper(
  services: { vault: Vault; users: UserStore; passwords: Passwords; audit: AuditStore },
  cause: Cause,
): Promise<PepperRotation> {
  const { vault, users, passwords, audit } = services;
  const { id } = await vault.rotate("pepper");
  let moved = 0;
  for (const state of USER_STATES) {
    let after: string | null = null;
    do {
      const page = await users.list({ state }, { limit: PAGE_LIMIT, after });
      const moves = page.items.map(async (user) => {
        if (user.password === null) return false;
        const password = passwords.rewrap(user.password, user.id);
        if (password === undefined) return false;
        return (await users.change(user.id, { kind: "rewrap_hash", password, from: user.password }, cause)).ok;
      });
      moved += (await Promise.all(moves)).filter((done) => done).length;
      after = page.next;
    } while (after !== null);
  }
  await audit.append([draft("pepper.rotated", cause, {}, { key: id, moved })]);
  return { key: id, moved };
}
