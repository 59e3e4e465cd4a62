/** What is moved is what the schemas say: a table that one side lacks, or that this cannot move, is named. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { after, test } from "node:test";
import { openReader } from "../sqlite/connection.ts";
import { prepare } from "../sqlite/prepare.ts";
import { LAST, misfits, ONLY_EMBEDDED, type ServedColumn, type Table, tablesOf } from "./tables.ts";

const folder = mkdtempSync(join(tmpdir(), "mapae-tables-"));
after(() => rmSync(folder, { recursive: true }));

function embedded(): { readonly names: readonly string[]; readonly tables: readonly Table[] } {
  const file = join(folder, "mapae.db");
  prepare(file, 1000);
  const db = openReader(file);
  const found = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'").all();
  const names = (found as unknown as readonly [string][]).map(([name]) => name);
  const tables = tablesOf(db);
  db.close();
  return { names, tables };
}

test("every table of the embedded database is moved, but the mark of the move itself", () => {
  const { names, tables } = embedded();
  const moved = tables.map(({ name }) => name);
  assert.deepEqual([...moved, ...ONLY_EMBEDDED].sort(), [...names].sort());
  assert.ok(moved.includes(LAST));
});

test("a table is moved behind those that it refers to", () => {
  const order = embedded().tables.map(({ name }) => name);
  const before = (first: string, second: string) => assert.ok(order.indexOf(first) < order.indexOf(second), second);
  before("users", "sessions");
  before("sessions", "grants");
  before("webhooks", "webhook_attempts");
  before("status_lists", "status_slots");
});

function made(sql: string): readonly Table[] {
  const db = new DatabaseSync(":memory:", { returnArrays: true });
  db.exec(sql);
  try {
    return tablesOf(db);
  } finally {
    db.close();
  }
}

test("a table without a key, a type that is not moved, and references in a circle are found before anything is", () => {
  assert.throws(() => made("CREATE TABLE things (a TEXT)"), /things has no primary key/);
  assert.throws(
    () => made("CREATE TABLE things (a REAL PRIMARY KEY)"),
    /things\.a is of a type that is not moved: REAL/,
  );
  const circle = `CREATE TABLE a (id TEXT PRIMARY KEY, b TEXT REFERENCES b (id));
    CREATE TABLE b (id TEXT PRIMARY KEY, a TEXT REFERENCES a (id));`;
  assert.throws(() => made(circle), /in a circle/);
  const self = made("CREATE TABLE a (id TEXT, at INTEGER, up TEXT REFERENCES a (id), PRIMARY KEY (at, id))");
  assert.deepEqual(
    self.map(({ key }) => key.map(({ name }) => name)),
    [["at", "id"]],
  );
});

test("what keeps rows from the other side is named: a column that is missing, of another type, or needed and not here", () => {
  const tables = made("CREATE TABLE things (id TEXT PRIMARY KEY, at INTEGER, note BLOB)");
  const column = (name: string, type: string, optional = false): ServedColumn => ({
    table: "things",
    name,
    type,
    optional,
  });
  const fitting = [column("id", "text"), column("at", "bigint"), column("note", "bytea", true)];
  assert.deepEqual(misfits(tables, fitting), []);
  assert.deepEqual(misfits(tables, fitting.slice(1)), ["things.id is missing there"]);
  assert.deepEqual(misfits(tables, [column("id", "uuid"), ...fitting.slice(1)]), ["things.id is uuid there"]);
  assert.deepEqual(misfits(tables, [...fitting, column("extra", "text")]), ["things.extra is missing here"]);
  assert.deepEqual(misfits(tables, [...fitting, column("extra", "text", true)]), []);
  assert.deepEqual(misfits(tables, [...fitting, { ...column("id", "text"), table: "nodes" }]), []);
});
