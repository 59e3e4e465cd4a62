/** The documentation is run: what it tells a reader to type works, and answers what it says. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { withoutPostgres } from "../components/postgres.ts";
import { ROOT, temporaryFolder } from "../processes.ts";
import { documentPaths, readDocument } from "./document.ts";
import { jsonDifference, textDifference } from "./match.ts";
import { play, replaced } from "./play.ts";

const documents = documentPaths().map(readDocument);
const KNOWN = /^(run|output|check|shown|file=[\w.-]+)$/;
const PROGRAMS = ["sh", "ts", "js"];

test("every block of code says what a test does with it", () => {
  for (const { path, blocks } of documents) {
    for (const { language, does, line } of blocks) {
      const fine = PROGRAMS.includes(language) ? KNOWN.test(does) : does === "" || KNOWN.test(does);
      assert.ok(fine, `${path}:${line}: \`\`\`${language} ${does}`);
    }
  }
});

test("every command that a document runs has a scene to run in", () => {
  for (const { path, blocks, scenes } of documents) {
    const staged = new Set(scenes.flatMap((scene) => scene.blocks));
    for (const block of blocks) {
      assert.ok(block.does !== "run" || staged.has(block), `${path}:${block.line} runs outside a scene`);
    }
  }
});

for (const { path, scenes } of documents) {
  if (scenes.length === 0) continue;
  test(`what ${path} tells to type answers what it shows`, async (t) => {
    for (const scene of scenes) {
      if (scene.postgres && withoutPostgres() !== false) continue;
      const folder = temporaryFolder((task) => t.after(task));
      assert.deepEqual(await play(scene, folder), []);
    }
  });
}

test("the TypeScript of the documents compiles", (t) => {
  const folder = temporaryFolder((task) => t.after(task));
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"), "dir");
  const options = { noUnusedLocals: false, noUnusedParameters: false };
  const config = { extends: join(ROOT, "tsconfig.json"), compilerOptions: options, include: ["**/*.ts"], exclude: [] };
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));
  let count = 0;
  for (const { path, blocks } of documents) {
    const place = join(folder, path.replace(/\.md$/, "").replaceAll("/", "-"));
    for (const { language, does, text, line } of blocks) {
      if (language !== "ts" || does === "shown") continue;
      mkdirSync(place, { recursive: true });
      writeFileSync(join(place, `line-${line}.ts`), `${text}\nexport {};\n`);
      count += 1;
    }
  }
  assert.ok(count > 0);
  const tsc = join(ROOT, "node_modules/typescript/bin/tsc");
  const done = spawnSync(process.execPath, [tsc, "--noEmit", "-p", folder], { encoding: "utf8" });
  assert.equal(done.stdout, "");
});

test("the ports of a scene are put in one by one, also where the one begins like another", () => {
  const ports = [
    ["localhost:4000", "localhost:42001"],
    ["localhost:4200", "localhost:50000"],
    ["localhost:4001", "localhost:40012"],
  ] as const;
  const text = "localhost:4000/a localhost:4200/b localhost:4001/c localhost:40012";
  const real = "localhost:42001/a localhost:50000/b localhost:40012/c localhost:40012";
  assert.equal(replaced(text, ports), real);
});

test("the comparison sees what differs, and `…` stands for what varies", () => {
  assert.equal(textDifference("a …\n…\nz", "a 1\nb\nc\nz\n"), null);
  assert.equal(textDifference("a\n…", "a\nb\nc"), null);
  assert.match(textDifference("a\nb", "a\nc") ?? "", /has the line: c/);
  assert.match(textDifference("a", "a\nb") ?? "", /goes on/);
  assert.match(textDifference("a\nb", "a") ?? "", /ends before/);
  assert.equal(jsonDifference({ id: "usr_…", n: 1, any: "…" }, { n: 1, any: [2], id: "usr_x" }), null);
  assert.match(jsonDifference({ id: "usr_…" }, { id: "ses_x" }) ?? "", /\/id is/);
  assert.match(jsonDifference({ list: [1] }, { list: [1, 2] }) ?? "", /\/list\/1 is there/);
  assert.match(jsonDifference({ a: 1, b: 2 }, { a: 1 }) ?? "", /\/b is missing/);
});
