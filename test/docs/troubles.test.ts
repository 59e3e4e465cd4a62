/** The list of troubles in docs/revocation.md: each is played by tests that are there, under the names that it says. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ROOT } from "../processes.ts";
import { readDocument } from "./document.ts";

function rows(): readonly (readonly [trouble: string, played: string])[] {
  const { text } = readDocument("docs/revocation.md");
  const [, table = ""] = text.split("<!-- troubles -->");
  return [...table.matchAll(/^\| ([^|]+) \| ([^|]+) \|$/gm)]
    .slice(2)
    .map(([, trouble = "", played = ""]) => [trouble, played]);
}

test("every trouble is played by a test that is there", () => {
  const all = rows();
  assert.ok(all.length > 30);
  for (const [trouble, played] of all) {
    const tests = [...played.matchAll(/`([\w./-]+\.ts)` "([^"]+)"/g)];
    for (const [, path = "", title = ""] of tests) {
      const file = join(ROOT, path);
      assert.ok(existsSync(file), `${trouble}: ${path} is not there`);
      assert.ok(readFileSync(file, "utf8").includes(title), `${trouble}: ${path} has no "${title}"`);
    }
    assert.ok(tests.length > 0, trouble);
  }
});
