/**
 * How a password is spelt for *comparison with lists and words*, never for hashing: what is hashed is what was sent
 * (ASVS 6.2.8). A guesser tries capitals and full-width forms for free, so a list entry stands for all its spellings.
 */

/** Compatibility forms and case folded: "ＰａｓｓＷｏｒｄ" becomes "password". */
export function fold(text: string): string {
  return text.normalize("NFKC").toLowerCase().normalize("NFKC");
}

/** What people write one letter as: each row is one look. Both sides are mapped, so no row has to be right. */
const LOOKALIKES: ReadonlyMap<string, string> = new Map(
  ["o0", "li1!|", "e3", "a4@", "s5$", "t7+", "b8", "g9"].flatMap((row) =>
    [...row].map((character): [string, string] => [character, row.charAt(0)]),
  ),
);

/** `fold`, then one letter per look: "M4pa3" and "mapae" become the same. For words of three letters and more. */
export function skeleton(text: string): string {
  return Array.from(fold(text), (character) => LOOKALIKES.get(character) ?? character).join("");
}
