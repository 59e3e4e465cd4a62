import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseIdentifier } from "./identifier.ts";

function key(text: string): string {
  const parsed = parseIdentifier(text);
  assert.ok(parsed.ok, `${JSON.stringify(text)} was refused`);
  return parsed.key;
}

function fault(text: string): string {
  const parsed = parseIdentifier(text);
  return parsed.ok ? "none" : parsed.fault;
}

const SAME: readonly (readonly [string, string, string])[] = [
  ["spaces around it", "  kim@example.com\t", "kim@example.com"],
  ["capital letters", "Kim@Example.COM", "kim@example.com"],
  ["composed and decomposed accents", "jose\u0301", "jos\u00e9"],
  ["full-width letters", "ｋｉｍ２", "kim2"],
  ["conjoining and precomposed Hangul", "\u1100\u1175\u11b7\u1100\u1175\u11b7\u1100\u1175\u11b7", "김김김"],
  ["an internationalised domain and its ASCII form", "kim@bücher.example", "kim@xn--bcher-kva.example"],
  ["ligatures", "ﬁne", "fine"],
  ["a Turkish capital İ, whose dot cannot be seen on an i", "İstanbul", "istanbul"],
  ["a dot added above an i", "i\u0307stanbul", "istanbul"],
];
for (const [what, left, right] of SAME) {
  test(`two identifiers that differ in ${what} are one`, () => assert.equal(key(left), key(right)));
}

const APART: readonly (readonly [string, string])[] = [
  ["kim", "kin"],
  ["kim@example.com", "kim@example.org"],
  ["kim.lee", "kimlee"],
  ["kim+a@example.com", "kim+b@example.com"],
];
for (const [left, right] of APART) {
  test(`${left} and ${right} are two`, () => assert.notEqual(key(left), key(right)));
}

const REFUSED: readonly (readonly [string, string, string])[] = [
  ["nothing but spaces", "   ", "empty"],
  ["a username of two letters", "ab", "too_short"],
  ["a username of 65 letters", "a".repeat(65), "too_long"],
  ["an address of 300 characters", `${"a".repeat(290)}@b.example`, "too_long"],
  ["a local part of 65 characters", `${"a".repeat(65)}@b.example`, "not_an_email"],
  ["an address without a domain", "kim@", "not_an_email"],
  ["an address without a local part", "@example.com", "not_an_email"],
  ["an address with two at signs", "a@b@example.com", "not_an_email"],
  ["an address with a line break", "kim\n@example.com", "not_an_email"],
  ["an address whose domain is no name", "kim@exa mple.com", "not_an_email"],
  ["a username with a slash", "kim/lee", "forbidden_character"],
  ["a username with a NUL", "kim\0lee", "forbidden_character"],
  ["a username with a right-to-left override", "kim\u202elee", "forbidden_character"],
  ["a username with a zero-width space", "kim\u200blee", "forbidden_character"],
  ["a username with a zero-width joiner", "kim\u200dlee", "forbidden_character"],
  ["a username with a variation selector", "kim\ufe0f", "forbidden_character"],
  ["a username with a combining grapheme joiner", "ki\u034fm", "forbidden_character"],
  ["a username with a Hangul filler, a letter that shows nothing", "김철수\u3164", "forbidden_character"],
  ["an address with a Hangul filler", "김철수\u3164@example.com", "not_an_email"],
  ["an address with a variation selector", "kim\ufe0f@example.com", "not_an_email"],
  ["half of a surrogate pair", "kim\ud800", "forbidden_character"],
  ["a Cyrillic а in a Latin name", "p\u0430ypal", "mixed_scripts"],
  ["a Greek ο in a Latin name", "g\u03bfogle", "mixed_scripts"],
];
for (const [what, text, expected] of REFUSED) {
  test(`${what} is refused`, () => assert.equal(fault(text), expected));
}

test("names in one script of any writing system are welcome", () => {
  for (const name of ["김철수", "たなか太郎", "山田太郎", "Дмитрий", "Ωμέγα", "محمد", "दिनेश", "kim_99", "a-b.c"])
    key(name);
});

const anything = fc.oneof(
  fc.string({ unit: "binary", maxLength: 40 }),
  fc.string({ unit: fc.constantFrom(..."aiİıjIKå\u0301\u0307\u0323ßẞΣςσ김\u1100\u1161ﬁ２.@-_"), maxLength: 12 }),
  fc.emailAddress(),
);

test("the key of a key is the key, and parsing never throws", () => {
  fc.assert(
    fc.property(anything, (text) => {
      const parsed = parseIdentifier(text);
      if (!parsed.ok) return;
      assert.equal(key(parsed.key), parsed.key);
    }),
    { numRuns: 2000 },
  );
});

test("no two keys differ only in what cannot be seen", () => {
  fc.assert(
    fc.property(anything, (text) => {
      const parsed = parseIdentifier(text);
      if (!parsed.ok) return;
      assert.doesNotMatch(parsed.key, /\p{Default_Ignorable_Code_Point}|\p{Cc}|\p{Zs}/u);
      assert.equal(parsed.key, parsed.key.normalize("NFKC"));
      assert.equal(parsed.key, parsed.key.toLowerCase());
    }),
    { numRuns: 2000 },
  );
});
