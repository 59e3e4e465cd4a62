/**
 * Which passwords may be *set* (ASVS V6.2, NIST SP 800-63B §3.1.1.2). One that exists is never checked again: it stays
 * valid until its owner changes it (ASVS 6.2.10).
 *
 * Length decides, not composition: spaces, emoji and any script are welcome, nothing is required (ASVS 6.2.5). What is
 * refused is what guessers try first. The figures are argued in docs/decisions/0010-passwords.md.
 */
import type { PasswordLists } from "./lists.ts";
import { containsOne, userWords } from "./words.ts";

/** Lengths are in Unicode code points, as a person would count most of them. */
export const PASSWORD_LENGTH = {
  /** The default minimum; 15 is what ASVS 6.2.1 recommends where the password is the only factor. */
  minimum: 8,
  /** An operator may ask for more, up to what ASVS 6.2.9 says must be permitted. */
  minimumRange: [8, 64],
  /** Far above any passphrase, and at most 4,000 bytes to hash. */
  maximum: 1000,
} as const;

export type WeakPassword =
  | "too_short"
  | "too_long"
  | "invalid_characters"
  | "contains_context_word"
  | "contains_identifier"
  | "common"
  | "breached";

export type PasswordVerdict =
  | { readonly ok: true }
  | { readonly ok: false; readonly code: WeakPassword; readonly message: string };

export interface PasswordContext {
  /** Code points; `PASSWORD_LENGTH.minimum` where it is left out. */
  readonly minimum?: number;
  /** From `contextWords`. */
  readonly words: readonly string[];
  /** The user's identifiers and name, as they were typed. */
  readonly about: readonly string[];
  readonly lists: PasswordLists;
}

/** What the user reads. None repeats the password or names the operator's words, which may be project names. */
function messageOf(code: WeakPassword, minimum: number): string {
  const messages: Record<WeakPassword, string> = {
    too_short: `The password is too short: it needs at least ${minimum} characters.`,
    too_long: `The password is too long: it may have at most ${PASSWORD_LENGTH.maximum} characters.`,
    invalid_characters: "The password contains a NUL character or half of a surrogate pair, which no keyboard types.",
    contains_context_word: "The password contains a name of this service, which guessers try first.",
    contains_identifier: "The password contains your identifier or your name.",
    common: "The password is one of the most common ones, or close to one.",
    breached: "The password is in a list of leaked passwords.",
  };
  return messages[code];
}

/** Decides whether a password may be set. The first call reads the lists; no password is logged or kept. */
export async function checkPassword(password: string, context: PasswordContext): Promise<PasswordVerdict> {
  const minimum = context.minimum ?? PASSWORD_LENGTH.minimum;
  const code =
    faultOfShape(password, minimum) ?? faultOfWords(password, context) ?? (await context.lists.find(password));
  return code === undefined ? { ok: true } : { ok: false, code, message: messageOf(code, minimum) };
}

function faultOfShape(password: string, minimum: number): WeakPassword | undefined {
  // A code point takes one or two units: a huge text is refused before it is walked.
  if (password.length > 2 * PASSWORD_LENGTH.maximum) return "too_long";
  if (!isHashable(password)) return "invalid_characters";
  const length = Array.from(password).length;
  if (length > PASSWORD_LENGTH.maximum) return "too_long"; // ASVS 6.2.9
  if (length < minimum) return "too_short"; // ASVS 6.2.1
  return undefined;
}

function faultOfWords(password: string, context: PasswordContext): WeakPassword | undefined {
  if (containsOne(password, context.words)) return "contains_context_word"; // ASVS 6.2.11
  if (containsOne(password, userWords(context.about))) return "contains_identifier";
  return undefined;
}

/**
 * Whether a text has exactly one byte form. Half of a surrogate pair has none (UTF-8 would turn all of them into
 * U+FFFD, so that different passwords became the same); NUL ends the password for many programs that read C strings,
 * and the first part would do.
 */
export function isHashable(password: string): boolean {
  return password.isWellFormed() && !password.includes("\0");
}
