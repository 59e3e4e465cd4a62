/**
 * The secret that is made at the first start, where none is configured: a file of its own, apart from the database, so
 * that a copy of the database folder is of no use by itself. Production moves it out of the machine's data altogether.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { StartRefused } from "../prelude/fault.ts";
import { Secret } from "../prelude/secret.ts";
import type { Random } from "../prelude/world.ts";

/**
 * Reads the secrets in a file, newest first; makes the file (mode 0600) where there is none. Throws `StartRefused` where
 * it can be neither read nor made.
 */
export function readOrMakeSecret(file: string, random: Random): { secrets: readonly Secret[]; made: boolean } {
  try {
    return readOrMake(file, random);
  } catch (error) {
    if (!(error instanceof Error) || !("syscall" in error)) throw error;
    throw new StartRefused(`The secret file cannot be used: ${error.message}`);
  }
}

function readOrMake(file: string, random: Random): { secrets: readonly Secret[]; made: boolean } {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const fresh = random.bytes(32).toString("base64url");
  try {
    writeFileSync(file, `${fresh}\n`, { mode: 0o600, flag: "wx" });
    return { secrets: [new Secret(fresh)], made: true };
  } catch (error) {
    if (!(error instanceof Error) || !("code" in error) || error.code !== "EEXIST") throw error;
  }
  const secrets = readFileSync(file, "utf8")
    .split(/\s+/)
    .filter((line) => line !== "");
  if (secrets.length === 0 || secrets.some((secret) => secret.length < 32)) {
    throw new StartRefused(`${file} does not hold a secret of 32 characters or more.`);
  }
  return { secrets: secrets.map((secret) => new Secret(secret)), made: false };
}
