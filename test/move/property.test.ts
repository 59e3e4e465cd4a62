/** Whatever is in a file stands in the database after the move, to the last octet, and numbers go on behind it. */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { systemWorld } from "../../packages/server/src/prelude/world.ts";
import { type MoveOutcome, move, type Telling } from "../../packages/server/src/storage/move/move.ts";
import { MoveSource } from "../../packages/server/src/storage/move/source.ts";
import { MoveTarget } from "../../packages/server/src/storage/move/target.ts";
import { undoMove } from "../../packages/server/src/storage/move/undo.ts";
import { readAddress } from "../../packages/server/src/storage/postgres/address.ts";
import { type Postgres, startPostgres, withoutPostgres } from "../components/postgres.ts";
import { temporaryFolder } from "../processes.ts";
import { fill, randomOf } from "./fill.ts";
import { rowsOfDatabase, rowsOfFile } from "./stage.ts";

const skip = withoutPostgres();
const QUIET = { begins: () => {}, step: () => {} };

let postgres: Postgres;
before(async () => {
  if (skip !== false) return;
  const started = await startPostgres({ settings: { fsync: "off" } });
  assert(started !== null);
  postgres = started;
});
after(async () => postgres?.remove());

async function moved(
  file: string,
  url: string,
  page: number,
  tell: Telling = QUIET,
  stopped = () => false,
): Promise<MoveOutcome> {
  const source = MoveSource.open(file);
  const target = new MoveTarget(readAddress(url, null), 20_000, systemWorld);
  try {
    return await move({ source, target, world: systemWorld, tell, stopped, page });
  } finally {
    await target.close();
    source.close();
  }
}

test("random installations are equal after the move, whatever the page and the database's collation", {
  skip,
  timeout: 180_000,
}, async (t) => {
  const folder = temporaryFolder((task) => t.after(task));
  let made = 0;
  const kinds = ["", "LOCALE_PROVIDER icu ICU_LOCALE 'ko'"];
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0 }),
      fc.integer({ min: 1, max: 40 }),
      fc.constantFrom(...kinds),
      async (seed, page, kind) => {
        made += 1;
        const file = join(folder, `${made}`, "mapae.db");
        const random = randomOf(seed);
        fill(file, seed, () => Math.floor(random() * 60));
        const name = `random_${made}`;
        await postgres.query(`CREATE DATABASE ${name} TEMPLATE template0 ENCODING 'UTF8' ${kind}`);
        const outcome = await moved(file, postgres.url(name), page);
        assert.equal(outcome.kind, "moved");
        const rows = rowsOfFile(file);
        assert.deepEqual(await rowsOfDatabase(postgres.url(name)), rows);
        // The next number is behind the last that was ever given.
        const [next] = await postgres.query<{ next: string }>(
          "SELECT nextval(pg_get_serial_sequence('audit', 'id')) AS next",
          postgres.url(name),
        );
        const source = MoveSource.look(file);
        assert.equal(Number(next?.next), source.lastNumber("audit") + 1);
        source.close();
        await postgres.query(`DROP DATABASE ${name}`);
        rmSync(join(folder, `${made}`), { recursive: true });
      },
    ),
    { numRuns: 8 },
  );
});

test("numbers of rows that are gone are not given again", { skip }, async (t) => {
  const file = join(
    temporaryFolder((task) => t.after(task)),
    "mapae.db",
  );
  fill(file, 1, () => 0);
  const { openWriter } = await import("../../packages/server/src/storage/sqlite/connection.ts");
  const db = openWriter(file);
  db.exec(
    "INSERT INTO audit (id, at, name, cause, detail) VALUES (41, 1, 'user.created', '{}', '{}'); DELETE FROM audit",
  );
  db.close();
  const url = await postgres.database();
  assert.equal((await moved(file, url, 10)).kind, "moved");
  const [row] = await postgres.query<{ id: string }>(
    "INSERT INTO audit (at, name, cause, detail) VALUES (1, 'user.created', '{}', '{}') RETURNING id",
    url,
  );
  assert.equal(Number(row?.id), 42);
});

test("rows that are not the same at the end are named, and the file is not given up", { skip }, async (t) => {
  const file = join(
    temporaryFolder((task) => t.after(task)),
    "mapae.db",
  );
  fill(file, 2, () => 5);
  const url = await postgres.database();
  let compares = false;
  const step = ({ table }: { readonly table: string }) => {
    compares ||= table === "webhook_attempts";
  };
  const first = await moved(file, url, 10, { begins: () => {}, step }, () => compares);
  assert.equal(first.kind, "stopped");
  await postgres.query("UPDATE users SET name = 'changed' WHERE id = (SELECT min(id) FROM users)", url);
  await postgres.query("DELETE FROM audit WHERE id = (SELECT max(id) FROM audit)", url);
  await postgres.query("INSERT INTO data_keys VALUES (999999, 'p', '', 'w', 1)", url);
  const outcome = await moved(file, url, 10);
  assert(outcome.kind === "differs");
  const found = outcome.tables.filter(({ differences }) => differences > 0);
  assert.deepEqual(
    found.map(({ table, differences, examples }) => [table, differences, examples[0]?.kind, examples[0]?.column]),
    [
      ["audit", 1, "missing", null],
      ["data_keys", 1, "surplus", null],
      ["users", 1, "differs", "name"],
    ],
  );
  for (const { source, target } of found) assert.notEqual(source, target);
  const source = MoveSource.open(file);
  assert.equal(source.mark?.gone, false);
  const target = new MoveTarget(readAddress(url, null), 20_000, systemWorld);
  await undoMove(source, target);
  await target.close();
  source.close();
  assert.equal((await moved(file, url, 10)).kind, "moved");
});
