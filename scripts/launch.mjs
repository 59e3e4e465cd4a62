/**
 * The one way into this repository: `npm start`, `npm test`, `npm run bench`, `npm run mapae`, … all come through here.
 *
 *   any Node >= 20  ──►  install what the lockfile names, if it changed  ──►  hand over to the pinned Node
 *
 * `start` and `example` are called with `exec`: npm sends a signal to its shell, which would end and leave the server
 * behind. Windows' shell knows no exec and takes what stands after the `||`.
 *
 * It lives inside the scripts, not in `pre` scripts, because those can be switched off (`ignore-scripts`). It speaks on
 * stderr only, so that what a command prints on stdout can be piped. Plain JavaScript: it must run before anything is there.
 */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const modules = join(root, "node_modules");
const FLAGS = ["--conditions=mapae-source", "--disable-warning=ExperimentalWarning"];
const TESTS = [
  "packages/*/src/**/*.test.ts",
  "apps/*/src/**/*.test.ts",
  "bench/**/*.test.ts",
  "test/*.test.ts",
  "test/!(slow)/**/*.test.ts",
];

/** Many wait for other programs most of the time: two at once on two cores too, where Node would run one. */
const TEST_FILES_AT_ONCE = Math.max(2, availableParallelism() - 1);

/** What each script runs, one program after the other, on the pinned runtime. The last one takes the arguments. */
const TASKS = {
  start: [["packages/server/src/bin.ts", "serve"]],
  mapae: [["packages/server/src/bin.ts"]],
  bench: [["bench/run.ts"]],
  simulate: [["test/simulation/run.ts"]],
  lab: [["apps/lab/src/main.ts"]],
  example: [["examples/two-servers/api.ts"]],
  docs: [["scripts/reference.ts"]],
  build: [["scripts/build.ts"]],
  check: [
    ["node_modules/typescript/bin/tsc", "--noEmit"],
    ["node_modules/@biomejs/biome/bin/biome", "check", "--error-on-warnings"],
  ],
  test: [
    ["node_modules/typescript/bin/tsc", "--noEmit"],
    ["node_modules/@biomejs/biome/bin/biome", "check", "--error-on-warnings"],
    [
      "--test",
      `--test-concurrency=${TEST_FILES_AT_ONCE}`,
      "--test-reporter=dot",
      "--test-reporter-destination=stderr",
      "--test-reporter=./scripts/summary.ts",
      "--test-reporter-destination=stdout",
      ...TESTS,
    ],
  ],
};

function say(line) {
  process.stderr.write(`${line}\n`);
}

function fail(line) {
  say(`mapae: ${line}`);
  process.exit(1);
}

function install() {
  const lock = createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");
  const stamp = join(modules, ".cache", "mapae-lockfile");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === lock) return;
  say("mapae: installing what package-lock.json names (only when it changes)");
  const args = ["ci", "--no-audit", "--no-fund", "--loglevel=error", "--prefer-offline"];
  const npm = process.env.npm_execpath;
  const done = npm
    ? spawnSync(process.execPath, [npm, ...args], { cwd: root, stdio: ["ignore", 2, 2] })
    : spawnSync("npm", args, { cwd: root, stdio: ["ignore", 2, 2], shell: process.platform === "win32" });
  if (done.status !== 0) fail("the installation failed; the lines above say why. Nothing was started.");
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, lock);
}

/** The pinned runtime's binary, or the Node that runs this file where it is new enough and no pinned one exists for the platform. */
function runtime() {
  const windows = process.platform === "win32";
  const name = `node-${process.platform === "win32" ? "win" : process.platform}-${process.arch}`;
  for (const pack of [name, `node-bin-${process.platform}-${process.arch}`]) {
    const binary = join(modules, pack, "bin", windows ? "node.exe" : "node");
    if (!existsSync(binary)) continue;
    const probe = spawnSync(binary, ["--version"], { encoding: "utf8" });
    if (probe.status === 0) return binary;
    fail(
      `the pinned Node at node_modules/${pack} does not run on this machine (${probe.error?.message ?? probe.stderr}).`,
    );
  }
  const major = Number(process.versions.node.split(".")[0]);
  if (major >= 24) {
    say(`mapae: no pinned Node for ${process.platform}-${process.arch}; using Node ${process.versions.node}`);
    return process.execPath;
  }
  return fail(
    `the pinned Node did not arrive: npm left out the optional package ${name}. Run npm ci without --omit=optional, or use Node 24 or later.`,
  );
}

function environment() {
  const env = { ...process.env };
  env.NODE_COMPILE_CACHE ??= join(modules, ".cache", "compile");
  return env;
}

/** Runs one program; signals reach it and its exit code is ours. */
function run(node, args, env) {
  return new Promise((resolve) => {
    const child = spawn(node, args, { cwd: process.env.INIT_CWD ?? root, stdio: "inherit", env });
    const forward = (signal) => child.kill(signal);
    const signals = ["SIGTERM", "SIGINT", "SIGHUP"];
    for (const signal of signals) process.on(signal, forward);
    child.on("error", (error) => fail(error.message));
    child.on("exit", (code, signal) => {
      for (const name of signals) process.off(name, forward);
      resolve(code ?? (signal === "SIGINT" ? 130 : 143));
    });
  });
}

const [task, ...rest] = process.argv.slice(2);
const programs = TASKS[task];
if (programs === undefined) fail(`no such script: ${task ?? "(none)"}. There are: ${Object.keys(TASKS).join(", ")}.`);
install();
const node = runtime();
const env = environment();
const fromRoot = (argument) =>
  /^(node_modules|packages|apps|bench|examples|scripts|test)\//.test(argument) && !argument.includes("*")
    ? join(root, argument)
    : argument;
// Tests, checks and builds speak of the repository; what serves speaks of the folder it was called in.
if (!["mapae", "start", "example"].includes(task)) process.env.INIT_CWD = root;
for (const [index, program] of programs.entries()) {
  const last = index === programs.length - 1;
  const args = [...FLAGS, ...program.map(fromRoot), ...(last ? rest : [])];
  if (last && process.execve && process.platform !== "win32") {
    process.chdir(process.env.INIT_CWD ?? root);
    process.execve(node, [node, ...args], env);
  }
  const code = await run(node, args, env);
  if (code !== 0) process.exit(code);
}
