import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { json } from "../http/reply.ts";
import { StartRefused } from "../prelude/fault.ts";
import { addressOf, askSocket, type OperatorSocket, openSocket, presenceAt } from "./socket.ts";

const handler = async () => async () => json(200, { ok: true });

function folder(t: TestContext): string {
  const made = mkdtempSync(join(tmpdir(), "mapae-socket-"));
  t.after(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

async function opened(t: TestContext, path: string): Promise<OperatorSocket> {
  const result = await openSocket(path, handler);
  assert.ok("socket" in result);
  t.after(() => result.socket.close(0));
  return result.socket;
}

test("the socket is its owner's only, whatever the mask says, and the mask is put back", async (t) => {
  const path = join(folder(t), "data", "mapae.sock");
  const before = process.umask(0);
  t.after(() => process.umask(before));
  await opened(t, path);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.equal(process.umask(), 0);
  assert.equal(await presenceAt(path), "live");
  assert.deepEqual(JSON.parse((await askSocket(path, "GET", "/", null)).body), { ok: true });
});

test("a second server on the folder is refused, and the first one's socket stays", async (t) => {
  const path = join(folder(t), "mapae.sock");
  await opened(t, path);
  await assert.rejects(openSocket(path, handler), StartRefused);
  assert.equal(await presenceAt(path), "live");
});

test("a socket that nobody answers on is replaced, and goes when the server ends", async (t) => {
  const path = join(folder(t), "mapae.sock");
  // What a kill leaves: the file, with nobody behind it. Node removes it at close, unless it has moved.
  const left = createServer();
  await new Promise<void>((resolve) => left.listen(`${path}.moved`, resolve));
  renameSync(`${path}.moved`, path);
  await new Promise((resolve) => left.close(resolve));
  assert.ok(existsSync(path));
  assert.equal(await presenceAt(path), "none");
  const socket = await opened(t, path);
  assert.equal(await presenceAt(path), "live");
  await socket.close(0);
  assert.ok(!existsSync(path));
});

test("a file that is no socket is left alone", async (t) => {
  const path = join(folder(t), "mapae.sock");
  writeFileSync(path, "somebody's");
  await assert.rejects(openSocket(path, handler), StartRefused);
  assert.ok(existsSync(path));
});

test("a folder too deep for a socket's address is said so, and a server can do without", async (t) => {
  const deep = join(folder(t), "d".repeat(120));
  mkdirSync(deep);
  const path = join(deep, "mapae.sock");
  assert.equal(addressOf(path), null);
  assert.deepEqual(Object.keys(await openSocket(path, handler)), ["unavailable"]);
  assert.equal(await presenceAt(path), "none");
});
