/** Everything that a move cannot work with: one line, the exit code, and nothing changed. */
import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, before, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { MIGRATIONS } from "../../packages/server/src/storage/sqlite/schema.ts";
import { mapae } from "../cli/mapae.ts";
import { type Postgres, startPostgres, withoutPostgres } from "../components/postgres.ts";
import { startLoginServer, temporaryFolder } from "../processes.ts";
import { fill } from "./fill.ts";
import { fileIn, move, moveAndKill, rowsOfDatabase, rowsOfFile, type Target, targetOf } from "./stage.ts";

const skip = withoutPostgres();

let postgres: Postgres;
let here: Target;
before(async () => {
  if (skip !== false) return;
  const started = await startPostgres({ settings: { fsync: "off" } });
  assert(started !== null);
  postgres = started;
  here = targetOf(await postgres.database());
});
after(async () => postgres?.remove());

function installation(cleanUp: (task: () => void) => void, seed = 1): string {
  const folder = temporaryFolder(cleanUp);
  fill(fileIn(folder), seed, () => 2);
  return folder;
}

async function refused(folder: string, to: Target, code: number, line: RegExp, ...options: string[]): Promise<void> {
  const file = fileIn(folder);
  const before = rowsOfFile(file);
  const ran = await move(folder, to, ...options);
  assert.match(ran.stderr, line);
  assert.equal(ran.stderr.trim().split("\n").length, 1, ran.stderr);
  assert.equal(ran.code, code, ran.stderr);
  assert.ok(!ran.stderr.includes(to.settings.MAPAE_DATABASE_PASSWORD ?? "-"));
  assert.deepEqual(rowsOfFile(file), before);
}

test("an address that is wrong, or holds a password, is a wrong command line", { skip }, async (t) => {
  const folder = installation((task) => t.after(task));
  const { settings } = here;
  const at = (to: string): Target => ({ ...here, to });
  await refused(folder, at("mysql://mapae@db/mapae"), 2, /^mapae: --to: an installation moves to PostgreSQL/);
  await refused(folder, at("postgres://mapae@db"), 2, /^mapae: --to: it names no database\.$/m);
  await refused(folder, at(`${here.to}?sslmode=maybe`), 2, /^mapae: --to: sslmode=maybe is not offered/);
  const inside = at(here.url);
  const ran = await move(folder, inside);
  assert.equal(ran.code, 2);
  assert.match(ran.stderr, /^mapae: a password in an argument can be read by every user/);
  assert.ok(!ran.stderr.includes(encodeURIComponent(settings.MAPAE_DATABASE_PASSWORD ?? "-")));
  const none = await mapae(folder, ["move"]);
  assert.deepEqual([none.code, none.stderr.split(":")[1]?.trim()], [2, "say where to"]);
  await refused(folder, here, 2, /--dry-run and --undo/, "--dry-run", "--undo");
  const memory = await mapae(folder, ["move", "--to", here.to], { settings: { MAPAE_DATABASE_URL: "memory:" } });
  assert.match(memory.stderr, /in-memory database ends with its server/);
});

test("a database that cannot be reached, does not exist, is read only or of another encoding is refused", {
  skip,
}, async (t) => {
  const folder = installation((task) => t.after(task));
  const gone = new URL(here.to);
  gone.port = "1";
  await refused(
    folder,
    { ...here, to: gone.href },
    75, // it may be there later
    /^mapae: The database 127\.0\.0\.1:1\/.+ cannot be opened: .+ECONNREFUSED/,
  );
  const absent = new URL(here.to);
  absent.pathname = "/absent";
  await refused(folder, { ...here, to: absent.href }, 1, /there is no such database/);
  await refused(
    folder,
    { ...here, settings: { MAPAE_DATABASE_PASSWORD: "wrong" } },
    1,
    /the user or the password is not taken/,
  );
  const options = encodeURIComponent("-c default_transaction_read_only=on");
  await refused(folder, { ...here, to: `${here.to}?options=${options}` }, 1, /is read only/);
  await postgres.query("CREATE DATABASE ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'");
  const ascii = new URL(here.to);
  ascii.pathname = "/ascii";
  await refused(folder, { ...here, to: ascii.href }, 1, /keeps text as SQL_ASCII/);
  // And without the right to make tables, found by a dry run too.
  await postgres.query(
    "CREATE ROLE visitor LOGIN PASSWORD 'visitor'; REVOKE CREATE ON SCHEMA public FROM PUBLIC",
    here.url,
  );
  const visitor = new URL(here.to);
  visitor.username = "visitor";
  const as = { ...here, to: visitor.href, settings: { MAPAE_DATABASE_PASSWORD: "visitor" } };
  const dry = await move(folder, as, "--dry-run");
  assert.equal(dry.code, 1);
  assert.match(dry.stderr, /this user may not make tables there/);
});

test("a database that holds something else, or another installation, is left alone", { skip }, async (t) => {
  const folder = installation((task) => t.after(task));
  const foreign = targetOf(await postgres.database());
  await postgres.query("CREATE TABLE orders (id bigint); INSERT INTO orders VALUES (1)", foreign.url);
  await refused(folder, foreign, 1, /holds tables of another program/);
  const dry = await move(folder, foreign, "--dry-run", "--json");
  assert.equal(dry.code, 1);
  assert.equal(JSON.parse(dry.stdout).would, "refuse");

  const occupied = targetOf(await postgres.database());
  const other = temporaryFolder((task) => t.after(task));
  const made = await mapae(other, ["users", "create", "lee", "--password-stdin"], {
    stdin: "one horse, two batteries",
    settings: occupied.serving,
  });
  assert.equal(made.code, 0, made.stderr);
  const before = await rowsOfDatabase(occupied.url);
  await refused(folder, occupied, 1, /holds another installation of Mapae/);
  await refused(folder, occupied, 1, /There is nothing to undo/, "--undo");
  assert.deepEqual(await rowsOfDatabase(occupied.url), before);

  const taken = targetOf(await postgres.database());
  const second = installation((task) => t.after(task), 2);
  assert.ok(await moveAndKill(second, taken, (told) => told.includes("carried over")));
  await refused(folder, taken, 1, /A move of another installation into .+ is under way, from .+mapae\.db/);
  const served = await mapae(folder, ["users", "list"], { settings: taken.serving });
  assert.equal(served.code, 1);
  assert.match(served.stderr, /is being filled by a move from .+mapae\.db, begun .+: run mapae move again/);
});

test("a file that is missing, older, newer, damaged, somebody else's or in use is refused", { skip }, async (t) => {
  const target = targetOf(await postgres.database());
  const empty = temporaryFolder((task) => t.after(task));
  const missing = await move(empty, target);
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /^mapae: There is no database at .+mapae\.db: set --data/);

  const folder = installation((task) => t.after(task));
  const file = fileIn(folder);
  const change = (sql: string): void => {
    const db = new DatabaseSync(file);
    db.exec(sql);
    db.close();
  };
  change(`PRAGMA user_version = ${MIGRATIONS.length - 1}`);
  await refused(
    folder,
    target,
    1,
    /is of an older Mapae \(schema \d+; this one has \d+\): back it up, start this version on it once/,
  );
  change(`PRAGMA user_version = ${MIGRATIONS.length + 1}`);
  await refused(folder, target, 1, /was written by a newer Mapae/);
  change(`PRAGMA user_version = ${MIGRATIONS.length}; PRAGMA application_id = 1`);
  await refused(folder, target, 1, /is a database of another program/);

  const damaged = temporaryFolder((task) => t.after(task));
  const broken = fileIn(damaged);
  mkdirSync(dirname(broken), { recursive: true });
  fill(broken, 3, () => 200);
  const octets = readFileSync(broken);
  octets.fill(0x5a, 8 * 4096, 12 * 4096);
  writeFileSync(broken, octets);
  const ran = await move(damaged, target);
  assert.equal(ran.code, 1);
  assert.match(ran.stderr, /^mapae: The database .+ is damaged: restore a backup/);

  const held = installation((task) => t.after(task));
  const lock = new DatabaseSync(`${fileIn(held)}.lock`);
  lock.exec("BEGIN EXCLUSIVE");
  await refused(held, target, 1, /Another process uses the database/);
  lock.close();

  const odd = installation((task) => t.after(task));
  const db = new DatabaseSync(fileIn(odd));
  db.prepare("UPDATE users SET name = ?").run("a\u0000b");
  db.close();
  const kept = await move(odd, target);
  assert.equal(kept.code, 1);
  assert.match(kept.stderr, /Row 1 of users \(by its key\) holds a character U\+0000/);
});

test("an installation that has moved, or an older copy of it, is moved nowhere else, and goes back only unused", {
  skip,
}, async (t) => {
  const folder = installation((task) => t.after(task));
  const copy = temporaryFolder((task) => t.after(task));
  mkdirSync(dirname(fileIn(copy)), { recursive: true });
  copyFileSync(fileIn(folder), fileIn(copy));
  const [first, second] = [targetOf(await postgres.database()), targetOf(await postgres.database())];
  assert.equal((await move(folder, first)).code, 0);
  const again = await move(folder, first, "--json");
  assert.equal(again.code, 0, again.stderr);
  assert.equal(JSON.parse(again.stdout).already, true);
  await refused(folder, second, 1, /was moved to PostgreSQL at|was moved to .+, and not to .+/);
  await refused(folder, second, 1, /and not to .+: give the address that it was moved to/, "--undo");
  await refused(copy, first, 1, /holds this installation already.+is an older copy/);

  const before = rowsOfFile(fileIn(folder));
  const undone = await move(folder, first, "--undo");
  assert.equal(undone.code, 0, undone.stderr);
  assert.deepEqual(rowsOfFile(fileIn(folder)), before);
  const emptied = await mapae(folder, ["users", "list"], { settings: first.serving });
  assert.match(emptied.stderr, /was undone, and it is empty/);
  assert.equal((await move(folder, second)).code, 0);

  // Opening it is no harm; what is changed there is not undone.
  const opened = await mapae(folder, ["users", "list"], { settings: second.serving });
  assert.equal(opened.code, 1);
  assert.match(opened.stderr, /secret/i);
  assert.equal((await move(folder, second, "--undo")).code, 0);
  assert.equal((await move(folder, second)).code, 0);
  await mapae(folder, ["users", "list"], { settings: second.serving });
  await postgres.query("UPDATE users SET name = 'Lee' WHERE id = (SELECT min(id) FROM users)", second.url);
  const line = /has been used, and its rows are not those of the file any more \(users\): what was ended or revoked/;
  await refused(folder, second, 1, line, "--undo");
});

test("a server that was started on the new database and changed nothing does not cost the way back, once it is stopped", {
  skip,
}, async (t) => {
  const folder = temporaryFolder((task) => t.after(task));
  const made = await mapae(folder, ["users", "create", "kim", "--password-stdin"], {
    stdin: "one horse, two batteries",
  });
  assert.equal(made.code, 0, made.stderr);
  const target = targetOf(await postgres.database());
  assert.equal((await move(folder, target)).code, 0);
  const elsewhere = temporaryFolder((task) => t.after(task));
  const secret = readFileSync(join(folder, "data/secrets/mapae.secret"), "utf8").trim();
  const server = await startLoginServer(elsewhere, { ...target.serving, MAPAE_SECRET: secret });
  t.after(() => server.stop());
  const attended = await attendedBy(target);
  assert.ok(attended);
  await refused(folder, target, 1, /A server has the database .+ open: stop it first/, "--undo");
  assert.equal(await server.stop(), 0);
  const undone = await move(folder, target, "--undo");
  assert.equal(undone.code, 0, undone.stderr);
  const listed = await mapae(folder, ["users", "list", "--json"]);
  assert.equal(JSON.parse(listed.stdout).identifier, "kim");

  // A move that was begun and left is told, and called off by whoever opens the file.
  const marked = new DatabaseSync(fileIn(folder));
  marked.exec("INSERT INTO moved VALUES (1, 'begun', 'db.internal/mapae', 1, 0)");
  marked.close();
  const begun = await mapae(folder, ["doctor"]);
  assert.match(
    begun.stdout,
    /warn +database .+a move to PostgreSQL at db\.internal\/mapae was begun and not ended\n +→/,
  );
  assert.equal((await mapae(folder, ["users", "list"])).code, 0);
  assert.doesNotMatch((await mapae(folder, ["doctor"])).stdout, /was begun/);

  // Moved again, and used: then the file is a backup like any other, and can be restored in its own place.
  assert.equal((await move(folder, target)).code, 0);
  await postgres.query("UPDATE users SET name = 'Lee'", target.url);
  const doctor = await mapae(folder, ["doctor"]);
  assert.equal(doctor.code, 1);
  assert.match(doctor.stdout, /fail +database +.+mapae\.db was moved to PostgreSQL at/);
  const restored = await mapae(folder, ["restore", fileIn(folder), "--yes"]);
  assert.equal(restored.code, 0, restored.stderr);
  const again = await mapae(folder, ["users", "list", "--json"]);
  assert.equal(JSON.parse(again.stdout).identifier, "kim");
});

/** Whether a server has taken up the duty of those on this database. */
async function attendedBy({ url }: Target): Promise<boolean> {
  const late = AbortSignal.timeout(10_000);
  for (;;) {
    const locks = await postgres.query(
      "SELECT 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE locktype = 'advisory' AND d.datname = current_database()",
      url,
    );
    if (locks.length > 0 || late.aborted) return locks.length > 0;
    await setTimeout(50);
  }
}
