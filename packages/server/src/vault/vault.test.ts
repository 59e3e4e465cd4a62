import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { StartRefused } from "../prelude/fault.ts";
import { Secret } from "../prelude/secret.ts";
import { systemWorld } from "../prelude/world.ts";
import { openMemory } from "../storage/memory/memory.ts";
import { readOrMakeSecret } from "./secret-file.ts";
import { DATA_KEY_PURPOSES } from "./store.ts";
import { decrypt, encrypt, openVault } from "./vault.ts";

const OLD = new Secret("the old secret, of 32 characters or more");
const NEW = new Secret("the new secret, of 32 characters or more");
const open = (store: ReturnType<typeof openMemory>["vault"], ...secrets: Secret[]) =>
  openVault(store, secrets, systemWorld);

test("the first start makes one key of each purpose; the next start reads the same", async () => {
  const store = openMemory(systemWorld).vault;
  const first = await open(store, OLD);
  const second = await open(store, OLD);
  for (const purpose of DATA_KEY_PURPOSES) assert.deepEqual(second.current(purpose), first.current(purpose));
  assert.equal((await store.all()).length, DATA_KEY_PURPOSES.length);
});

test("the database holds no key in the clear", async () => {
  const store = openMemory(systemWorld).vault;
  const vault = await open(store, OLD);
  const rows = await store.all();
  for (const purpose of DATA_KEY_PURPOSES) {
    for (const { wrapped } of rows) assert.equal(wrapped.includes(vault.current(purpose).key), false);
  }
});

test("the secret rotates by wrapping anew: the keys stay, and then the old secret can go", async () => {
  const store = openMemory(systemWorld).vault;
  const before = (await open(store, OLD)).current("signing");
  const during = (await open(store, NEW, OLD)).current("signing");
  const after = (await open(store, NEW)).current("signing");
  assert.deepEqual([during, after], [before, before]);
  await assert.rejects(open(store, OLD), StartRefused);
});

test("a wrong secret is refused in one line that repeats no secret, and changes nothing", async () => {
  const store = openMemory(systemWorld).vault;
  await open(store, OLD);
  const rows = await store.all();
  await assert.rejects(open(store, NEW), (error: unknown) => {
    assert.ok(error instanceof StartRefused);
    assert.doesNotMatch(error.message, /secret, of 32|\n/);
    return true;
  });
  assert.deepEqual(await store.all(), rows);
});

test("no secret at all is refused", async () => {
  await assert.rejects(open(openMemory(systemWorld).vault), StartRefused);
});

test("a row that was swapped for another, or damaged, is refused", async () => {
  const store = openMemory(systemWorld).vault;
  await open(store, OLD);
  const [one, other] = await store.all();
  assert.ok(one && other);
  await store.rewrap([{ ...one, wrapped: other.wrapped }]);
  await assert.rejects(open(store, OLD), StartRefused);
});

test("a rotated data key is the one for what is made now; the one before still opens what it made", async () => {
  const store = openMemory(systemWorld).vault;
  const vault = await open(store, OLD);
  const before = vault.current("refresh-mac");
  const made = await vault.rotate("refresh-mac");
  assert.notEqual(made.id, before.id);
  assert.deepEqual(vault.current("refresh-mac"), made);
  assert.deepEqual(vault.find("refresh-mac", before.id), before);
  assert.deepEqual((await open(store, OLD)).current("refresh-mac"), made);
});

test("a key is found under its own purpose only", async () => {
  const vault = await open(openMemory(systemWorld).vault, OLD);
  assert.equal(vault.find("pepper", vault.current("refresh-mac").id), undefined);
});

test("two processes that start at once on an empty store share one set of keys", async () => {
  const store = openMemory(systemWorld).vault;
  const [one, other] = await Promise.all([open(store, OLD), open(store, OLD)]);
  for (const purpose of DATA_KEY_PURPOSES) assert.deepEqual(one.current(purpose), other.current(purpose));
});

test("what was encrypted opens under the same key and context only, and with no bit changed", () => {
  const key = Buffer.alloc(32, 1);
  const sealed = encrypt(key, Buffer.from("a private key"), "signing:k", systemWorld);
  assert.equal(decrypt(key, sealed, "signing:k")?.toString(), "a private key");
  assert.equal(decrypt(Buffer.alloc(32, 2), sealed, "signing:k"), undefined);
  assert.equal(decrypt(key, sealed, "signing:other"), undefined);
  for (let at = 0; at < sealed.length; at += 1) {
    const changed = Buffer.from(sealed);
    changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
    assert.equal(decrypt(key, changed, "signing:k"), undefined);
    assert.equal(decrypt(key, sealed.subarray(0, at), "signing:k"), undefined);
  }
});

test("the secret file is made once, for its owner alone, and read the next time", (context) => {
  const folder = mkdtempSync(join(tmpdir(), "mapae-secret-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "secrets", "mapae.secret");
  const first = readOrMakeSecret(file, systemWorld.random);
  assert.equal(first.made, true);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  const second = readOrMakeSecret(file, systemWorld.random);
  assert.deepEqual([second.made, second.secrets[0]?.reveal()], [false, first.secrets[0]?.reveal()]);
  const value = readFileSync(file, "utf8").trim();
  writeFileSync(file, `${"n".repeat(40)}\n${value}\n`);
  assert.deepEqual(
    readOrMakeSecret(file, systemWorld.random).secrets.map((secret) => secret.reveal()),
    ["n".repeat(40), value],
  );
});

test("a secret file that is too short, empty or no file at all stops the start", (context) => {
  const folder = mkdtempSync(join(tmpdir(), "mapae-secret-"));
  context.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "mapae.secret");
  for (const content of ["", "short"]) {
    writeFileSync(file, content);
    assert.throws(() => readOrMakeSecret(file, systemWorld.random), StartRefused);
  }
  assert.throws(() => readOrMakeSecret(folder, systemWorld.random), StartRefused);
  assert.throws(() => readOrMakeSecret(join(file, "below", "a-file"), systemWorld.random), StartRefused);
});
