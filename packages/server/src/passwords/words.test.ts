import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { StartRefused } from "../prelude/fault.ts";
import { containsOne, contextWords, GENERIC_LABELS, PRODUCT_WORDS, userWords } from "./words.ts";

test("the issuer's host name and its telling labels are words, generic labels and the top level are not", () => {
  assert.deepEqual(contextWords("https://login.acme-corp.com"), ["mapae", "마패", "login.acme-corp.com", "acme-corp"]);
  assert.deepEqual(contextWords("http://localhost:4000"), ["mapae", "마패", "localhost"]);
  assert.deepEqual(contextWords("http://127.0.0.1:4000"), ["mapae", "마패", "127.0.0.1"]);
});

test("the operator's words count, and one that is too short or too long stops the start", () => {
  assert.ok(contextWords("http://localhost", [" Joseon "]).includes("Joseon"));
  assert.throws(() => contextWords("http://localhost", ["x"]), StartRefused);
  assert.throws(() => contextWords("http://localhost", ["x".repeat(65)]), StartRefused);
});

test("a word is seen through case, width and look-alike letters", () => {
  for (const password of ["my mapae pass", "MAPAE-rides", "M4p@3 rides out", "ｍａｐａｅ rides", "내 마패 어디에"])
    assert.ok(containsOne(password, PRODUCT_WORDS), password);
  assert.equal(containsOne("map a electric route", PRODUCT_WORDS), false);
});

test("a user's words are the identifier, its local part and the telling pieces of both and of the name", () => {
  assert.deepEqual(userWords(["kim.cheolsu@acme.com", "Kim Cheolsu"]), [
    "kim.cheolsu@acme.com",
    "kim.cheolsu",
    "cheolsu",
    "Kim Cheolsu",
    "Cheolsu",
  ]);
  assert.deepEqual(userWords(["김철수"]), ["김철수"]);
  assert.deepEqual(userWords(["ann"]), [], "a piece of three letters stands in too many words");
});

test("docs/passwords.md lists exactly the words that are refused (ASVS 6.1.2)", async () => {
  const page = await readFile(new URL("../../../../docs/passwords.md", import.meta.url), "utf8");
  const listed = (heading: string): string[] =>
    [...(page.split(`<!-- ${heading} -->`)[1] ?? "").matchAll(/`([^`]+)`/gu)].map((match) => match[1] ?? "");
  assert.deepEqual(listed("product words"), [...PRODUCT_WORDS]);
  assert.deepEqual(listed("generic labels"), [...GENERIC_LABELS]);
});
