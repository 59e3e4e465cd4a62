/**
 * Which tables are carried over, derived from the two databases themselves: a table that is added to both schemas is moved
 * without a word here, and one that is missing on a side is named before a row is touched.
 */
import type { DatabaseSync } from "node:sqlite";
import { integer, type Row, text, textOrNull } from "../sql/columns.ts";

/** What only the embedded database has, and only PostgreSQL: neither is carried over. */
export const ONLY_EMBEDDED: readonly string[] = ["moved"];
export const ONLY_SERVED: readonly string[] = ["mapae", "nodes", "move", "move_tables"];
/** Its one row makes a database an installation: it is written last, with the end of the move. */
export const LAST = "state";

export type ColumnType = "text" | "bigint" | "bytea";
const TYPES: Readonly<Record<string, ColumnType>> = { TEXT: "text", INTEGER: "bigint", BLOB: "bytea" };

export interface Column {
  readonly name: string;
  readonly type: ColumnType;
}

export interface Table {
  readonly name: string;
  readonly columns: readonly Column[];
  /** The columns of the primary key, in its order. */
  readonly key: readonly Column[];
}

/** A column as PostgreSQL's catalogue has it. */
export interface ServedColumn {
  readonly table: string;
  readonly name: string;
  readonly type: string;
  /** A row can be written without it. */
  readonly optional: boolean;
}

function columnsOf(db: DatabaseSync, table: string): { readonly column: Column; readonly place: number }[] {
  const rows = db.prepare("SELECT name, type, pk FROM pragma_table_info(?) ORDER BY cid").all(table);
  return (rows as unknown as Row[]).map((row) => {
    const type = TYPES[text(row, 1)];
    if (type === undefined) throw new Error(`${table}.${text(row, 0)} is of a type that is not moved: ${text(row, 1)}`);
    return { column: { name: text(row, 0), type }, place: integer(row, 2) };
  });
}

function tableOf(db: DatabaseSync, name: string): Table {
  const columns = columnsOf(db, name);
  const key = columns.filter(({ place }) => place > 0).sort((a, b) => a.place - b.place);
  if (key.length === 0) throw new Error(`${name} has no primary key to move it by`);
  return { name, columns: columns.map(({ column }) => column), key: key.map(({ column }) => column) };
}

/** The tables of a SQLite database, each behind those that it refers to. @param db opened with `returnArrays` */
export function tablesOf(db: DatabaseSync): readonly Table[] {
  const found = db
    .prepare(`SELECT t.name, f."table" FROM sqlite_schema t LEFT JOIN pragma_foreign_key_list(t.name) f
      WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' ORDER BY t.name`)
    .all() as unknown as Row[];
  const needs = new Map<string, Set<string>>();
  for (const row of found) {
    const name = text(row, 0);
    if (ONLY_EMBEDDED.includes(name)) continue;
    const other = textOrNull(row, 1);
    const known = needs.get(name) ?? new Set();
    if (other !== null && other !== name) known.add(other);
    needs.set(name, known);
  }
  const ordered: string[] = [];
  while (ordered.length < needs.size) {
    const free = [...needs].find(
      ([name, others]) => !ordered.includes(name) && [...others].every((other) => ordered.includes(other)),
    );
    if (free === undefined) throw new Error("the tables refer to each other in a circle");
    ordered.push(free[0]);
  }
  return ordered.map((name) => tableOf(db, name));
}

/** What keeps the rows of one side from the other, a line each. */
export function misfits(tables: readonly Table[], served: readonly ServedColumn[]): readonly string[] {
  const name = (table: string, column: string) => `${table}.${column}`;
  const there = new Map(served.map((column) => [name(column.table, column.name), column]));
  const moved = tables.flatMap((table) => table.columns.map((column) => ({ table: table.name, ...column })));
  const here = new Set(moved.map((column) => name(column.table, column.name)));
  const lacking = moved.flatMap((column) => {
    const other = there.get(name(column.table, column.name));
    if (other === undefined) return [`${name(column.table, column.name)} is missing there`];
    return other.type === column.type ? [] : [`${name(column.table, column.name)} is ${other.type} there`];
  });
  const unfilled = served
    .filter((column) => !ONLY_SERVED.includes(column.table) && !column.optional)
    .map((column) => name(column.table, column.name))
    .filter((column) => !here.has(column))
    .map((column) => `${column} is missing here`);
  return [...lacking, ...unfilled];
}
