/**
 * The words that no password here may contain (ASVS 6.1.2, 6.2.11), because whoever guesses *this* server's passwords
 * tries them first. docs/passwords.md prints the list; a test reads it there.
 *
 *   product words   the table below
 *   issuer words    the host name of the issuer, and its labels: "login.acme-corp.com" → itself, "acme-corp"
 *   own words       what the operator adds: company, products, projects, departments
 *   user's words    the identifier, its parts, the name: "kim.cheolsu@acme.com" → itself, "kim.cheolsu", "cheolsu"
 */
import { StartRefused } from "../prelude/fault.ts";
import { skeleton } from "./fold.ts";

/** Names of the product itself, in the alphabets it is written in. */
export const PRODUCT_WORDS = ["mapae", "마패"] as const;

/** Host labels that name no one: banning them would refuse good passwords and tell a guesser nothing. */
export const GENERIC_LABELS: ReadonlySet<string> = new Set(
  "accounts account auth login signin sso oauth openid identity server service staging test prod example internal local corp home cloud info".split(
    " ",
  ),
);

const OWN_WORD = { min: 2, max: 64 };
/** Shorter pieces turn up in innocent words: an "ann" stands in every "planning". */
const PIECE_MIN = 4;
/** A syllable or an ideograph carries what two or three letters do. */
const DENSE = /[\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}]/u;
const DENSE_MIN = 2;

function tellsSomething(piece: string): boolean {
  return Array.from(piece).length >= (DENSE.test(piece) ? DENSE_MIN : PIECE_MIN);
}

/**
 * @param issuer the issuer's URL
 * @param own the operator's words, 2 to 64 code points each; throws `StartRefused` where one is not
 */
export function contextWords(issuer: string, own: readonly string[] = []): readonly string[] {
  for (const word of own) {
    const length = Array.from(word.trim()).length;
    if (length < OWN_WORD.min || length > OWN_WORD.max)
      throw new StartRefused(
        `A word that passwords may not contain has ${OWN_WORD.min} to ${OWN_WORD.max} characters.`,
      );
  }
  return [...new Set([...PRODUCT_WORDS, ...issuerWords(issuer), ...own.map((word) => word.trim())])];
}

function issuerWords(issuer: string): string[] {
  const host = new URL(issuer).hostname;
  const labels = host.split(".");
  const names = labels.length > 1 ? labels.slice(0, -1) : labels;
  return [
    host,
    ...names.filter((label) => tellsSomething(label) && !GENERIC_LABELS.has(label) && !/^\d+$/.test(label)),
  ];
}

/** What a password may not contain because it names its user. Takes identifiers and names as they were typed. */
export function userWords(about: readonly string[]): readonly string[] {
  const pieces = about.flatMap((text) => {
    const local = text.includes("@") ? text.slice(0, text.lastIndexOf("@")) : text;
    return [text.trim(), local.trim(), ...local.split(/[\s._+-]+/u)];
  });
  return [...new Set(pieces)].filter(tellsSomething);
}

/** Whether the password contains one of the words, whatever its case, width or look-alike letters. */
export function containsOne(password: string, words: readonly string[]): boolean {
  const spelt = skeleton(password);
  return words.some((word) => spelt.includes(skeleton(word)));
}
