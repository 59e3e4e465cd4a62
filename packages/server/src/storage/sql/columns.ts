/** Reads a column as what the schema says it is. A mismatch means a damaged database, and is a fault. */
/** What a statement binds. */
export type Value = string | number | bigint | Uint8Array | null;
/** A row as the engines return it when asked for arrays. */
export type Row = readonly Value[];

function mismatch(row: Row, at: number): never {
  throw new Error(`column ${at} of ${row.length} is a ${row[at] === null ? "null" : typeof row[at]}`);
}

export function text(row: Row, at: number): string {
  const value = row[at];
  return typeof value === "string" ? value : mismatch(row, at);
}

export function textOrNull(row: Row, at: number): string | null {
  return row[at] === null ? null : text(row, at);
}

export function integer(row: Row, at: number): number {
  const value = row[at];
  return typeof value === "number" ? value : mismatch(row, at);
}

export function integerOrNull(row: Row, at: number): number | null {
  return row[at] === null ? null : integer(row, at);
}

export function bytes(row: Row, at: number): Buffer {
  const value = row[at];
  // From another thread, bytes come as latin1 text: see wire.ts.
  if (typeof value === "string") return Buffer.from(value, "latin1");
  return value instanceof Uint8Array
    ? Buffer.from(value.buffer, value.byteOffset, value.byteLength)
    : mismatch(row, at);
}

export function bytesOrNull(row: Row, at: number): Buffer | null {
  return row[at] === null ? null : bytes(row, at);
}

/** Lists repeat from row to row, so each distinct one is parsed once and shared, frozen. */
const lists = new Map<string, readonly string[]>();
const LISTS_KEPT = 1000;

export function list(row: Row, at: number): readonly string[] {
  const json = text(row, at);
  const known = lists.get(json);
  if (known !== undefined) return known;
  const value: unknown = JSON.parse(json);
  if (!Array.isArray(value) || !value.every((item) => typeof item === "string")) mismatch(row, at);
  const parsed: readonly string[] = Object.freeze(value);
  if (lists.size >= LISTS_KEPT) lists.clear();
  lists.set(json, parsed);
  return parsed;
}
