import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder } from "../processes.ts";
import { killRepeatedly } from "./rounds.ts";

test("killed ten times under load: every acknowledged write is there, and nothing refused lives again", async (t) => {
  const folder = temporaryFolder((task) => t.after(task));
  const counts = await killRepeatedly(join(folder, "mapae.db"), 10);
  for (const kind of ["user", "session", "refreshed", "ended"]) assert((counts.get(kind) ?? 0) > 0);
});
