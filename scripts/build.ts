/**
 * Emits what npm publishes: `dist/` of each package, JavaScript beside its declarations.
 *
 *   src/*.ts ──► tsc, relative imports renamed to .js ──► dist/*.js, dist/*.d.ts     (tests stay behind)
 *   src/* that is no TypeScript ──► copied
 *
 * Packages are built in the order in which they depend on each other, and a package sees the built declarations of the
 * earlier ones, as its users will. `scripts/build.ts verifier client` builds only those.
 */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "..");
const PACKAGES = ["verifier", "client", "server"];

function build(name: string): boolean {
  const folder = join(ROOT, "packages", name);
  const source = join(folder, "src");
  const output = join(folder, "dist");
  rmSync(output, { recursive: true, force: true });
  const done = spawnSync(
    process.execPath,
    [join(ROOT, "node_modules", "typescript", "bin", "tsc"), "-p", configOf(name, source, output)],
    { stdio: ["ignore", 2, 2] },
  );
  if (done.status !== 0) return false;
  cpSync(source, output, {
    recursive: true,
    filter: (path) => statSync(path).isDirectory() || !path.endsWith(".ts"),
  });
  console.error(`built packages/${name}/dist`);
  return true;
}

/** Written outside of the package, so that nothing there looks like a second set of rules. @returns its path */
function configOf(name: string, source: string, output: string): string {
  const folder = join(ROOT, "node_modules", ".cache", "mapae-build");
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${name}.json`);
  const config = {
    extends: join(ROOT, "tsconfig.json"),
    compilerOptions: {
      noEmit: false,
      declaration: true,
      rootDir: source,
      outDir: output,
      // Without the condition `mapae-source`, another package of the workspace is its dist/.
      customConditions: [],
    },
    include: [join(source, "**", "*.ts")],
    exclude: ["*.test.ts", "*.test-support.ts", "contract/*.ts"].map((tests) => join(source, "**", tests)),
  };
  writeFileSync(path, JSON.stringify(config, null, 2));
  return path;
}

const asked = process.argv.slice(2);
for (const name of asked) {
  if (!PACKAGES.includes(name) || !existsSync(join(ROOT, "packages", name))) {
    console.error(`build: there is no package ${name}; there are ${PACKAGES.join(", ")}.`);
    process.exit(2);
  }
}
for (const name of PACKAGES) {
  if (asked.length > 0 && !asked.includes(name)) continue;
  if (build(name)) continue;
  console.error(`build: packages/${name} does not compile; the lines above say where.`);
  process.exit(1);
}
