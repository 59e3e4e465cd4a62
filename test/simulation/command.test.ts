/** `npm run simulate`: what it takes, what it refuses, and how it ends. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { readCommand } from "./command.ts";

const ROOT = new URL("../../", import.meta.url);

function simulate(...words: string[]): { status: number | null; stdout: string; stderr: string } {
  const args = [...process.execArgv, "test/simulation/run.ts", ...words];
  return spawnSync(process.execPath, args, { cwd: ROOT, encoding: "utf8" });
}

test("without arguments it runs two hundred seeds from 1 on, with --minutes as many as fit", () => {
  const usual = { from: 1, threads: null, fault: null, wantsTraces: false };
  assert.deepEqual(readCommand([]), { is: "run", run: { ...usual, seeds: 200, withinMs: Number.POSITIVE_INFINITY } });
  assert.deepEqual(readCommand(["--minutes", "0.5"]), {
    is: "run",
    run: { ...usual, seeds: Number.POSITIVE_INFINITY, withinMs: 30_000 },
  });
  assert.deepEqual(readCommand(["--minutes=1", "--seeds=7", "--from=50"]), {
    is: "run",
    run: { ...usual, seeds: 7, from: 50, withinMs: 60_000 },
  });
});

test("what it cannot do is refused in one line that names the argument", () => {
  for (const [words, why] of [
    [["--seeds", "many"], /--seeds/],
    [["--seeds", "0"], /--seeds/],
    [["--from", "-1"], /--from/],
    [["--minutes", "0"], /--minutes/],
    [["--minutes", "NaN"], /--minutes/],
    [["--threads", "0"], /--threads/],
    [["--threads", "65"], /--threads/],
    [["--fault", "none such"], /no fault "none such"/],
    [["--sedes", "3"], /--sedes/],
    [["53"], /53/],
  ] as const) {
    const command = readCommand(words);
    assert.equal(command.is, "refused", words.join(" "));
    if (command.is === "refused") assert.match(command.why, why);
  }
  const { status, stdout, stderr } = simulate("--seeds", "many");
  assert.deepEqual({ status, stdout }, { status: 2, stdout: "" });
  assert.match(stderr, /^simulate: --seeds must be a whole number from 1 on\n$/);
});

test("--help says what there is, faults included", () => {
  const { status, stdout } = simulate("--help");
  assert.equal(status, 0);
  for (const word of ["--seeds N", "--from SEED", "--minutes M", "lease counted from receipt"]) {
    assert.ok(stdout.includes(word), word);
  }
});

test("a seed in which something is found is printed with its plan, its trace and the command that repeats it", () => {
  const fault = "registry ignores who has disconnected";
  const { status, stdout } = simulate("--seeds", "40", "--fault", fault);
  assert.equal(status, 0, "with a fault, success is to have caught it");
  const seed = /^seed (\d+): /m.exec(stdout)?.[1];
  assert.match(stdout, /\{"seed":\d+,"nodes":/);
  assert.match(stdout, /committed /);
  assert.ok(stdout.includes(`again: npm run simulate -- --seeds 1 --from ${seed} --fault "${fault}"\n`));
  assert.ok(stdout.includes(`"${fault}" was caught by seed `));
});

test("the commands that the documents show are taken", () => {
  let shown = 0;
  for (const document of ["docs/revocation.md", "docs/decisions/0062-simulation.md"]) {
    const text = readFileSync(new URL(document, ROOT), "utf8");
    for (const [, words = ""] of text.matchAll(/^npm run simulate -- (.+)$/gm)) {
      const args = [...words.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? "");
      assert.equal(readCommand(args).is, "run", words);
      shown += 1;
    }
  }
  assert.ok(shown > 2);
});
