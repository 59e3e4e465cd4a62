/**
 * Password hashes: new ones are Argon2id, imported ones are verified as they are and replaced at the next log-in.
 * Everything here works on the thread pool; `admission.ts` decides how much of it runs at a time.
 *
 * "verified exactly as received": the UTF-8 bytes of the password, no truncation, no normalisation (ASVS 6.2.8).
 */
import { StartRefused } from "../prelude/fault.ts";
import type { Random } from "../prelude/world.ts";
import {
  type Argon2Parameters,
  costOfArgon2,
  DEFAULT_PARAMETERS,
  hashArgon2id,
  OUTPUT_BYTES,
} from "./formats/argon2.ts";
import { COST_LIMIT, type CostUnits, type HashRefusal, MEMORY_LIMIT_KIB, type ParsedHash } from "./formats/format.ts";
import { readHash } from "./formats/table.ts";
import { isHashable } from "./rules.ts";

const SALT_BYTES = 16;

export type Inspection =
  | {
      readonly ok: true;
      readonly format: string;
      readonly parameters: Readonly<Record<string, number>>;
      readonly cost: CostUnits;
    }
  | { readonly ok: false; readonly reason: HashRefusal; readonly message: string };

/** What a hash is, or why it cannot be imported. Never throws; no message repeats the hash. */
export function inspectHash(text: string): Inspection {
  const read = readHash(text);
  if (!read.ok) return read;
  const { format, parameters, cost } = read.hash;
  return { ok: true, format, parameters, cost };
}

/** Argon2id parameters as an operator set them; throws `StartRefused` below the floor or beyond what can be verified. */
export function argon2Parameters(wanted: Partial<Argon2Parameters> = {}): Argon2Parameters {
  const parameters = { ...DEFAULT_PARAMETERS, ...wanted };
  const { memory, passes, lanes } = parameters;
  const whole = [memory, passes, lanes].every(Number.isSafeInteger);
  if (!whole || memory < DEFAULT_PARAMETERS.memory || passes < DEFAULT_PARAMETERS.passes || lanes < 1)
    throw new StartRefused("Argon2id needs at least 19456 KiB of memory, 2 passes and 1 lane.");
  if (memory > MEMORY_LIMIT_KIB || lanes > 16 || costOfArgon2(parameters) > COST_LIMIT)
    throw new StartRefused(
      `Argon2id may take at most ${MEMORY_LIMIT_KIB} KiB, 16 lanes and ${COST_LIMIT} times the default cost.`,
    );
  return parameters;
}

/** A new hash of a password that `isHashable`, as a PHC string. */
export function hashPassword(password: string, parameters: Argon2Parameters, random: Random): Promise<string> {
  if (!isHashable(password)) throw new TypeError("this password has no single byte form: check it first");
  return hashArgon2id(Buffer.from(password, "utf8"), random.bytes(SALT_BYTES), parameters);
}

/** Whether the password is the one that was hashed. Throws on a hash that `inspectHash` refuses. */
export async function verifyHash(text: string, password: string): Promise<boolean> {
  const matches = await known(text).verify(Buffer.from(password, "utf8"));
  // A password without a single byte form was never hashed; the work is done all the same.
  return matches && isHashable(password);
}

/** Whether a hash should be replaced at the next log-in: not Argon2id, or weaker than the parameters of today. */
export function needsUpgrade(text: string, wanted: Argon2Parameters): boolean {
  const { format, parameters } = known(text);
  const { m = 0, t = 0, salt = 0, digest = 0 } = parameters;
  if (format !== "argon2id") return true;
  return m < wanted.memory || t < wanted.passes || salt < SALT_BYTES || digest < OUTPUT_BYTES;
}

/**
 * A hash that no password has: verifying it costs what a real one costs, so that an unknown account takes as long.
 * Its digest is random, so it needs no hashing to make.
 */
export function decoyHash({ memory, passes, lanes }: Argon2Parameters, random: Random): string {
  const field = (length: number): string => random.bytes(length).toString("base64").replace(/=+$/, "");
  return `$argon2id$v=19$m=${memory},t=${passes},p=${lanes}$${field(SALT_BYTES)}$${field(OUTPUT_BYTES)}`;
}

/** What verifying a stored hash costs, in default hashes, without doing it. */
export function estimateCost(text: string): CostUnits {
  return known(text).cost;
}

/** How long verifying a hash takes on this machine, in milliseconds: the better of two runs. For imports, not requests. */
export async function measureCost(text: string, monotonic: () => number): Promise<number> {
  const { verify } = known(text);
  const runs: number[] = [];
  for (let run = 0; run < 2; run++) {
    const before = monotonic();
    await verify(Buffer.from("a password to measure with"));
    runs.push(monotonic() - before);
  }
  return Math.min(...runs);
}

/** A stored hash was inspected when it came in: one that cannot be read now is damage, not a wrong password. */
function known(text: string): ParsedHash {
  const read = readHash(text);
  if (!read.ok) throw new Error(`A stored password hash cannot be read: ${read.message}`);
  return read.hash;
}
