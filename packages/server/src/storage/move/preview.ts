/** What a move would do, found out without changing anything on either side; beside a running server too. */
import { clocksFault, refusalLine } from "./lines.ts";
import { type Course, courseOf } from "./situation.ts";
import type { MoveSource } from "./source.ts";
import type { MoveTarget } from "./target.ts";

export interface Preview {
  /** Rows of every table. */
  readonly tables: ReadonlyMap<string, number>;
  readonly course: Course;
  /** Why it would not begin; `null` where it would. */
  readonly refusal: string | null;
}

/** Throws `StartRefused` where either side cannot be looked at, or the target would not take the tables. */
export async function previewMove(source: MoveSource, target: MoveTarget, now: () => number): Promise<Preview> {
  const tables = new Map(source.tables.map((table) => [table.name, source.count(table)]));
  const { occupancy, now: there } = await target.look();
  const course = courseOf(source, occupancy);
  if (course.go === "begin") await target.attempt(source.tables);
  const refused = course.go === "refuse" ? refusalLine(course.why, source, target.says, occupancy) : null;
  return { tables, course, refusal: refused ?? clocksFault(there, now()) };
}
