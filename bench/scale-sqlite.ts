/**
 * `scale` on SQLite: the driver with its writer's thread, and on the same file, with the same settings, its two statements
 * alone: the row with what it hangs under is read, and the generation is moved on; so many to a commit as are under way.
 */
import { createHash } from "node:crypto";
import { statSync } from "node:fs";
import { systemWorld } from "../packages/server/src/prelude/world.ts";
import { HELD_BY_SECRET } from "../packages/server/src/storage/sql/reads.ts";
import { REPLACE_GRANT } from "../packages/server/src/storage/sql/rows.ts";
import { openWriter } from "../packages/server/src/storage/sqlite/connection.ts";
import { openSqlite } from "../packages/server/src/storage/sqlite/sqlite.ts";
import { CLIENT, type Engine, inTurn, LANES, PER_USER, SESSION_MS, SETTINGS } from "./scale-engines.ts";

/** So many log-ins are made by one statement: what its functions return is let go when it ends, and not before. */
const SLICE = 100_000;

const md5 = (text: string) => createHash("md5").update(text).digest();

export async function openSqliteEngine(folder: string): Promise<Engine> {
  const file = `${folder}/scale.db`;
  const storage = await openSqlite(file, systemWorld);
  const db = openWriter(file);
  db.function("hex_md5", (text) => md5(String(text)).toString("hex"));
  db.function("secret", (index) => md5(String(index)));
  const version = String(db.prepare("SELECT sqlite_version()").all().flat());
  const read = db.prepare(HELD_BY_SECRET);
  const rotate = db.prepare(REPLACE_GRANT);
  return {
    name: `SQLite ${version}`,
    storage,
    secretOf: (index) => md5(String(index)),
    fill: async (from, to) => {
      db.exec("PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF; PRAGMA cache_size = -2097152");
      for (let begin = from; begin < to; begin += SLICE) fillSlice(db, begin, Math.min(to, begin + SLICE));
      db.exec(
        "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -8192; PRAGMA wal_checkpoint(TRUNCATE); ANALYZE",
      );
    },
    bare: async (held, seconds) => {
      const next = inTurn(held);
      let count = 0;
      const start = performance.now();
      while (performance.now() - start < seconds * 1000) {
        db.exec("BEGIN IMMEDIATE");
        for (let index = 0; index < LANES; index += 1) {
          const one = next();
          const now = Date.now();
          if (read.get(one.secretId) === undefined) throw new Error("a log-in that is not there");
          one.generation += 1;
          rotate.run(one.generation, 1, now, null, now, now + SETTINGS.idleMs, one.secretId);
        }
        db.exec("COMMIT");
        count += LANES;
      }
      return { count, seconds: (performance.now() - start) / 1000 };
    },
    cpuSeconds: async () => null,
    bytes: async () => statSync(file).size,
    close: async () => {
      db.close();
      await storage.close();
    },
  };
}

function fillSlice(db: ReturnType<typeof openWriter>, from: number, to: number): void {
  const now = Date.now();
  const numbers = `WITH RECURSIVE n(i) AS (SELECT ${from} UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ${to})`;
  db.exec(`BEGIN IMMEDIATE;
    INSERT OR IGNORE INTO users ${numbers} SELECT 'usr_' || substr(hex_md5('u' || (i / ${PER_USER})), 1, 22),
      'name-' || i, 'name-' || i, NULL, 'active', '[]', ${now}, ${now}, NULL, 1 FROM n WHERE i % ${PER_USER} = 0;
    INSERT INTO sessions ${numbers} SELECT 'ses_' || substr(hex_md5('s' || i), 1, 22),
      'usr_' || substr(hex_md5('u' || (i / ${PER_USER})), 1, 22), '${CLIENT}', 'dev_' || i, 'Chrome on macOS', 'desktop',
      '192.0.2.1', '["pwd"]', ${now}, ${now + SESSION_MS}, NULL, NULL, ${now + SETTINGS.idleMs} FROM n;
    INSERT INTO grants ${numbers} SELECT secret(i), 'gra_' || substr(hex_md5('g' || i), 1, 22),
      'ses_' || substr(hex_md5('s' || i), 1, 22), '${CLIENT}', '["account"]', 1, 'session', 1, 1, ${now}, NULL, ${now},
      ${now + SETTINGS.idleMs}, ${now}, NULL, NULL FROM n;
    COMMIT`);
}
