/**
 * The plain refresh as one statement in one round trip: the presented generation is the current one and nothing has ended
 * or run out. The rule (grants/refresh-rule.ts) says what that means and what all else means; what this statement does not
 * take goes the whole way, as a step. A property test holds it to the step.
 *
 * It decides by the row that it changes: where another transaction changed it first, PostgreSQL looks at the condition
 * again on the row as it is then, and no row comes back. The position for `rsq` is of the statement's snapshot or before.
 */
import type { PresentedRefresh, RefreshSettings } from "../../grants/refresh-rule.ts";
import type { UseOutcome } from "../../grants/store.ts";
import { OPEN_MS } from "../../status/slot.ts";
import { integer, type Row } from "../sql/columns.ts";
import { GRANT, grantOf, SEEN, SESSION, sessionOf, USER, userOf } from "../sql/tables.ts";
import type { Bound } from "./replay.ts";
import { prepared } from "./sql.ts";

/** Unix milliseconds: when the statement arrived, or what is given. */
const NOW = "coalesce(CAST(? AS bigint), CAST(extract(epoch FROM statement_timestamp()) * 1000 AS bigint))";

/** The grant's newest slot that is not invalid: see `slotFor` in slots.ts. */
const slot = (what: string) => `(SELECT ${what} FROM status_slots o JOIN status_lists l ON l.id = o.list
  WHERE o."grant" = g.id AND o.epoch IS NULL ORDER BY o.list DESC, o.idx DESC LIMIT 1)`;
/** As `takesTokens` (status/slot.ts). */
const TAKES = `CASE WHEN l.void = 0 AND l.epoch = x.epoch AND abs(t.now - l.opened_at) < ${OPEN_MS} THEN 1 ELSE 0 END`;

/**
 * Some conditions are written so that no index answers them: the one way to plan this is from the grant's key to the session
 * and the user. A database without statistics yet would otherwise look through every grant of a client.
 */
const rotation = (condition: string, slots: string) =>
  prepared(`
  UPDATE grants g SET generation = g.generation + 1, mac_key = ?, rotated_at = t.now, proof = ?, used_at = t.now,
    idle_expires_at = t.now + t.idle
  FROM (SELECT ${NOW} AS now, CAST(? AS bigint) AS idle) t, state x, sessions s, users u
  WHERE g.secret_id = ? AND g.generation = ? AND (g.client = ?) IS TRUE AND g.rotates = 1 AND coalesce(g.ended_at, 0) = 0
    AND t.now < g.idle_expires_at AND t.now >= g.used_at AND t.now + t.idle >= g.idle_expires_at
    AND s.id = g.session AND coalesce(s.ended_at, 0) = 0 AND t.now < s.expires_at
    AND u.id = (s."user" || '') AND u.state = 'active' ${condition}
  RETURNING x.epoch, x.seq, ${slots}, ${GRANT.of("g")}, ${SESSION.of("s")}, ${SEEN}, ${USER.of("u")}`);
const ROTATE = rotation("", "NULL, NULL");
const ROTATE_LISTED = rotation(`AND ${slot(TAKES)} = 1`, `${slot("o.list")}, ${slot("o.idx")}`);
const HEAD = 4;

/** `null`: not the plain case, or no refresh at all. @param now Unix milliseconds in the place of the database's */
export function plainRefresh(presented: PresentedRefresh, settings: RefreshSettings, now: number | null): Bound | null {
  // A role is looked for in a list, which is not for SQL.
  if (presented.requiredRole !== null) return null;
  const { secretId, generation, client, proof, macKey, listSeed } = presented;
  const statement = listSeed === null ? ROTATE : ROTATE_LISTED;
  return { statement, values: [macKey, proof, now, settings.idleMs, secretId, generation, client] };
}

export function plainOutcome(row: Row): UseOutcome {
  const grant = grantOf(row, HEAD);
  const session = sessionOf(row, HEAD + GRANT.count);
  const user = userOf(row, HEAD + GRANT.count + SESSION.count + 2);
  // The session's other grants as they were; this one as it is.
  const seen = {
    ...session,
    lastSeenAt: Math.max(session.lastSeenAt, grant.usedAt),
    idleExpiresAt: Math.max(session.idleExpiresAt, grant.idleExpiresAt),
  };
  const position = { epoch: integer(row, 0), seq: integer(row, 1) };
  const slotOf = row[2] === null ? null : { list: integer(row, 2), idx: integer(row, 3) };
  return { allow: true, how: "rotated", standing: { grant, session: seen, user, position, slot: slotOf } };
}
