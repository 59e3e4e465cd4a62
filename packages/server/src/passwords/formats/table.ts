/**
 * The formats of password hashes that an import takes, and those it knows and refuses; docs/passwords.md prints both.
 * What an import refuses is no loss of accounts: they come without a password, and their users set one by recovery.
 */
import { ARGON2_FORMATS } from "./argon2.ts";
import { BCRYPT_FORMATS } from "./bcrypt.ts";
import { COST_LIMIT, type HashFormat, MEMORY_LIMIT_KIB, type ReadHash } from "./format.ts";
import { PBKDF2_FORMATS } from "./pbkdf2.ts";
import { SCRYPT_FORMATS } from "./scrypt.ts";

export const FORMATS: readonly HashFormat[] = [
  ...ARGON2_FORMATS,
  ...BCRYPT_FORMATS,
  ...SCRYPT_FORMATS,
  ...PBKDF2_FORMATS,
];

/** Known by their beginnings, and refused with a name, so that whoever imports knows what they have. */
export const REFUSED_FORMATS: readonly { readonly begins: RegExp; readonly name: string; readonly why: string }[] = [
  { begins: /^(argon2)?\$argon2d\$/, name: "Argon2d", why: "leaks the password through timing" },
  { begins: /^\$2x?\$/, name: "bcrypt $2$ and $2x$", why: "made by defective programs" },
  { begins: /^\$bcrypt-sha256\$/, name: "bcrypt_sha256 of passlib", why: "not supported" },
  { begins: /^\$y\$|^\$gy\$|^\$7\$/, name: "yescrypt", why: "not supported" },
  { begins: /^\$(5|6)\$/, name: "SHA-crypt", why: "not supported" },
  { begins: /^\$(P|H)\$/, name: "phpass", why: "MD5, too weak to keep" },
  { begins: /^\$(1|apr1)\$/, name: "MD5-crypt", why: "too weak to keep" },
  { begins: /^\{[A-Z0-9-]+\}/i, name: "LDAP schemes", why: "not supported, and mostly too weak to keep" },
  {
    begins: /^[0-9a-f]{32}$|^[0-9a-f]{40}$|^[0-9a-f]{64}$|^[0-9a-f]{128}$/i,
    name: "bare digests",
    why: "too weak to keep",
  },
];

/** The longest real one (PBKDF2-SHA512 in hex with a long salt) is under 300 characters. */
const TEXT_LIMIT = 512;
const PRINTABLE = /^[\x21-\x7e]+$/;

/** Reads a hash of any known format. Never throws, and no message repeats the hash. */
export function readHash(text: string): ReadHash {
  if (text.length > TEXT_LIMIT || !PRINTABLE.test(text))
    return { ok: false, reason: "malformed", message: "This is no password hash." };
  const format = FORMATS.find(({ begins }) => begins.test(text));
  if (format === undefined) return unknown(text);
  const hash = format.parse(text);
  if (hash === undefined)
    return {
      ok: false,
      reason: "malformed",
      message: `This is not a complete hash of the format ${format.name}: ${format.shape}.`,
    };
  if (hash.cost > COST_LIMIT || hash.memory > MEMORY_LIMIT_KIB)
    return {
      ok: false,
      reason: "too_costly",
      message: `Verifying this ${format.name} hash would take too much time or memory.`,
    };
  return { ok: true, hash };
}

function unknown(text: string): ReadHash {
  const refused = REFUSED_FORMATS.find(({ begins }) => begins.test(text));
  return refused === undefined
    ? { ok: false, reason: "unknown_format", message: "This is no password hash of a format known here." }
    : { ok: false, reason: "unsupported_format", message: `${refused.name} cannot be imported: ${refused.why}.` };
}
