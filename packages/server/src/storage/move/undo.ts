/**
 * The way back, as long as the target knows nothing that the source does not: first nobody may serve the target, then
 * somebody may serve the source. Broken off in between, it is run again.
 */
import { StartRefused } from "../../prelude/fault.ts";
import { compare } from "./compare.ts";
import { undoRefusalLine, usedLine } from "./lines.ts";
import { PAGE, pagesOf } from "./pages.ts";
import { type Occupancy, undoCourseOf } from "./situation.ts";
import type { MoveSource } from "./source.ts";
import type { MoveTarget } from "./target.ts";

const openedAt = (found: Occupancy): number | null =>
  found.kind === "installation" ? (found.record?.usedAt ?? null) : null;

/** Throws `StartRefused` where there is nothing to undo, or no way back. */
export async function undoMove(source: MoveSource, target: MoveTarget): Promise<void> {
  const { occupancy } = await target.look();
  const course = undoCourseOf(source, occupancy);
  if (course.go === "refuse") throw new StartRefused(undoRefusalLine(course.why, source, target.says, occupancy));
  if (course.compares) {
    const changed = await changedTables(source, target);
    if (changed.length > 0) throw new StartRefused(usedLine(target.says, changed));
  }
  if (course.empties) {
    // What was opened since the look may have been changed since.
    const still = (found: Occupancy): boolean => {
      const now = undoCourseOf(source, found);
      return now.go === "undo" && now.empties && openedAt(found) === openedAt(occupancy);
    };
    await target.empty(source.tables, still);
  }
  source.setMark(null);
}

async function changedTables(source: MoveSource, target: MoveTarget): Promise<readonly string[]> {
  const changed: string[] = [];
  for (const table of source.tables) {
    const sides = [pagesOf(source, table, PAGE), pagesOf(target, table, PAGE)] as const;
    const { differences } = await compare(table, ...sides, PAGE, () => {});
    if (differences > 0) changed.push(table.name);
  }
  return changed;
}
