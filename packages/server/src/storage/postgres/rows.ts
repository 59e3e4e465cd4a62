/** The shared rows, and where PostgreSQL is asked in its own words: to pass over what another node works on. */
import type { Session } from "../../sessions/session.ts";
import { SqlRows } from "../sql/rows.ts";
import { SEEN, SESSION, sessionOf } from "../sql/tables.ts";

export class PostgresRows extends SqlRows {
  override dueSessions(now: number, limit: number): readonly Session[] {
    return this.engine.all(
      `SELECT ${SESSION.of("s")}, ${SEEN} FROM sessions s
       WHERE s.ended_at IS NULL AND s.due_at <= ? ORDER BY s.due_at LIMIT ? FOR NO KEY UPDATE OF s SKIP LOCKED`,
      sessionOf,
      now,
      limit,
    );
  }

  override removeSessions(endedBefore: number, limit: number): number {
    return this.engine.changes(
      `DELETE FROM sessions WHERE id IN (
         SELECT id FROM sessions WHERE ended_at IS NOT NULL AND ended_at < ? ORDER BY ended_at LIMIT ?
         FOR UPDATE SKIP LOCKED)`,
      endedBefore,
      limit,
    );
  }
}
