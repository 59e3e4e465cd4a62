import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { openPasswordLists } from "./lists.ts";
import { checkPassword, isHashable, PASSWORD_LENGTH, type PasswordContext } from "./rules.ts";
import { contextWords } from "./words.ts";

const context: PasswordContext = {
  words: contextWords("https://login.joseon-post.kr", ["eosa"]),
  about: ["hong.gildong@example.com", "Hong Gildong"],
  lists: await openPasswordLists(),
};

async function codeOf(password: string, extra: Partial<PasswordContext> = {}): Promise<string> {
  const verdict = await checkPassword(password, { ...context, ...extra });
  return verdict.ok ? "ok" : verdict.code;
}

test("seven characters are refused and eight accepted (ASVS 6.2.1)", async () => {
  assert.equal(await codeOf("vX9#qLr"), "too_short");
  assert.equal(await codeOf("vX9#qLr2"), "ok");
  assert.equal(await codeOf("vX9#qLr2", { minimum: 15 }), "too_short");
});

test("length counts code points: seven emoji are seven characters, whatever their bytes", async () => {
  assert.equal(await codeOf("🐢🐇🦔🦡🦦🦫🐾"), "too_short");
  assert.equal(await codeOf("🐢🐇🦔🦡🦦🦫🐾🐌"), "ok");
});

test("64, 128 and 1000 characters are accepted, 1001 and 10,000 refused with the reason (ASVS 6.2.9)", async () => {
  for (const length of [64, 128, PASSWORD_LENGTH.maximum]) assert.equal(await codeOf("한".repeat(length)), "ok");
  assert.equal(await codeOf("한".repeat(PASSWORD_LENGTH.maximum + 1)), "too_long");
  const verdict = await checkPassword("x".repeat(10_000), context);
  assert.deepEqual(verdict, {
    ok: false,
    code: "too_long",
    message: "The password is too long: it may have at most 1000 characters.",
  });
});

test("any composition is accepted: lower case only, spaces, digits only, CJK, emoji (ASVS 6.2.5)", async () => {
  const strong = [
    "quietriverstones",
    "  two  spaces  each  ",
    "80417395526",
    "따뜻한커피한잔과책",
    "雨の日に傘を二本",
    "🐢🐇🦔🦡🦦🦫🐾🐌",
  ];
  for (const password of strong) assert.equal(await codeOf(password), "ok", password);
});

test("NUL and half of a surrogate pair are refused, since they would be cut off or all become the same", async () => {
  assert.equal(await codeOf("quiet\0river stones"), "invalid_characters");
  assert.equal(await codeOf("quiet river \ud83d stones"), "invalid_characters");
  assert.equal(isHashable("quiet river 🐢 stones"), true);
});

test("a password with the product's name, the host's or the operator's word is refused (ASVS 6.2.11)", async () => {
  for (const password of ["my-mapae-tablet", "Joseon-Post rides", "login.joseon-post.kr!", "secret EOSA rides"])
    assert.equal(await codeOf(password), "contains_context_word", password);
});

test("a password with the user's identifier, local part or name is refused", async () => {
  for (const password of ["hong.gildong@example.com", "GildongRidesAtNight", "x hong gildong x"])
    assert.equal(await codeOf(password), "contains_identifier", password);
});

test("common and breached passwords are refused (ASVS 6.2.4, 6.2.12)", async () => {
  assert.equal(await codeOf("Password1!"), "common");
  assert.equal(await codeOf("qwertyuiop"), "common");
});

test("no refusal repeats the password, and none throws", async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: "binary", maxLength: 40 }), fc.boolean(), async (text, broken) => {
      const password = broken ? `${text}\ud800` : text;
      const verdict = await checkPassword(password, context);
      assert.ok(verdict.ok || password.length < 8 || !verdict.message.includes(password));
    }),
    { numRuns: 300 },
  );
});
