/** What the file adds to the contract: it outlives the process, one process writes it, and a bad one is refused in a line. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { open as openFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, describe, test } from "node:test";
import { StartRefused } from "../../prelude/fault.ts";
import { systemWorld } from "../../prelude/world.ts";
import { CAUSE, Stage, TestClock } from "../contract/stage.ts";
import { MIGRATIONS } from "./schema.ts";
import { openSqlite } from "./sqlite.ts";

const folder = mkdtempSync(join(tmpdir(), "mapae-sqlite-"));
after(() => rmSync(folder, { recursive: true }));
let made = 0;
function newFile(): string {
  made += 1;
  mkdirSync(join(folder, `${made}`));
  return join(folder, `${made}`, "mapae.db");
}

async function openStage(file: string, clock = new TestClock()): Promise<Stage> {
  return new Stage(await openSqlite(file, { clock, random: systemWorld.random }), clock);
}

async function refusal(file: string): Promise<string> {
  try {
    await (await openSqlite(file, systemWorld)).close();
  } catch (error) {
    assert(error instanceof StartRefused, String(error));
    assert(!error.message.includes("\n"));
    return error.message;
  }
  return "opened";
}

describe("a SQLite file", () => {
  test("has everything again when it is opened again, and is one file when it is closed", async () => {
    const file = newFile();
    const first = await openStage(file);
    const user = await first.user();
    const { standing } = await first.logIn(user.id);
    const ended = await first.logIn(user.id);
    await first.store.sessions.end({ session: ended.standing.session.id }, "logout", CAUSE);
    const head = first.store.revocation.head();
    await first.store.close();
    assert.deepEqual(readdirSync(join(file, "..")).sort(), ["mapae.db", "mapae.db.lock"]);

    const second = await openStage(file, first.clock);
    assert.deepEqual(await second.store.users.find(user.id), user);
    assert.deepEqual(second.store.revocation.head(), head);
    assert((await second.refresh(standing.grant)).allow);
    assert(!(await second.refresh(ended.standing.grant)).allow);
    await second.store.close();
  });

  test("can be read by its owner only", { skip: process.platform === "win32" && "no such rights there" }, async () => {
    const file = newFile();
    const stage = await openStage(file);
    await stage.user();
    for (const each of [file, `${file}-wal`]) assert.equal(statSync(each).mode & 0o077, 0);
    await stage.store.close();
  });

  test("finishes the writes that were asked for before it was closed, and takes none after", async () => {
    const stage = await openStage(newFile());
    const create = () => stage.store.users.create(stage.newUser(), []);
    const users = Array.from({ length: 50 }, create);
    const closed = stage.store.close();
    assert.deepEqual(new Set(await Promise.all(users)), new Set(["created"]));
    await closed;
    await assert.rejects(create(), { name: "Unavailable" });
  });

  test("is written by one process: a second server is refused, and let in when the first has ended", async () => {
    const file = newFile();
    const stage = await openStage(file);
    assert.match(await refusal(file), /^Another process uses the database/);
    await stage.store.close();
    assert.equal(await refusal(file), "opened");
  });
});

describe("a writer that dies between its commit and its answer", () => {
  test("leaves nothing that listeners do not hear of before the next write is answered", async () => {
    const clock = new TestClock();
    const silent = new URL("./silent-writer.test-support.ts", import.meta.url);
    const stage = new Stage(await openSqlite(newFile(), { clock, random: systemWorld.random }, silent), clock);
    const revoke = (value: string) =>
      stage.store.revocation.apply([{ effect: "revoke", kind: "token", value, reason: "admin" }]);
    await revoke("first");
    await assert.rejects(revoke("committed and never answered"), { name: "Unavailable" });
    clock.advance(1000);
    await revoke("third");
    assert.deepEqual(
      stage.heard.map(({ seq, value }) => [seq, value]),
      [
        [1, "first"],
        [2, "committed and never answered"],
        [3, "third"],
      ],
    );
    assert.equal(stage.store.revocation.head().seq, 3);
    await stage.store.close();
  });
});

describe("a file that cannot be served is refused with one line", () => {
  test("not a database", async () => {
    const file = newFile();
    writeFileSync(file, "This is a letter, not a database. ".repeat(100));
    assert.match(await refusal(file), /is not a database/);
  });

  test("another program's database", async () => {
    const file = newFile();
    const db = new DatabaseSync(file);
    db.exec("CREATE TABLE theirs (id); PRAGMA user_version = 3");
    db.close();
    assert.match(await refusal(file), /is a database of another program/);
  });

  test("a newer program's database", async () => {
    const file = newFile();
    await (await openSqlite(file, systemWorld)).close();
    const db = new DatabaseSync(file);
    db.exec(`PRAGMA user_version = ${MIGRATIONS.length + 1}`);
    db.close();
    assert.match(await refusal(file), /was written by a newer Mapae/);
  });

  for (const [what, damage] of [
    ["cut short", async (file: string) => truncateSync(file, statSync(file).size - 8192)],
    [
      "overwritten in its middle",
      async (file: string) => {
        const handle = await openFile(file, "r+");
        const { size } = await handle.stat();
        for (let at = 8192; at < size; at += 4096) await handle.write(Buffer.alloc(4000, 0xaa), 0, 4000, at);
        await handle.close();
      },
    ],
  ] as const) {
    test(`a database that was ${what}`, async () => {
      const file = newFile();
      const stage = await openStage(file);
      const user = await stage.user();
      for (let index = 0; index < 50; index += 1) await stage.logIn(user.id);
      await stage.store.close();
      await damage(file);
      assert.match(await refusal(file), /is damaged: restore a backup/);
    });
  }

  test("a folder that is not there, or is a file", async () => {
    assert.match(await refusal(join(folder, "nowhere", "mapae.db")), /cannot be written/);
    writeFileSync(join(folder, "file"), "");
    assert.match(await refusal(join(folder, "file", "mapae.db")), /cannot be written/);
    mkdirSync(join(folder, "directory.db"));
    assert.match(await refusal(join(folder, "directory.db")), /cannot be written/);
  });

  test("a file or a folder that this user may only read", {
    skip: process.platform === "win32" && "no such rights there",
  }, async () => {
    const file = newFile();
    await (await openSqlite(file, systemWorld)).close();
    const script = `
      const { openSqlite } = await import(${JSON.stringify(join(import.meta.dirname, "sqlite.ts"))});
      const { systemWorld } = await import(${JSON.stringify(join(import.meta.dirname, "../../prelude/world.ts"))});
      try { await openSqlite(${JSON.stringify(file)}, systemWorld); console.log("opened"); }
      catch (error) { console.log(error.name + ": " + error.message); }
      process.exit();`;
    // The superuser may write everything, so the child is nobody.
    const nobody = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
    const inChild = () =>
      spawnSync(process.execPath, ["--conditions=mapae-source", "--input-type=module", "-e", script], {
        encoding: "utf8",
        ...nobody,
      }).stdout.trim();
    chmodSync(folder, 0o755);
    chmodSync(join(file, ".."), 0o755);
    chmodSync(file, 0o444);
    chmodSync(join(file, ".."), 0o555);
    assert.match(inChild(), /^StartRefused: The database .* cannot be written/);
    chmodSync(join(file, ".."), 0o777);
    chmodSync(`${file}.lock`, 0o666);
    assert.match(inChild(), /^StartRefused: The database .* cannot be written/);
    assert(existsSync(file));
  });
});
