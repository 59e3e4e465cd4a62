/** A table, page by page in the order of its key: so many rows at a time are in memory, whichever side they come from. */
import type { Row, Value } from "../sql/columns.ts";
import type { Pages } from "./compare.ts";
import { keyOf } from "./rows.ts";
import type { Table } from "./tables.ts";

/** So many rows travel at a time. */
export const PAGE = 1_000;

interface Readable {
  read(table: Table, after: readonly Value[] | null, limit: number): readonly Row[] | Promise<readonly Row[]>;
}

export async function* pagesOf(side: Readable, table: Table, page: number): Pages {
  let after: readonly Value[] | null = null;
  for (;;) {
    const rows: readonly Row[] = await side.read(table, after, page);
    yield rows;
    const last: Row | undefined = rows.at(-1);
    if (last === undefined || rows.length < page) return;
    after = keyOf(table, last);
  }
}
