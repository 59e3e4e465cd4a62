/**
 * What a user signs in with: an email address or a username. Two spellings that people take for the same must be the
 * same, and two that merely look the same must not both exist. So what is looked up and unique is the *key*:
 *
 *   "  Kim@Example.COM "  ──trim, NFKC, lower case, IDNA──►  "kim@example.com"
 *
 * What cannot be seen is refused, not removed: variation selectors, joiners and the Hangul fillers (which Unicode counts
 * as letters). The dot that lower case puts above a Turkish İ lies on the dot that the i has, so it goes.
 *
 * Look-alikes: a username is written in one script (Latin, Cyrillic, Greek, Hangul …; digits and `. _ -` go with any),
 * so a Cyrillic "а" cannot hide in a Latin name. Whole-script look-alikes ("сосо" in Cyrillic) remain possible, as
 * UTS #39 says of single-script identifiers; show the user id beside the name where that matters.
 */
import { domainToASCII } from "node:url";

export type IdentifierFault =
  | "empty"
  | "too_short"
  | "too_long"
  | "not_an_email"
  | "forbidden_character"
  | "mixed_scripts";
export type ParsedIdentifier =
  | { readonly ok: true; readonly identifier: string; readonly key: string }
  | { readonly ok: false; readonly fault: IdentifierFault; readonly message: string };

const MESSAGES: Record<IdentifierFault, string> = {
  empty: "The identifier is empty.",
  too_short: "A username has at least 3 characters.",
  too_long: "An identifier has at most 254 characters (a username 64).",
  not_an_email: "This is not an email address.",
  forbidden_character: "A username has letters, digits, and . _ - between them.",
  mixed_scripts: "A username is written in one script: letters of several alphabets look alike.",
};

/** RFC 5321 §4.5.3.1: 254 characters in all, 64 before the @. */
const EMAIL_LENGTH = 254;
const USERNAME_LENGTH = { min: 3, max: 64 };
const LOCAL_PART = /^[\p{L}\p{M}\p{N}!#$%&'*+/=?^_`{|}~-]+(\.[\p{L}\p{M}\p{N}!#$%&'*+/=?^_`{|}~-]+)*$/u;
const DOMAIN = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
/** Shown as nothing at all, though many of them count as letters or marks (Unicode: Default_Ignorable_Code_Point). */
const INVISIBLE = /\p{Default_Ignorable_Code_Point}/u;
/** UTS #39: a dot above a letter whose own dot it hides behind. */
const HIDDEN_DOT = /(?<=\p{Soft_Dotted}\p{M}*)\u0307/gu;
const USERNAME = /^[\p{L}\p{N}][\p{L}\p{M}\p{N}]*(?:[._-]+[\p{L}\p{M}\p{N}]+)*$/u;

/** Japanese is written in three scripts at once and Korean may add Han: each row is one writing system. */
const WRITING_SYSTEMS = [
  /^[\p{Script=Latin}\p{Script=Common}\p{Script=Inherited}]*$/u,
  /^[\p{Script=Cyrillic}\p{Script=Common}\p{Script=Inherited}]*$/u,
  /^[\p{Script=Greek}\p{Script=Common}\p{Script=Inherited}]*$/u,
  /^[\p{Script=Hangul}\p{Script=Han}\p{Script=Common}\p{Script=Inherited}]*$/u,
  /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Common}\p{Script=Inherited}]*$/u,
  /^[\p{Script=Arabic}\p{Script=Common}\p{Script=Inherited}]*$/u,
  /^[\p{Script=Hebrew}\p{Script=Common}\p{Script=Inherited}]*$/u,
  /^[\p{Script=Thai}\p{Script=Common}\p{Script=Inherited}]*$/u,
  /^[\p{Script=Devanagari}\p{Script=Common}\p{Script=Inherited}]*$/u,
];

function fault(fault: IdentifierFault): ParsedIdentifier {
  return { ok: false, fault, message: MESSAGES[fault] };
}

/** Reads what a person typed. What has an `@` is an email address, everything else a username. */
export function parseIdentifier(text: string): ParsedIdentifier {
  const identifier = text.trim();
  if (identifier === "") return fault("empty");
  if (identifier.length > EMAIL_LENGTH) return fault("too_long");
  const folded = fold(identifier);
  return folded.includes("@") ? parseEmail(identifier, folded) : parseUsername(identifier, folded);
}

/** The spelling that stands for all that look alike; folding it again changes nothing. */
export function fold(text: string): string {
  return text.normalize("NFKC").toLowerCase().normalize("NFKC").replace(HIDDEN_DOT, "").normalize("NFKC");
}

function parseEmail(identifier: string, folded: string): ParsedIdentifier {
  const at = folded.lastIndexOf("@");
  const local = folded.slice(0, at);
  const domain = domainToASCII(folded.slice(at + 1));
  if (local.length > 64 || INVISIBLE.test(local) || !LOCAL_PART.test(local) || !DOMAIN.test(domain))
    return fault("not_an_email");
  const key = `${local}@${domain}`;
  return key.length > EMAIL_LENGTH ? fault("too_long") : { ok: true, identifier, key };
}

function parseUsername(identifier: string, folded: string): ParsedIdentifier {
  const length = [...folded].length;
  if (length < USERNAME_LENGTH.min) return fault("too_short");
  if (length > USERNAME_LENGTH.max) return fault("too_long");
  if (INVISIBLE.test(folded) || !USERNAME.test(folded)) return fault("forbidden_character");
  if (!WRITING_SYSTEMS.some((system) => system.test(folded))) return fault("mixed_scripts");
  return { ok: true, identifier, key: folded };
}
