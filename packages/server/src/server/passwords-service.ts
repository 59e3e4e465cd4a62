/** Puts the passwords together: pepper, hashing with its queue, and the rules with their lists. */
import { availableParallelism } from "node:os";
import { createHashAdmission, type HashAdmission, hashSlots } from "../passwords/admission.ts";
import { argon2Parameters } from "../passwords/hash.ts";
import { openPasswordLists } from "../passwords/lists.ts";
import { createPasswords, type Passwords } from "../passwords/passwords.ts";
import { checkPassword } from "../passwords/rules.ts";
import { contextWords } from "../passwords/words.ts";
import type { World } from "../prelude/world.ts";
import type { Config } from "../settings/config.ts";
import type { CheckPassword } from "../signin/sign-up.ts";
import type { Vault } from "../vault/vault.ts";

/** The longest that a log-in waits for its turn to be hashed; beyond it the answer is 503. */
const HASH_WAIT_MS = 1800;

export interface PasswordService {
  readonly admission: HashAdmission;
  readonly passwords: Passwords;
  readonly check: CheckPassword;
}

export async function openPasswords(
  config: Pick<Config, "hashConcurrency" | "passwordDenylist" | "passwordWords" | "passwordMinLength">,
  issuer: string,
  vault: Vault,
  world: World,
): Promise<PasswordService> {
  const admission = createHashAdmission({
    slots: config.hashConcurrency || hashSlots({ cores: availableParallelism() }),
    clock: world.clock,
    maxWait: HASH_WAIT_MS,
  });
  const passwords = createPasswords({
    pepper: {
      get current() {
        return vault.current("pepper");
      },
      get: (id) => vault.find("pepper", id)?.key,
      learn: (id) => vault.learn("pepper", id),
    },
    parameters: argon2Parameters(),
    admission,
    random: world.random,
  });
  const lists = await openPasswordLists(config.passwordDenylist === null ? [] : [config.passwordDenylist]);
  const words = contextWords(issuer, config.passwordWords);
  const check: CheckPassword = (password, about) =>
    checkPassword(password, { minimum: config.passwordMinLength, words, about, lists });
  return { admission, passwords, check };
}
