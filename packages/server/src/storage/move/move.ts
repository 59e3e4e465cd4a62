/**
 * Moves an installation: everything it is, from a SQLite file to PostgreSQL, and nothing changes for anybody.
 *
 *   look ─► begin, or go on ─► carry rows over, page by page ─► compare every row ─► give up the source ─► open the target
 *
 * Log-ins, grants, keys and the revocation log with its epoch and positions arrive as they are: the log's last position is
 * the one that verifiers know, so they go on from it, and whoever was revoked stays revoked.
 */
import { StartRefused } from "../../prelude/fault.ts";
import type { World } from "../../prelude/world.ts";
import type { MoveRecord } from "../postgres/moved.ts";
import type { Row } from "../sql/columns.ts";
import { type Compared, compare, type Pages } from "./compare.ts";
import { clocksFault, refusalLine } from "./lines.ts";
import { PAGE, pagesOf } from "./pages.ts";
import { keyOf, unkeepable } from "./rows.ts";
import { courseOf, type Occupancy } from "./situation.ts";
import type { MoveSource } from "./source.ts";
import { LAST, type Table } from "./tables.ts";
import type { Cursor, MoveTarget } from "./target.ts";

export interface Step {
  readonly phase: "carry" | "compare";
  readonly table: string;
  /** Rows of this table that are done, and all that it has. */
  readonly rows: number;
  readonly of: number;
}

/** Told while it runs. */
export interface Telling {
  /** Rows per table, before anything is done. */
  begins(tables: ReadonlyMap<string, number>, course: "begin" | "again" | "resume", carried: number): void;
  step(step: Step): void;
}

export interface MovedTable extends Compared {
  readonly table: string;
}

export type MoveOutcome =
  | { readonly kind: "moved"; readonly tables: readonly MovedTable[] }
  | { readonly kind: "already"; readonly record: MoveRecord }
  /** Nothing serves the target. */
  | { readonly kind: "differs"; readonly tables: readonly MovedTable[] }
  /** Told to stop; goes on where it stopped when it is run again. */
  | { readonly kind: "stopped" };

export interface MoveParts {
  readonly source: MoveSource;
  readonly target: MoveTarget;
  readonly world: World;
  readonly tell: Telling;
  readonly stopped: () => boolean;
  /** How many rows travel at a time. */
  readonly page?: number;
}

/** Throws `StartRefused` where it cannot begin, and `Unavailable` where the target goes away. */
export async function move(parts: MoveParts): Promise<MoveOutcome> {
  const { source, target, world, tell, stopped, page = PAGE } = parts;
  const { occupancy, now } = await target.look();
  const clocks = clocksFault(now, world.clock.now());
  if (clocks !== null) throw new StartRefused(clocks);
  const course = courseOf(source, occupancy);
  if (course.go === "refuse") throw new StartRefused(refusalLine(course.why, source, target.says, occupancy));
  if (course.go === "nothing") return { kind: "already", record: course.record };

  const tables = source.tables.filter(({ name }) => name !== LAST);
  const counts = new Map(tables.map((table) => [table.name, source.count(table)]));
  const id = course.go === "begin" ? await begin(source, target, world) : (source.mark?.move ?? "");
  const cursors = await target.cursors(tables);
  const carried = [...cursors.values()].reduce((sum, { rows }) => sum + rows, 0);
  tell.begins(counts, course.go === "begin" && course.again ? "again" : course.go, carried);

  const way: Way = { id, source, target, page };
  for (const table of tables) {
    const step = (rows: number) =>
      tell.step({ phase: "carry", table: table.name, rows, of: counts.get(table.name) ?? 0 });
    for await (const rows of carry(way, table, cursors.get(table.name) ?? NONE)) {
      step(rows);
      if (stopped()) return { kind: "stopped" };
    }
  }
  const compared: MovedTable[] = [];
  for (const table of tables) {
    if (stopped()) return { kind: "stopped" };
    const step = (rows: number) =>
      tell.step({ phase: "compare", table: table.name, rows, of: counts.get(table.name) ?? 0 });
    const sides = [pagesOf(source, table, page), pagesOf(target, table, page)] as const;
    compared.push({ table: table.name, ...(await compare(table, ...sides, page, step)) });
  }
  if (compared.some(({ differences }) => differences > 0)) return { kind: "differs", tables: compared };
  return { kind: "moved", tables: [...compared, await complete(way, world)] };
}

/** What all parts of one move have in common. */
interface Way {
  readonly id: string;
  readonly source: MoveSource;
  readonly target: MoveTarget;
  readonly page: number;
}

const NONE: Cursor = { rows: 0, after: null };

async function begin(source: MoveSource, target: MoveTarget, { clock, random }: World): Promise<string> {
  const id = random.bytes(16).toString("hex");
  source.setMark({ move: id, target: target.says, at: clock.now(), gone: false });
  const { installation, file, tables, mark } = source;
  // Another program may have begun something there since the look.
  const still = (occupancy: Occupancy) => courseOf({ installation, mark }, occupancy).go === "begin";
  await target.begin({ move: id, installation, source: file }, tables, still);
  return id;
}

/** Yields how many rows of the table are there, after each page. */
async function* carry({ id, source, target, page }: Way, table: Table, from: Cursor): AsyncGenerator<number> {
  let cursor = from;
  for (;;) {
    const rows = source.read(table, cursor.after, page);
    const last = rows.at(-1);
    if (last !== undefined) {
      assertKeepable(table, rows, cursor.rows);
      const next: Cursor = { rows: cursor.rows + rows.length, after: keyOf(table, last) };
      await target.put(id, table, rows, cursor, next);
      cursor = next;
    }
    yield cursor.rows;
    if (rows.length < page) return;
  }
}

function assertKeepable(table: Table, rows: readonly Row[], before: number): void {
  const odd = unkeepable(rows);
  if (odd < 0) return;
  throw new StartRefused(
    `Row ${before + odd + 1} of ${table.name} (by its key) holds a character U+0000, which PostgreSQL cannot keep: change that row, and move then.`,
  );
}

/** First nobody may serve the source, then somebody may serve the target. */
async function complete({ id, source, target }: Way, { clock }: World): Promise<MovedTable> {
  const last = source.tables.find(({ name }) => name === LAST);
  const row = last === undefined ? undefined : source.read(last, null, 1)[0];
  if (last === undefined || row === undefined) throw new Error("the source has no row that makes it an installation");
  source.setMark({ move: id, target: target.says, at: clock.now(), gone: true });
  const stands = await target.finish(id, last, row, source);
  const one = async function* (of: Row): Pages {
    yield [of];
  };
  return { table: LAST, ...(await compare(last, one(row), one(stands), 1, () => {})) };
}
