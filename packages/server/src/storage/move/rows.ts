/**
 * Rows on their way: what both drivers give to the domain (text, whole numbers, octets, nothing), one text for many of them,
 * and one digest for all of them.
 */
import { createHash, type Hash } from "node:crypto";
import type { Row, Value } from "../sql/columns.ts";
import type { Table } from "./tables.ts";

/** `\x…`, as PostgreSQL reads and writes octets in a text. */
const OCTETS = "\\x";

function written(value: Value): string | number | null {
  if (value instanceof Uint8Array) return `${OCTETS}${Buffer.from(value).toString("hex")}`;
  return typeof value === "bigint" ? Number(value) : value;
}

/** Rows as a JSON list of objects, for `json_to_recordset`. */
export function rowsAsJson({ columns }: Table, rows: readonly Row[]): string {
  const names = columns.map(({ name }) => name);
  return JSON.stringify(
    rows.map((row) => Object.fromEntries(names.map((name, at) => [name, written(row[at] ?? null)]))),
  );
}

/** Which of the rows, from 0, PostgreSQL cannot keep: its texts hold everything but U+0000. -1 where it can keep all. */
export function unkeepable(rows: readonly Row[]): number {
  return rows.findIndex((row) => row.some((value) => typeof value === "string" && value.includes("\u0000")));
}

/** The values of a row's primary key. */
export function keyOf({ columns, key }: Table, row: Row): readonly Value[] {
  return key.map(({ name }) => row[columns.findIndex((column) => column.name === name)] ?? null);
}

export function keyAsJson(key: readonly Value[]): string {
  return JSON.stringify(key.map(written));
}

export function keyFromJson({ key }: Table, json: string): readonly Value[] {
  const parsed: unknown = JSON.parse(json);
  if (!Array.isArray(parsed) || parsed.length !== key.length) throw new Error("a cursor does not fit its table");
  return key.map(({ type }, at): Value => {
    const value: unknown = parsed[at];
    if (type === "bigint" && typeof value === "number") return value;
    if (typeof value !== "string") throw new Error("a cursor does not fit its table");
    return type === "bytea" ? Buffer.from(value.slice(OCTETS.length), "hex") : value;
  });
}

function octetsOf(value: Value): Buffer {
  return value instanceof Uint8Array
    ? Buffer.from(value.buffer, value.byteOffset, value.byteLength)
    : Buffer.from(String(value));
}

function isSame(left: Value | undefined, right: Value | undefined): boolean {
  if (left instanceof Uint8Array && right instanceof Uint8Array) return octetsOf(left).equals(octetsOf(right));
  return left === right;
}

/** The first column in which two rows differ; `null` where they are the same. */
export function differenceOf({ columns }: Table, left: Row, right: Row): string | null {
  return columns.find((_, at) => !isSame(left[at], right[at]))?.name ?? null;
}

/** The order of both engines: numbers by value, text and octets octet by octet (UTF-8). */
export function compareKeys(left: readonly Value[], right: readonly Value[]): number {
  for (const [at, value] of left.entries()) {
    const other = right[at] ?? null;
    const order =
      typeof value === "number" && typeof other === "number"
        ? value - other
        : Buffer.compare(octetsOf(value), octetsOf(other));
    if (order !== 0) return order;
  }
  return 0;
}

/** SHA-256 over rows in the order of their keys, each as a JSON list: nothing runs together. */
export class Digest {
  readonly #hash: Hash = createHash("sha256");

  add(row: Row): void {
    this.#hash.update(`${JSON.stringify(row.map(written))}\n`);
  }

  hex(): string {
    return this.#hash.digest("hex");
  }
}
