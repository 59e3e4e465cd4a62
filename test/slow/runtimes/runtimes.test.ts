/**
 * The built libraries on the runtimes that they promise: Node 20, 22, 24, the pinned one, and Chromium. The further Nodes
 * come from npm, some 200 MB each, into a cache; where they or a browser cannot be had, that is said aloud, and in CI it
 * is a failure.
 */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, type TestContext, test } from "node:test";
import { chromium } from "playwright-core";
import { type Host, startHost } from "./host.ts";

const ROOT = join(import.meta.dirname, "..", "..", "..");
const CACHE = join(ROOT, "node_modules", ".cache", "mapae-runtimes");
const MAJORS = [20, 22, 24];
const CHROMIUM = "/usr/bin/chromium";
const CHROMIUM_FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

interface StepResult {
  readonly step: string;
  readonly failure: string | null;
  readonly says: string;
}

/** Skips with one loud line; in CI a component that is missing is a failure. */
function without(context: TestContext, what: string): void {
  if (process.env.CI) assert.fail(`${what}, which CI must have`);
  console.error(`\n!! ${what}: the built libraries were NOT tested there\n`);
  context.skip(what);
}

function binaryOf(major: number): string {
  return join(CACHE, "node_modules", `node-${major}`, "bin", "node");
}

/** Installs the further Nodes by their npm packages. @returns why that failed, or null */
async function installNodes(): Promise<string | null> {
  if (MAJORS.every((major) => existsSync(binaryOf(major)))) return null;
  await mkdir(CACHE, { recursive: true });
  const aliases = MAJORS.map((major) => `node-${major}@npm:node-${process.platform}-${process.arch}@${major}`);
  const args = ["install", "--prefix", CACHE, "--no-audit", "--no-fund", "--loglevel=error", ...aliases];
  const done = spawnSync("npm", args, { encoding: "utf8", stdio: ["ignore", "ignore", "pipe"], cwd: CACHE });
  return done.status === 0 ? null : `npm could not install them (${done.stderr.trim().split("\n")[0] ?? ""})`;
}

function assertPassed(results: readonly StepResult[]): void {
  assert.deepEqual(
    results.filter(({ failure }) => failure !== null),
    [],
  );
  assert.equal(results.length, 10);
}

async function runOnNode(binary: string, base: string): Promise<readonly StepResult[]> {
  // Without the condition of the sources: what is tested is what npm publishes.
  const { NODE_OPTIONS: _, ...env } = process.env;
  const child = spawn(binary, [join(import.meta.dirname, "node.mjs"), base], {
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (chunk) => {
    output += chunk;
  });
  const status = await new Promise((resolve) => child.on("close", resolve));
  assert.equal(status, 0, `${binary} ended with ${String(status)}`);
  return JSON.parse(output);
}

describe("the built libraries", () => {
  let host: Host;
  let missingNodes: string | null = null;
  before(async () => {
    const built = spawnSync(process.execPath, [join(ROOT, "scripts", "build.ts"), "verifier", "client"], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    assert.equal(built.status, 0, "scripts/build.ts failed");
    host = await startHost();
    missingNodes = await installNodes();
  });
  after(() => host.close());

  test("have declarations that a user's compiler reads, with its own rules and without ours", () => {
    const folder = join(ROOT, "node_modules", ".cache", "mapae-build");
    const path = join(folder, "user.json");
    const compilerOptions = {
      target: "es2022",
      lib: ["es2022", "dom"],
      module: "nodenext",
      strict: true,
      exactOptionalPropertyTypes: true,
      noEmit: true,
      skipLibCheck: false,
      types: ["node"],
    };
    writeFileSync(path, JSON.stringify({ compilerOptions, files: [join(import.meta.dirname, "user.mts")] }));
    const tsc = join(ROOT, "node_modules", "typescript", "bin", "tsc");
    const checked = spawnSync(process.execPath, [tsc, "-p", path], { encoding: "utf8" });
    assert.deepEqual(
      checked.stdout.split("\n").filter((line) => line.includes("user.mts") || line.includes("packages/")),
      [],
    );
  });

  test("work on the pinned Node", async () => {
    assertPassed(await runOnNode(process.execPath, host.base));
  });

  for (const major of MAJORS) {
    test(`work on Node ${major}, with the verdicts of the pinned one`, async (context) => {
      if (missingNodes !== null) return without(context, `Node ${major}: ${missingNodes}`);
      assertPassed(await runOnNode(binaryOf(major), host.base));
    });
  }

  test("work in Chromium, over WebCrypto, with the verdicts of the pinned Node", async (context) => {
    if (!existsSync(CHROMIUM)) return without(context, `Chromium is not installed at ${CHROMIUM}`);
    const browser = await chromium.launch({ executablePath: CHROMIUM, args: CHROMIUM_FLAGS });
    try {
      const page = await browser.newPage();
      await page.goto(`${host.base}/`);
      const results = await page.evaluate(async (base) => {
        const path = "/suite/suite.mjs";
        const suite: { run(base: string): Promise<StepResult[]> } = await import(path);
        return suite.run(base);
      }, host.base);
      assertPassed(results);
    } finally {
      await browser.close();
    }
  });
});
