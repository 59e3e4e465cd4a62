/** Backup while serving, and restore: what it ends, what it keeps, what it refuses. */
import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, describe, test } from "node:test";
import { StartRefused } from "../../prelude/fault.ts";
import { systemWorld } from "../../prelude/world.ts";
import { signingKey } from "../contract/keys.ts";
import { CAUSE, DAY, FIRST_PAGE, Stage, TestClock } from "../contract/stage.ts";
import { restore } from "./restore.ts";
import { MIGRATIONS } from "./schema.ts";
import { openSqlite } from "./sqlite.ts";

const folder = mkdtempSync(join(tmpdir(), "mapae-backup-"));
after(() => rmSync(folder, { recursive: true }));
let made = 0;
function newPath(): string {
  made += 1;
  return join(folder, `${made}.db`);
}

async function openStage(file: string, clock = new TestClock()): Promise<Stage> {
  return new Stage(await openSqlite(file, { clock, random: systemWorld.random }), clock);
}

async function backUp(stage: Stage, to: string): Promise<void> {
  const outcome = await stage.store.backup?.(to);
  assert(outcome?.ok);
}

/** A database with a user, a session and a key, its backup, and what happened after the backup. */
async function restorable() {
  const file = newPath();
  const copy = newPath();
  const stage = await openStage(file);
  const user = await stage.user();
  await stage.store.keys.replace(0, [signingKey()], []);
  const { standing } = await stage.logIn(user.id);
  await backUp(stage, copy);
  await stage.store.sessions.end({ session: standing.session.id }, "logout", CAUSE);
  await stage.store.keys.raiseMark("kid", stage.clock.now() / 1000 + 5 * 24 * 3600);
  const late = await stage.user();
  const before = stage.store.revocation.head();
  await stage.store.close();
  stage.clock.advance(DAY);
  return { file, copy, clock: stage.clock, user, late, standing, before };
}

describe("backup", () => {
  test("copies one moment while writes go on, says how far it is, and overwrites nothing", async () => {
    const stage = await openStage(newPath());
    const user = await stage.user();
    await Promise.all(Array.from({ length: 500 }, () => stage.logIn(user.id)));
    let writing = true;
    const writer = (async () => {
      // Each user comes with a session of its own: a copy that is torn has one without the other.
      while (writing) {
        const each = await stage.user();
        await stage.logIn(each.id);
      }
    })();
    const to = newPath();
    const told: (readonly [number, number])[] = [];
    const outcome = await stage.store.backup?.(to, (done, total) => told.push([done, total]));
    writing = false;
    await writer;
    assert.deepEqual(outcome, { ok: true, bytes: statSync(to).size });
    const last = told.at(-1);
    assert(last !== undefined && last[0] === last[1]);
    assert(!readdirSync(folder).some((name) => name.endsWith(".partial")));
    if (process.platform !== "win32") assert.equal(statSync(to).mode & 0o077, 0);

    const content = readFileSync(to);
    const again = await stage.store.backup?.(to);
    assert(again?.ok === false && again.refusal === "exists");
    assert.deepEqual(readFileSync(to), content);

    const db = new DatabaseSync(to, { readOnly: true });
    assert.deepEqual({ ...db.prepare("PRAGMA integrity_check").get() }, { integrity_check: "ok" });
    assert.deepEqual(db.prepare("PRAGMA foreign_key_check").all(), []);
    db.close();
    await stage.store.close();
  });

  test("a place that cannot be written is said in one line, and nothing is left there", async () => {
    const stage = await openStage(newPath());
    const to = join(folder, "nowhere", "copy.db");
    const outcome = await stage.store.backup?.(to);
    assert(outcome?.ok === false && outcome.refusal === "failed");
    assert(!outcome.message.includes("\n"));
    await stage.store.close();
  });
});

describe("restore", () => {
  test("begins a new epoch for everyone: sessions ended, keys revoked, tokens since the backup outlived", async () => {
    const { file, copy, clock, user, late, standing, before } = await restorable();
    const replacedContent = readFileSync(file);
    const outcome = restore(copy, file, { keepSessions: false, clock });
    assert(outcome.epoch > before.epoch);
    assert.deepEqual([outcome.sessionsEnded, outcome.keysRevoked], [1, 1]);
    assert(outcome.replaced !== null);
    assert.deepEqual(readFileSync(outcome.replaced), replacedContent);

    const stage = await openStage(file, clock);
    assert.deepEqual(stage.store.revocation.head(), { epoch: outcome.epoch, seq: 2 });
    const entries = await stage.store.revocation.after({ epoch: outcome.epoch, seq: 0 }, 10);
    assert.deepEqual(
      entries.map(({ seq, kind, value, reason }) => [seq, kind, value, reason]),
      [
        [1, "all", "", "restored"],
        [2, "key", "kid", "restored"],
      ],
    );
    // The mark of the database that was replaced counts: its tokens are out there.
    for (const { expires } of entries) assert(expires > clock.now() / 1000 + 4 * 24 * 3600);
    const [key] = (await stage.store.keys.all()).keys;
    assert.deepEqual([key?.state, key?.sealedPrivate], ["revoked", null]);
    assert.deepEqual(await stage.refresh(standing.grant), {
      allow: false,
      refusal: { code: "session_ended", reason: "restored" },
    });
    assert.deepEqual(await stage.store.users.find(user.id), user);
    assert.equal(await stage.store.users.find(late.id), undefined);
    assert.equal((await stage.events("store.restored")).length, 1);
    const again = await stage.logIn(user.id);
    assert.deepEqual(again.standing.position, stage.store.revocation.head());
    await stage.store.close();
  });

  test("keeps sessions and keys where the operator says so, in a new epoch all the same", async () => {
    const { file, copy, clock, standing, before } = await restorable();
    const outcome = restore(copy, file, { keepSessions: true, clock });
    assert.deepEqual([outcome.sessionsEnded, outcome.keysRevoked], [0, 0]);
    const stage = await openStage(file, clock);
    assert.deepEqual(stage.store.revocation.head(), { epoch: outcome.epoch, seq: 0 });
    assert(outcome.epoch > before.epoch);
    assert((await stage.refresh(standing.grant)).allow);
    const [key] = (await stage.store.keys.all()).keys;
    assert.equal(key?.state, "active");
    // What was issued after the backup is still out there.
    assert((key?.highestExp ?? 0) > clock.now() / 1000 + 4 * 24 * 3600 - 1);
    await stage.store.close();
  });

  test("never repeats an epoch, however often and however fast one restores", async () => {
    const { file, copy, clock } = await restorable();
    const epochs = Array.from({ length: 4 }, () => {
      clock.advance(1);
      return restore(copy, file, { keepSessions: true, clock }).epoch;
    });
    assert.deepEqual(
      epochs.map((epoch) => epoch - (epochs[0] ?? 0)),
      [0, 1, 2, 3],
    );
  });

  test("ends no shared secret: it is the operator's setting and not the backup's", async () => {
    const file = newPath();
    const copy = newPath();
    const stage = await openStage(file);
    const shared = signingKey({ alg: "HS256", publicJwk: null, sealedPrivate: null });
    await stage.store.keys.replace(0, [shared], []);
    await backUp(stage, copy);
    await stage.store.close();
    assert.equal(restore(copy, file, { keepSessions: false, clock: stage.clock }).keysRevoked, 0);
    const after = await openStage(file, stage.clock);
    assert.equal((await after.store.keys.all()).keys[0]?.state, "active");
    assert.equal((await after.store.revocation.after({ epoch: 0, seq: 0 }, 10)).at(-1)?.kind, "all");
    await after.store.close();
  });

  test("works where there is no database, and where the one there is ruined", async () => {
    const { copy, clock, user } = await restorable();
    for (const ruin of [null, Buffer.alloc(20_000, 7)]) {
      const file = newPath();
      if (ruin !== null) writeFileSync(file, ruin);
      const outcome = restore(copy, file, { keepSessions: false, clock });
      if (ruin === null) assert.equal(outcome.replaced, null);
      else assert.deepEqual(readFileSync(outcome.replaced ?? ""), ruin);
      const stage = await openStage(file, clock);
      assert.deepEqual(await stage.store.users.find(user.id), user);
      assert.equal((await stage.store.users.list({}, FIRST_PAGE)).items.length, 1);
      await stage.store.close();
    }
  });

  test("is refused while a server runs, and for what is no good backup; the database stays as it was", async () => {
    const { file, copy, clock, late } = await restorable();
    const newer = newPath();
    copyFileSync(copy, newer);
    const db = new DatabaseSync(newer);
    db.exec(`PRAGMA user_version = ${MIGRATIONS.length + 1}`);
    db.close();
    const torn = newPath();
    writeFileSync(torn, readFileSync(copy).subarray(0, 40_000));
    const empty = newPath();
    writeFileSync(empty, "");
    const letter = newPath();
    writeFileSync(letter, "a letter ".repeat(1000));
    for (const [from, line] of [
      [newer, /newer Mapae/],
      [torn, /damaged/],
      [empty, /is empty/],
      [letter, /not a database/],
      [newPath(), /no backup at/],
    ] as const) {
      assert.throws(
        () => restore(from, file, { keepSessions: false, clock }),
        (error) => error instanceof StartRefused && line.test(error.message) && !error.message.includes("\n"),
      );
    }
    const stage = await openStage(file, clock);
    assert.deepEqual(await stage.store.users.find(late.id), late);
    assert.throws(() => restore(copy, file, { keepSessions: false, clock }), /Another process uses the database/);
    await stage.user();
    const copied = newPath();
    copyFileSync(file, copied);
    copyFileSync(`${file}-wal`, `${copied}-wal`);
    await stage.store.close();
    assert.throws(() => restore(copied, file, { keepSessions: false, clock }), /is a database in use/);
  });
});
