/** Keyset paging: a page says where the next one starts, so that rows that come and go shift nothing. */

export interface PageRequest {
  /** 1 to 200. */
  readonly limit: number;
  /** The `next` of the page before; `null` for the first. */
  readonly after: string | null;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** The cursor of the next page, or `null` on the last one. Opaque to clients. */
  readonly next: string | null;
}

export const PAGE_LIMIT = 200;

/** The sort key of a row as an opaque cursor. */
export function encodeCursor(at: number, id: string | number): string {
  return Buffer.from(JSON.stringify([at, id])).toString("base64url");
}

/** Reads a cursor back; `null` where it is none of ours. */
export function decodeCursor(cursor: string): { readonly at: number; readonly id: string } | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(cursor, "base64url").toString());
    if (!Array.isArray(value) || value.length !== 2 || !Number.isSafeInteger(value[0])) return null;
    if (typeof value[1] !== "string" && !Number.isSafeInteger(value[1])) return null;
    return { at: Number(value[0]), id: String(value[1]) };
  } catch {
    return null;
  }
}

/** Cuts one row more than the limit into a page and its cursor. */
export function pageOf<T>(
  rows: readonly T[],
  limit: number,
  key: (row: T) => readonly [number, string | number],
): Page<T> {
  const items = rows.slice(0, limit);
  const last = items.at(-1);
  return { items, next: rows.length > limit && last !== undefined ? encodeCursor(...key(last)) : null };
}
