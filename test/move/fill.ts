/**
 * An installation out of random rows: every table of the schema, every type, texts that are awkward to carry. What it holds
 * makes no sense to a server; it has to arrive all the same. The schema itself is asked for what a table wants.
 */
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import type { DatabaseSync, SQLInputValue } from "node:sqlite";
import { type Table, tablesOf } from "../../packages/server/src/storage/move/tables.ts";
import { openWriter } from "../../packages/server/src/storage/sqlite/connection.ts";
import { prepare } from "../../packages/server/src/storage/sqlite/prepare.ts";

/** mulberry32: small, and the same everywhere. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const AWKWARD = [
  ...[
    "",
    " ",
    "a",
    "Z",
    "0",
    "é",
    "e\u0301",
    "ß",
    "한",
    "\u{1f600}",
    "\uff5e",
    "\ufeff",
    "\u200b",
    "\u0001",
    "\u007f",
    "\uffff",
  ],
  ...[
    "\n",
    "\r",
    "\t",
    "'",
    '"',
    "\\",
    "\\x00",
    "\\u0000",
    "{",
    "}",
    "[1]",
    "null",
    "%s",
    "$1",
    "?",
    "::",
    ";--",
    "\u2028",
  ],
];

interface Wanted {
  readonly nullable: ReadonlySet<string>;
  readonly unique: ReadonlySet<string>;
  /** The column that refers, and to which table's key. */
  readonly refers: ReadonlyMap<string, string>;
}

function wantedBy(db: DatabaseSync, { name, key }: Table): Wanted {
  const text = (row: unknown, at: number) => String((row as readonly unknown[])[at]);
  const nullable = db.prepare(`SELECT name FROM pragma_table_info(?) WHERE "notnull" = 0 AND pk = 0`).all(name);
  const unique = db
    .prepare(
      `SELECT c.name FROM pragma_index_list(?) i, pragma_index_info(i.name) c WHERE i."unique" = 1 AND i.origin = 'u'`,
    )
    .all(name);
  const refers = db.prepare(`SELECT "from", "table" FROM pragma_foreign_key_list(?)`).all(name);
  return {
    nullable: new Set(nullable.map((row) => text(row, 0))),
    unique: new Set([...unique.map((row) => text(row, 0)), ...key.map((column) => column.name)]),
    refers: new Map(refers.map((row) => [text(row, 0), text(row, 1)])),
  };
}

/** Makes the file, and so many rows in each table. */
export function fill(file: string, seed: number, rows: (table: string) => number): void {
  mkdirSync(dirname(file), { recursive: true });
  prepare(file, Date.now());
  const db = openWriter(file);
  const random = randomOf(seed);
  const below = (limit: number) => Math.floor(random() * limit);
  const text = () => Array.from({ length: below(5) }, () => AWKWARD[below(AWKWARD.length)] ?? "").join("");
  const integer = () =>
    [0, -1, below(100), 1_800_000_000_000 + below(1e9), Number.MAX_SAFE_INTEGER, -Number.MAX_SAFE_INTEGER][below(6)] ??
    0;
  const octets = (length: number) => Uint8Array.from({ length }, () => below(256));
  const keys = new Map<string, SQLInputValue[]>();
  db.exec("BEGIN");
  for (const table of tablesOf(db)) {
    const { nullable, unique, refers } = wantedBy(db, table);
    const own: SQLInputValue[] = [];
    keys.set(table.name, own);
    // One row, and it is there.
    if (table.name === "state" || table.name === "signal_head") continue;
    const places = table.columns.map(() => "?").join(", ");
    const insert = db.prepare(`INSERT INTO "${table.name}" VALUES (${places})`);
    for (let made = 0; made < rows(table.name); made += 1) {
      let lacking = false;
      const values = table.columns.map(({ name, type }): SQLInputValue => {
        const parents = refers.get(name);
        if (parents !== undefined) {
          const known = keys.get(parents) ?? [];
          lacking ||= known.length === 0;
          return known[below(known.length)] ?? "";
        }
        if (nullable.has(name) && random() < 0.4) return null;
        const once = unique.has(name);
        if (type === "bigint") return once ? made * 3 + below(3) : integer();
        if (type === "bytea")
          return once ? Uint8Array.of(below(256), made >> 16, (made >> 8) & 255, made & 255) : octets(below(40));
        return once ? `${text()}#${made}#${text()}` : text();
      });
      if (lacking) break;
      insert.run(...values);
      const at = table.columns.findIndex((column) => column.name === table.key[0]?.name);
      own.push(values[at] ?? null);
    }
  }
  db.prepare("UPDATE signal_head SET seq = ?").run(below(1e6));
  db.prepare("UPDATE state SET seq = ?, key_set = ?, lease_ms = ?, sessions_until = ?").run(
    below(1e6),
    7,
    5000,
    below(1e9),
  );
  db.exec("COMMIT");
  db.close();
}
