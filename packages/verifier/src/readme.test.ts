/** The README is part of the contract: its lists are complete, and its examples run. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";
import { ALGORITHMS } from "./jose/algorithms.ts";
import { OPTION_NAMES } from "./options.ts";
import { REFUSALS } from "./refusals.ts";
import { UNDECIDED } from "./verdict.ts";

const PACKAGE = join(import.meta.dirname, "..");
const README = readFileSync(join(PACKAGE, "README.md"), "utf8");

/** The names in the first column of the rows of a section's tables. */
function rowsOf(heading: string): string[] {
  const section = README.split(/^#{2,3} /m).find((text) => text.startsWith(`${heading}\n`)) ?? "";
  return [...section.matchAll(/^\| `(\w+)` \|(?! \|)/gm)].map(([, name = ""]) => name);
}

describe("the README", () => {
  test("lists every refusal code, and no other", () => {
    assert.deepEqual(rowsOf("Refusal codes"), [...Object.keys(REFUSALS), ...Object.keys(UNDECIDED)]);
  });

  test("lists every option, and no other", () => {
    assert.deepEqual(rowsOf("Options"), [...OPTION_NAMES]);
  });

  test("names every algorithm", () => {
    const [line = ""] = /^Algorithms: .*$/m.exec(README) ?? [];
    assert.deepEqual(line.match(/[A-Z][\w-]*\d[\w-]*|EdDSA/g), Object.keys(ALGORITHMS));
  });

  const cache = join(PACKAGE, ".cache");
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, "readme-"));
  after(() => rmSync(folder, { recursive: true }));
  const blocks = [...README.matchAll(/^```ts\n([\s\S]*?)^```/gm)];
  for (const [index, [, code = ""]] of blocks.entries()) {
    test(`example ${index + 1} of ${blocks.length} runs, and what it asserts holds`, () => {
      const path = join(folder, `example-${index}.ts`);
      writeFileSync(path, code);
      const { status, stderr } = spawnSync(process.execPath, [...process.execArgv, "--conditions=mapae-source", path], {
        encoding: "utf8",
      });
      assert.equal(stderr.includes("Assertion failed"), false, stderr);
      assert.equal(status, 0, stderr);
    });
  }
});
