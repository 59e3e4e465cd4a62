import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { killRepeatedly } from "../../crash/rounds.ts";
import { temporaryFolder } from "../../processes.ts";

test("killed 200 times under load: every acknowledged write is there, and nothing refused lives again", async (t) => {
  const folder = temporaryFolder((task) => t.after(task));
  const counts = await killRepeatedly(join(folder, "mapae.db"), 200);
  t.diagnostic(`acknowledged and checked: ${JSON.stringify(Object.fromEntries(counts))}`);
  for (const kind of ["user", "session", "refreshed", "ended"]) assert((counts.get(kind) ?? 0) > 1000);
});
