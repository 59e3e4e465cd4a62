/** The orders of lists: by creation, then id. */
import type { After } from "../rows.ts";

interface Created {
  readonly createdAt: number;
  readonly id: string;
}
export const byText = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
export const oldestFirst = (a: Created, b: Created) => a.createdAt - b.createdAt || byText(a.id, b.id);
export const newestFirst = (a: Created, b: Created) => oldestFirst(b, a);
export const follows = (row: Created, after: After | null, order: typeof oldestFirst) =>
  after === null || order(row, { createdAt: after.at, id: after.id }) > 0;
