/** Tables for people: aligned, and cut to the terminal's width where there is one. Ids are never cut. */
import { cut, pad, printable, widthOf } from "./text.ts";

export interface Column<Row> {
  readonly title: string;
  readonly of: (row: Row) => string;
  /** May be cut where the terminal is narrow. */
  readonly shrinks?: boolean;
}

const GAP = "  ";
const NARROWEST = 8;

export interface Layout<Row> {
  head(): string;
  line(row: Row): string;
}

/**
 * Measures columns by the rows given; later rows are laid out alike.
 * @param width of the terminal; `null`: nothing is cut
 */
export function layOut<Row>(columns: readonly Column<Row>[], rows: readonly Row[], width: number | null): Layout<Row> {
  const sizes = columns.map(({ title, of }) =>
    Math.max(widthOf(title), ...rows.map((row) => widthOf(printable(of(row))))),
  );
  if (width !== null) shrink(columns, sizes, width);
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, index) => {
        const fitted = columns[index]?.shrinks === true && width !== null ? cut(cell, sizes[index] ?? 0) : cell;
        return index === cells.length - 1 ? fitted : pad(fitted, sizes[index] ?? 0);
      })
      .join(GAP)
      .trimEnd();
  return {
    head: () => line(columns.map(({ title }) => title)),
    line: (row) => line(columns.map(({ of }) => printable(of(row)))),
  };
}

/** Takes from the widest that may shrink, column by column, until the line fits or nothing is left to take. */
function shrink<Row>(columns: readonly Column<Row>[], sizes: number[], width: number): void {
  const gaps = GAP.length * (columns.length - 1);
  let over = sizes.reduce((sum, size) => sum + size, gaps) - width;
  while (over > 0) {
    const widest = columns.reduce(
      (best, { shrinks }, index) =>
        shrinks === true && (sizes[index] ?? 0) > Math.max(NARROWEST, best < 0 ? 0 : (sizes[best] ?? 0)) ? index : best,
      -1,
    );
    if (widest < 0) return;
    sizes[widest] = (sizes[widest] ?? 0) - 1;
    over -= 1;
  }
}
