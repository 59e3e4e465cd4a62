/** The order of lists: by creation, then by id. */
import type { After } from "../rows.ts";

export interface Created {
  readonly createdAt: number;
  readonly id: string;
}

export const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
export const oldestFirst = (a: Created, b: Created): number => a.createdAt - b.createdAt || byText(a.id, b.id);
export const newestFirst = (a: Created, b: Created): number => oldestFirst(b, a);
/** Whether a row stands behind the end of the page before. */
export const follows = (row: Created, after: After | null, order: typeof oldestFirst): boolean =>
  after === null || order(row, { createdAt: after.at, id: after.id }) > 0;
