import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { CommandFailed } from "../exit.ts";
import { beginFile, writeFileWhole } from "./new-file.ts";

function folder(after: (task: () => void) => void): string {
  const path = mkdtempSync(join(tmpdir(), "mapae-new-"));
  after(() => rmSync(path, { recursive: true }));
  return path;
}

const NEW = { force: false, secret: true } as const;
const fails = (pattern: RegExp) => (error: unknown) => error instanceof CommandFailed && pattern.test(error.message);

test("a file has no name before it is whole, and then all of it, in order, for nobody else", async (t) => {
  const at = folder((task) => t.after(task));
  const path = join(at, "plan");
  const file = await beginFile(path, NEW);
  for (let part = 0; part < 20; part++) await file.write(Buffer.alloc(1000, part));
  await file.settle();
  assert.equal(readdirSync(at).includes("plan"), false);
  await file.keep();
  await file.abandon();
  assert.deepEqual(readdirSync(at), ["plan"]);
  assert.deepEqual(
    readFileSync(path),
    Buffer.concat(Array.from({ length: 20 }, (_, part) => Buffer.alloc(1000, part))),
  );
  assert.equal(statSync(path).mode & 0o777, 0o600);
});

test("what is given up leaves nothing behind", async (t) => {
  const at = folder((task) => t.after(task));
  const file = await beginFile(join(at, "plan"), NEW);
  await file.write(Buffer.alloc(100));
  await file.abandon();
  assert.deepEqual(readdirSync(at), []);
});

test("a file that exists, or comes to exist meanwhile, is kept; with force it is replaced, and a link is not followed", async (t) => {
  const at = folder((task) => t.after(task));
  const path = join(at, "plan");
  const late = await beginFile(path, NEW);
  writeFileSync(path, "mine");
  await late.settle();
  await assert.rejects(late.keep(), fails(/exists; --force replaces it/));
  await late.abandon();
  await assert.rejects(writeFileWhole(path, Buffer.from("other"), NEW), fails(/exists/));
  assert.equal(readFileSync(path, "utf8"), "mine");
  symlinkSync(path, join(at, "link"));
  await writeFileWhole(join(at, "link"), Buffer.from("other"), { ...NEW, force: true });
  assert.equal(readFileSync(path, "utf8"), "mine");
  await writeFileWhole(path, Buffer.from("other"), { ...NEW, force: true });
  assert.equal(readFileSync(path, "utf8"), "other");
  assert.deepEqual(readdirSync(at).sort(), ["link", "plan"]);
});

test("a folder that is not there is one clear line", async (t) => {
  const at = folder((task) => t.after(task));
  await assert.rejects(beginFile(join(at, "none", "plan"), NEW), fails(/plan cannot be written \(ENOENT\)/));
});
