/**
 * Compares a table on both sides, row by row in the order of the key, so that what is missing, what is too much and what
 * differs are all found.
 */
import type { Row } from "../sql/columns.ts";
import { compareKeys, Digest, differenceOf, keyOf } from "./rows.ts";
import type { Table } from "./tables.ts";

export type Pages = AsyncIterable<readonly Row[]>;

/** Where a row does not stand on both sides alike. No values: one of them may be a secret. */
export interface Difference {
  readonly kind: "missing" | "surplus" | "differs";
  /** Which row of the table by its key, from 1: of the target where it is surplus, otherwise of the source. */
  readonly row: number;
  /** Where it differs. */
  readonly column: string | null;
}

export interface Compared {
  readonly rows: number;
  /** SHA-256 of all rows of the source, and of the target. */
  readonly source: string;
  readonly target: string;
  /** How many there are, and the first ones. */
  readonly differences: number;
  readonly examples: readonly Difference[];
}

const EXAMPLES = 5;

async function* rowsOf(pages: Pages): AsyncGenerator<Row> {
  for await (const page of pages) yield* page;
}

/**
 * Compares the source's rows with the target's.
 * @param step called with how many rows of the source are done, after so many as a page has, and at the end
 */
export async function compare(
  table: Table,
  left: Pages,
  right: Pages,
  page: number,
  step: (rows: number) => void,
): Promise<Compared> {
  const [source, target] = [new Digest(), new Digest()];
  const [sources, targets] = [rowsOf(left), rowsOf(right)];
  const examples: Difference[] = [];
  let [count, other, differences] = [0, 0, 0];
  const note = (kind: Difference["kind"], row: number, column: string | null = null): void => {
    differences += 1;
    if (examples.length < EXAMPLES) examples.push({ kind, row, column });
  };
  const nextSource = async (): Promise<Row | undefined> => {
    const { value, done } = await sources.next();
    if (done === true) return undefined;
    count += 1;
    source.add(value);
    if (count % page === 0) step(count);
    return value;
  };
  const nextTarget = async (): Promise<Row | undefined> => {
    const { value, done } = await targets.next();
    if (done === true) return undefined;
    other += 1;
    target.add(value);
    return value;
  };
  let [a, b] = [await nextSource(), await nextTarget()];
  while (a !== undefined || b !== undefined) {
    const order = a === undefined ? 1 : b === undefined ? -1 : compareKeys(keyOf(table, a), keyOf(table, b));
    if (order < 0) note("missing", count);
    else if (order > 0) note("surplus", other);
    else if (a !== undefined && b !== undefined) {
      const column = differenceOf(table, a, b);
      if (column !== null) note("differs", count, column);
    }
    if (order <= 0) a = await nextSource();
    if (order >= 0) b = await nextTarget();
  }
  if (count % page !== 0 || count === 0) step(count);
  return { rows: count, source: source.hex(), target: target.hex(), differences, examples };
}
