import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import type { Envelope } from "@mapae/verifier/seal";
import fc from "fast-check";
import { CommandFailed } from "../exit.ts";
import { claimsIn, seenFile } from "./seen-list.ts";

const A = "A".repeat(43);
const C = "C".repeat(43);
const envelope = (id: string, from = A): Envelope => ({
  from,
  to: "B".repeat(43),
  id: id.repeat(22),
  sealedAt: 0,
  hash: "H".repeat(43),
});
const line = (claim: string, id = "x", from = A) =>
  `opened ${from} ${id.repeat(22)} ${claim.repeat(16)} 2023-05-19T23:00:00Z\n`;

function folder(after: (task: () => void) => void): string {
  const path = mkdtempSync(join(tmpdir(), "mapae-seen-"));
  after(() => rmSync(path, { recursive: true }));
  return path;
}

test("the first claim of a document counts, until it is withdrawn", () => {
  const key = `${A} ${"x".repeat(22)}`;
  const counting = (text: string) => claimsIn(text)?.get(key)?.[0];
  assert.equal(counting(""), undefined);
  assert.equal(counting(line("1") + line("2")), "1");
  assert.equal(counting(`${line("1") + line("2")}withdrawn ${"1".repeat(16)}\n`), "2");
  assert.equal(counting(`${line("1") + line("1", "y")}withdrawn ${"1".repeat(16)}\n`), undefined);
  assert.equal(counting(line("1", "y") + line("2", "x", C)), undefined);
  assert.equal(counting(`# a comment\n\n${line("3")}`), "3");
});

test("a line that a crash cut off counts for nothing and hinders nothing; another file is no list", () => {
  const whole = line("1");
  for (let length = 0; length < whole.length; length++) {
    const cut = claimsIn(whole.slice(0, length));
    assert.equal(cut?.size, 0, `${length} characters`);
    assert.equal(claimsIn(`${whole.slice(0, length)}\n${line("2")}`)?.size, 1, `${length} characters, then another`);
  }
  for (const text of ["attack at dawn\n", "-----BEGIN PUBLIC KEY-----\n", "{}\n", "openedX\n", "opened <x>\n"]) {
    assert.equal(claimsIn(text), null, text);
  }
  fc.assert(fc.property(fc.string(), (text) => void claimsIn(text)));
});

test("a document is admitted once, another sender's of the same id as well, and a withdrawn one again", async (t) => {
  const path = join(
    folder((task) => t.after(task)),
    "seen",
  );
  const first = seenFile(path);
  assert.equal(await first.has(envelope("x")), false);
  assert.equal(await first.admit(envelope("x")), true);
  assert.equal(await seenFile(path).has(envelope("x")), true);
  assert.equal(await seenFile(path).admit(envelope("x")), false);
  assert.equal(await seenFile(path).admit(envelope("x", C)), true);
  await first.withdraw();
  assert.equal(await seenFile(path).admit(envelope("x")), true, "a claim that lost does not count later");
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test("of many that open the same document at once, one is admitted", async (t) => {
  const path = join(
    folder((task) => t.after(task)),
    "seen",
  );
  const admitted = await Promise.all(Array.from({ length: 40 }, () => seenFile(path).admit(envelope("x"))));
  assert.equal(admitted.filter((yes) => yes).length, 1);
});

test("what is cut off at the end of the list does not swallow the next claim", async (t) => {
  const path = join(
    folder((task) => t.after(task)),
    "seen",
  );
  await seenFile(path).admit(envelope("x"));
  appendFileSync(path, "opened AAAA");
  assert.equal(await seenFile(path).admit(envelope("y")), true);
  assert.equal(await seenFile(path).has(envelope("x")), true);
  assert.equal(await seenFile(path).has(envelope("y")), true);
});

test("a file that is something else is not written to", async (t) => {
  const path = join(
    folder((task) => t.after(task)),
    "plan",
  );
  writeFileSync(path, "attack at dawn\n");
  const refused = (error: unknown) => error instanceof CommandFailed && error.exit === "usage";
  await assert.rejects(async () => seenFile(path).has(envelope("x")), refused);
  await assert.rejects(async () => seenFile(path).admit(envelope("x")), refused);
  assert.equal(readFileSync(path, "utf8"), "attack at dawn\n");
});
