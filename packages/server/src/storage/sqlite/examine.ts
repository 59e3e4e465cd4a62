/**
 * Looks at a database file without changing it, for `mapae doctor`: beside a running server too, since a reader is in
 * nobody's way. Everything that a start would refuse is told as a finding instead.
 */
import { existsSync, statSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import type { SigningKeyRecord } from "../../keys/signing-key.ts";
import type { WrappedKey } from "../../vault/store.ts";
import { integer, type Row } from "../sql/columns.ts";
import { openReader } from "./connection.ts";
import { startRefusedBy } from "./faults.ts";
import { type MoveMark, readMark } from "./moved.ts";
import { assertOurs, faultsOf } from "./prepare.ts";
import { MIGRATIONS } from "./schema.ts";
import { SqliteReads } from "./statements.ts";

export interface Examination {
  /** Bytes of the file, and of what has not been folded back into it. */
  readonly bytes: number;
  readonly walBytes: number;
  /** How many migrations the file has, and how many this program knows. */
  readonly schema: number;
  readonly known: number;
  /** What is wrong with its structure, in SQLite's words; empty where nothing is. Every page and index was read. */
  readonly faults: readonly string[];
  /** Where the installation is moving to, or has gone; `null` where it is here, or the schema too old to say so. */
  readonly moved: MoveMark | null;
  /** `null` where an older schema has to be migrated before its rows can be read. */
  readonly rows: {
    readonly dataKeys: readonly WrappedKey[];
    readonly signingKeys: readonly SigningKeyRecord[];
    /** Of the newest audit event: Unix milliseconds. */
    readonly newestEventAt: number | null;
  } | null;
}

/** Throws `StartRefused` for a file that is no database of ours, or from a newer program. */
export function examineSqlite(file: string): Examination {
  let db: DatabaseSync | undefined;
  try {
    db = openReader(file);
    assertOurs(db, file);
    const schema = integer(db.prepare("PRAGMA user_version").get() as unknown as Row, 0);
    const faults = faultsOf(db, true);
    const wal = `${file}-wal`;
    const readable = schema === MIGRATIONS.length && faults.length === 0;
    return {
      bytes: statSync(file).size,
      walBytes: existsSync(wal) ? statSync(wal).size : 0,
      schema,
      known: MIGRATIONS.length,
      faults,
      moved: readable ? readMark(db) : null,
      rows: readable ? rowsOf(new SqliteReads(db)) : null,
    };
  } catch (error) {
    throw startRefusedBy(error, file);
  } finally {
    db?.close();
  }
}

function rowsOf(reads: SqliteReads): NonNullable<Examination["rows"]> {
  return {
    dataKeys: reads.dataKeys(),
    signingKeys: reads.keySet().keys,
    newestEventAt: reads.events({}, null, 1)[0]?.at ?? null,
  };
}
