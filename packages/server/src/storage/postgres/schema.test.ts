/** The tables that both engines have are the same: whoever adds one to the embedded database adds it here. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { startPostgres, withoutPostgres } from "../../../../../test/components/postgres.ts";
import { systemWorld } from "../../prelude/world.ts";
import { ONLY_EMBEDDED, ONLY_SERVED } from "../move/tables.ts";
import { openReader } from "../sqlite/connection.ts";
import { prepare } from "../sqlite/prepare.ts";
import { openPostgres } from "./postgres.ts";

test("PostgreSQL has every table and column of the embedded database", { skip: withoutPostgres() }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "mapae-schema-"));
  after(() => rmSync(folder, { recursive: true }));
  prepare(join(folder, "mapae.db"), 1000);
  const db = openReader(join(folder, "mapae.db"));
  const found = db
    .prepare(
      `SELECT t.name || '.' || c.name FROM sqlite_schema t, pragma_table_info(t.name) c
       WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'`,
    )
    .all() as unknown as readonly [string][];
  const embedded = found.map(([name]) => name).filter((name) => !ONLY_EMBEDDED.includes(name.split(".")[0] ?? ""));
  db.close();
  const postgres = await startPostgres({ settings: { fsync: "off" } });
  assert.ok(postgres !== null);
  after(() => postgres.remove());
  const url = await postgres.database();
  const store = await openPostgres({ url, password: null, connections: 3, timeoutMs: 20_000 }, systemWorld);
  await store.close();
  const served = await postgres.query<{ name: string }>(
    `SELECT table_name || '.' || column_name AS name FROM information_schema.columns
     WHERE table_schema = 'public' AND table_name NOT IN (${ONLY_SERVED.map((table) => `'${table}'`).join(", ")})`,
    url,
  );
  assert.deepEqual(served.map(({ name }) => name).sort(), embedded.sort());
});
