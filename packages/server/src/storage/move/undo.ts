/**
 * The way back, as long as nothing has used the target: first nobody may serve the target, then somebody may serve the
 * source. Broken off in between, it is run again.
 */
import { StartRefused } from "../../prelude/fault.ts";
import { undoRefusalLine } from "./lines.ts";
import { undoCourseOf } from "./situation.ts";
import type { MoveSource } from "./source.ts";
import type { MoveTarget } from "./target.ts";

/** Throws `StartRefused` where there is nothing to undo, or no way back. */
export async function undoMove(source: MoveSource, target: MoveTarget): Promise<void> {
  const { occupancy } = await target.look();
  const course = undoCourseOf(source, occupancy);
  if (course.go === "refuse") throw new StartRefused(undoRefusalLine(course.why, source, target.says, occupancy));
  if (course.empties) {
    await target.empty(source.tables, (found) => {
      const still = undoCourseOf(source, found);
      return still.go === "undo" && still.empties;
    });
  }
  source.setMark(null);
}
