/** MAP.md leads somewhere: every path that it names is there. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ROOT } from "../processes.ts";
import { readDocument } from "./document.ts";

const PATH = /^[\w.@/-]+(?:\/|\.(?:ts|mjs|md))$/;

test("every path that MAP.md and CONTRIBUTING.md name exists", () => {
  let paths = 0;
  for (const document of ["MAP.md", "CONTRIBUTING.md"]) {
    for (const [, name = ""] of readDocument(document).text.matchAll(/`([^`\n]+)`/g)) {
      if (!PATH.test(name) || name === "store.ts" || name === "name.test.ts" || name === "dist/") continue;
      const there = ["", "packages/server/src"].some((folder) => existsSync(join(ROOT, folder, name)));
      assert.ok(there, `${document} names ${name}`);
      paths += 1;
    }
  }
  assert.ok(paths > 60);
});

test("a log-in is followed through fewer than ten files", () => {
  const text = readDocument("MAP.md").text;
  const journey = text.slice(text.indexOf("## A log-in"), text.indexOf("What surrounds every request"));
  const files = new Set([...journey.matchAll(/`([\w./-]+\.ts)`/g)].map(([, name]) => name));
  assert.ok(files.size > 0);
  const steps = journey.match(/^\d\. `/gm) ?? [];
  assert.ok(steps.length + 1 < 10, `${steps.length} steps`);
});
