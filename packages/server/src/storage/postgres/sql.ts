/**
 * The shared SQL as PostgreSQL takes it: numbered places, a name under which a connection keeps it prepared, and the tables
 * that it touches, by which replay.ts knows what an answer depends on.
 */

export interface Prepared {
  readonly name: string;
  readonly text: string;
  readonly tables: ReadonlySet<string>;
  /** Those of them that it changes. */
  readonly changed: ReadonlySet<string>;
  /**
   * It writes what depends on the position in the log, or on the order of the log: carried out only while the counter is
   * held.
   */
  readonly placed: boolean;
  /** It asks of what only the holder of the counter changes. */
  readonly guarded: boolean;
}

/** What is written in the order of the log. */
const PLACED = ["log", "webhook_queue", "status_lists", "status_slots", "signal_head", "signals"];
/** What an entry's transaction looks at: asked again once it holds the counter, since only then nobody else changes it. */
const GUARDED = new Set([...PLACED, "webhooks", "streams", "signing_keys", "state"]);
/** What goes with a row that is deleted. */
const CASCADES: Readonly<Record<string, string>> = {
  sessions: "grants",
  webhooks: "webhook_attempts",
  streams: "stream_exceptions",
  receivers: "received_events",
};
const CHANGED = /\b(?:INTO|UPDATE|DELETE FROM)\s+"?([a-z_]+)/g;
const TABLE = /\b(?:FROM|JOIN|INTO|UPDATE)\s+"?([a-z_]+)/g;

const known = new Map<string, Prepared>();

/** @param sql with `?` where a value is bound; texts in quotes hold none */
export function prepared(sql: string): Prepared {
  const found = known.get(sql);
  if (found !== undefined) return found;
  let place = 0;
  const text = sql.replaceAll("?", () => {
    place += 1;
    return `$${place}`;
  });
  const tables = new Set([...sql.matchAll(TABLE)].map(([, table = ""]) => table));
  const targets = [...sql.matchAll(CHANGED)].map(([, table = ""]) => table);
  const changed = new Set([...targets, ...targets.flatMap((table) => CASCADES[table] ?? [])]);
  const placed = PLACED.some((table) => changed.has(table));
  const made: Prepared = {
    name: `mapae_${known.size}`,
    text,
    tables,
    changed,
    placed,
    guarded: touch(tables, GUARDED),
  };
  known.set(sql, made);
  return made;
}

export function touch(left: ReadonlySet<string>, right: ReadonlySet<string>): boolean {
  for (const table of left) if (right.has(table)) return true;
  return false;
}
