import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { StartRefused } from "../prelude/fault.ts";
import { openPasswordLists } from "./lists.ts";

for (const minimum of [8, 15]) {
  test(`each of the 3000 most used passwords of ${minimum} characters and more is found (ASVS 6.2.4)`, async () => {
    const sample = await readFile(new URL(`./samples/top-3000-of-${minimum}.txt.gz`, import.meta.url));
    const top = gunzipSync(sample).toString().split("\n");
    const lists = await openPasswordLists();
    assert.equal(top.length, 3000);
    for (const password of top) assert.notEqual(await lists.find(password), undefined, password);
  });
}

test("capitals, full-width letters and a short tail do not hide a common password", async () => {
  const lists = await openPasswordLists();
  for (const password of [
    "password",
    "PASSWORD",
    "PassWord",
    "ｐａｓｓｗｏｒｄ",
    "password1!",
    "Superman2024!",
    "trustno1??",
  ])
    assert.equal(await lists.find(password), "common", password);
});

test("passphrases and random passwords are in no list", async () => {
  const lists = await openPasswordLists();
  const strong = [
    "correct horse battery staple",
    "vX9#qLr2mT",
    "따뜻한 커피 한 잔과 책",
    "🐢🐇🦔🐿️🦦🦫🐾🐌",
    "superman and 20251123",
  ];
  for (const password of strong) assert.equal(await lists.find(password), undefined, password);
});

test("fewer than 1 in 4000 passwords that are in no list are taken for listed ones", async () => {
  const lists = await openPasswordLists();
  let mistaken = 0;
  for (let index = 0; index < 40_000; index++)
    if ((await lists.find(`${index} grey tablets on the road`)) !== undefined) mistaken++;
  assert.ok(mistaken < 10, `about 5 expected, ${mistaken} seen`);
});

test("an operator's file of plain passwords and of SHA-1 digests is honoured", async (context) => {
  const folder = await mkdtemp(join(tmpdir(), "password-lists-"));
  context.after(() => rm(folder, { recursive: true }));
  const file = join(folder, "own.txt");
  const digest = createHash("sha1").update("grey tablets leaked").digest("hex").toUpperCase();
  await writeFile(file, `Acme spring party\r\n\n${digest}:12\n`);
  const lists = await openPasswordLists([file]);
  assert.equal(await lists.find("acme SPRING party"), "breached");
  assert.equal(await lists.find("grey tablets leaked"), "breached");
  assert.equal(await lists.find("Grey tablets leaked"), undefined, "a digest knows one spelling only");
  assert.equal(await lists.find("grey tablets kept"), undefined);
});

test("an operator's file that cannot be read refuses the start with one clear line", async () => {
  await assert.rejects(openPasswordLists(["/nowhere/own.txt"]), (error: unknown) => {
    assert.ok(error instanceof StartRefused);
    assert.equal(error.message, "The password list /nowhere/own.txt cannot be read.");
    return true;
  });
});
