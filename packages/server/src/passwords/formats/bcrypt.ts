/**
 * bcrypt, imported. It reads 72 bytes of a password and ignores the rest, so with such a hash a password that differs
 * only further on would do. Ours never do (ASVS 6.2.8): a longer password does not match a plain bcrypt hash, and its
 * user recovers the account once. Django's `bcrypt_sha256` hashes the password first and has no such limit.
 *
 * `$2x$` marks hashes of a program that garbled non-ASCII passwords; `$2$` one that forgot the end of the password.
 * Neither can be told right from wrong, so the table of refused formats has both.
 */
import { createHash } from "node:crypto";
import type { HashFormat, ParsedHash } from "./format.ts";

const BYTES_READ = 72;
/** Salt 128 bits in 22 characters, digest 184 bits in 31: the spare bits of the last characters are zero. */
const TEXT = /^\$2[aby]\$(0[4-9]|[12]\d|3[01])\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{30}[.CGKOSWaeimquy26]$/;
/** Measured: cost 10 takes as long as 4.6 hashes with the default parameters; each step doubles it. */
const UNITS_AT_COST_10 = 4.6;

function parsePlain(text: string, format: string, prepare: (password: Buffer) => Buffer): ParsedHash | undefined {
  const cost = TEXT.exec(text)?.[1];
  if (cost === undefined) return undefined;
  return {
    format,
    parameters: { cost: Number(cost) },
    cost: UNITS_AT_COST_10 * 2 ** (Number(cost) - 10),
    memory: 4,
    verify: async (password) => {
      const { verify } = await import("@node-rs/bcrypt");
      const prepared = prepare(password);
      // The work is done in either case, so that time does not tell which it was.
      const matches = await verify(prepared.subarray(0, BYTES_READ), text);
      return matches && prepared.length <= BYTES_READ && !prepared.includes(0);
    },
  };
}

const asItIs = (password: Buffer): Buffer => password;
const sha256Hex = (password: Buffer): Buffer => Buffer.from(createHash("sha256").update(password).digest("hex"));

export const BCRYPT_FORMATS: readonly HashFormat[] = [
  {
    name: "bcrypt",
    shape: "$2b$12$… ($2a$, $2y$)",
    begins: /^\$2[aby]\$/,
    parse: (text) => parsePlain(text, "bcrypt", asItIs),
  },
  {
    name: "bcrypt of Django",
    shape: "bcrypt$$2b$12$…",
    begins: /^bcrypt\$/,
    parse: (text) => parsePlain(text.slice("bcrypt$".length), "bcrypt", asItIs),
  },
  {
    name: "bcrypt over SHA-256 of Django",
    shape: "bcrypt_sha256$$2b$12$…",
    begins: /^bcrypt_sha256\$/,
    parse: (text) => parsePlain(text.slice("bcrypt_sha256$".length), "bcrypt-sha256", sha256Hex),
  },
];
