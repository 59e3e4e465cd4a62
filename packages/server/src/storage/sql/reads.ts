/**
 * Reading a SQL database, in the words that the engines have in common. Every question is one statement, so its answer
 * comes from one snapshot.
 */
import type { AuditEvent } from "../../audit/event.ts";
import type { AuditFilter } from "../../audit/store.ts";
import type { Client } from "../../clients/client.ts";
import type { Instance } from "../../feed/registry.ts";
import type { SigningKeyRecord } from "../../keys/signing-key.ts";
import { asId, type ClientId, type GrantId, type SessionId, type UserId } from "../../prelude/ids.ts";
import type { Position, RevocationEntry, RevocationKind } from "../../revocation/entry.ts";
import type { Session } from "../../sessions/session.ts";
import type { SessionFilter } from "../../sessions/store.ts";
import type { UserFilter } from "../../users/store.ts";
import type { User } from "../../users/user.ts";
import type { WrappedKey } from "../../vault/store.ts";
import type { ReceiverReads } from "../receiver-rows.ts";
import type { After, Held, Reads, StatusReads, WebhookReads } from "../rows.ts";
import type { SsfReads } from "../ssf-rows.ts";
import { integer, integerOrNull, type Row, text, type Value } from "./columns.ts";
import { SqlReceiverReads } from "./receivers.ts";
import { SqlSsfReads } from "./ssf.ts";
import type { Questions } from "./statements.ts";
import { SqlStatusReads } from "./status.ts";
import * as table from "./tables.ts";
import { SqlWebhookReads } from "./webhooks.ts";

/** A condition of a list and what it binds; left out where `false`. */
type Condition = false | readonly [string, ...Value[]];

const SESSION_COLUMNS = `${table.SESSION.of("s")}, ${table.SEEN}`;
/** A session is live by isLive (sessions/session.ts); the same in SQL, so that a page is full. */
const LIVE = `s.ended_at IS NULL AND ? < s.expires_at
  AND ? < (SELECT max(idle_expires_at) FROM grants WHERE session = s.id)`;

/** A grant with its session, which is as last seen through this grant, its user, and whether the session has other grants. */
const HELD = `
  SELECT ${table.GRANT.of("g")}, ${table.SESSION.of("s")}, g.used_at, g.idle_expires_at, ${table.USER.of("u")},
    CASE WHEN EXISTS (SELECT 1 FROM grants o WHERE o.session = g.session AND o.secret_id <> g.secret_id) THEN 1 ELSE 0 END
  FROM grants g JOIN sessions s ON s.id = g.session JOIN users u ON u.id = s.user`;
export const HELD_BY_SECRET = `${HELD} WHERE g.secret_id = ?`;
const HELD_BY_ID = `${HELD} WHERE g.id = ?`;
const HELD_SESSION = table.GRANT.count;
const HELD_USER = HELD_SESSION + table.SESSION.count + 2;
const HELD_OTHERS = HELD_USER + table.USER.count;

export class SqlReads<Engine extends Questions = Questions> implements Reads {
  protected readonly engine: Engine;
  readonly webhooks: WebhookReads;
  readonly status: StatusReads;
  readonly ssf: SsfReads;
  readonly receivers: ReceiverReads;

  constructor(engine: Engine) {
    this.engine = engine;
    this.webhooks = new SqlWebhookReads(engine);
    this.status = new SqlStatusReads(engine);
    this.ssf = new SqlSsfReads(engine);
    this.receivers = new SqlReceiverReads(engine);
  }

  #listed<T>(select: string, conditions: readonly Condition[], order: string, limit: number, of: (row: Row) => T): T[] {
    const held = conditions.filter((condition) => condition !== false);
    const where = held.length === 0 ? "" : `WHERE ${held.map(([sql]) => sql).join(" AND ")}`;
    const values = held.flatMap(([, ...bound]) => bound);
    return this.engine.all(`${select} ${where} ORDER BY ${order} LIMIT ?`, of, ...values, limit);
  }

  dataKeys(): readonly WrappedKey[] {
    return this.engine.all(`SELECT ${table.DATA_KEY.names} FROM data_keys ORDER BY id`, table.dataKeyOf);
  }

  keySet(): { version: number; keys: readonly SigningKeyRecord[] } {
    const rows = this.engine.all(
      `SELECT state.key_set, ${table.SIGNING_KEY.of("k")}
       FROM state LEFT JOIN signing_keys k ON k.state <> 'gone' ORDER BY k.created_at, k.kid`,
      (row) => ({ version: integer(row, 0), key: row[1] === null ? [] : [table.signingKeyOf(row, 1)] }),
    );
    return { version: rows[0]?.version ?? 0, keys: rows.flatMap(({ key }) => key) };
  }

  user(id: UserId): User | undefined {
    return this.engine.one(`SELECT ${table.USER.names} FROM users WHERE id = ?`, table.userOf, id);
  }

  userByKey(identifierKey: string): User | undefined {
    return this.engine.one(
      `SELECT ${table.USER.names} FROM users WHERE identifier_key = ?`,
      table.userOf,
      identifierKey,
    );
  }

  users({ state, startsWith }: UserFilter, after: After | null, limit: number): readonly User[] {
    return this.#listed(
      `SELECT ${table.USER.names} FROM users`,
      [
        state === undefined ? ["state <> 'deleted'"] : ["state = ?", state],
        // U+10FFFF is no character, so no identifier with this beginning sorts behind it.
        startsWith !== undefined && [
          "identifier_key >= ? AND identifier_key < ?",
          startsWith,
          `${startsWith}\u{10FFFF}`,
        ],
        after !== null && ["(created_at, id) > (?, ?)", after.at, after.id],
      ],
      "created_at, id",
      limit,
      table.userOf,
    );
  }

  client(id: ClientId): Client | undefined {
    return this.engine.one(`SELECT ${table.CLIENT.names} FROM clients WHERE id = ?`, table.clientOf, id);
  }

  clients(after: After | null, limit: number): readonly Client[] {
    return this.#listed(
      `SELECT ${table.CLIENT.names} FROM clients`,
      [after !== null && ["(created_at, id) > (?, ?)", after.at, after.id]],
      "created_at, id",
      limit,
      table.clientOf,
    );
  }

  audiences(): readonly string[] {
    return this.engine.all("SELECT DISTINCT audience FROM clients WHERE audience IS NOT NULL ORDER BY 1", (row) =>
      text(row, 0),
    );
  }

  clientsOf(audience: string): readonly Client[] {
    const sql = `SELECT ${table.CLIENT.names} FROM clients WHERE audience = ? ORDER BY created_at, id`;
    return this.engine.all(sql, table.clientOf, audience);
  }

  session(id: SessionId): Session | undefined {
    return this.engine.one(`SELECT ${SESSION_COLUMNS} FROM sessions s WHERE s.id = ?`, table.sessionOf, id);
  }

  held(secretId: Buffer): Held | undefined {
    return this.#held(HELD_BY_SECRET, secretId);
  }

  heldById(id: GrantId): Held | undefined {
    return this.#held(HELD_BY_ID, id);
  }

  #held(sql: string, value: Value): Held | undefined {
    const of = (row: Row): Held => {
      const session = table.sessionOf(row, HELD_SESSION);
      const others = integer(row, HELD_OTHERS) === 1;
      return {
        grant: table.grantOf(row),
        session: others ? (this.session(session.id) ?? session) : session,
        user: table.userOf(row, HELD_USER),
      };
    };
    return this.engine.one(sql, of, value);
  }

  unended(user: UserId): readonly Session[] {
    return this.engine.all(
      `SELECT ${SESSION_COLUMNS} FROM sessions s
       WHERE s.user = ? AND s.ended_at IS NULL ORDER BY s.created_at DESC, s.id DESC`,
      table.sessionOf,
      user,
    );
  }

  sessions({ user, live }: SessionFilter, now: number, after: After | null, limit: number): readonly Session[] {
    return this.#listed(
      `SELECT ${SESSION_COLUMNS} FROM sessions s`,
      [
        user !== undefined && ["s.user = ?", user],
        live === true && [LIVE, now, now],
        after !== null && ["(s.created_at, s.id) < (?, ?)", after.at, after.id],
      ],
      "s.created_at DESC, s.id DESC",
      limit,
      table.sessionOf,
    );
  }

  entries(after: Position, limit: number): readonly RevocationEntry[] {
    return this.engine.all(
      `SELECT ${table.ENTRY.names} FROM log WHERE (epoch, seq) > (?, ?) ORDER BY epoch, seq LIMIT ?`,
      table.entryOf,
      after.epoch,
      after.seq,
      limit,
    );
  }

  entryCounts(): Partial<Record<RevocationKind, number>> {
    const counts = this.engine.all("SELECT kind, count(*) FROM log GROUP BY kind", (row) => [
      text(row, 0),
      integer(row, 1),
    ]);
    return Object.fromEntries(counts) as Partial<Record<RevocationKind, number>>;
  }

  leaseMs(): number | null {
    return this.engine.one("SELECT lease_ms FROM state", (row) => integerOrNull(row, 0)) ?? null;
  }

  installation(): string {
    return this.engine.one("SELECT installation FROM state", (row) => text(row, 0)) ?? "";
  }

  sessionsUntil(): number {
    return this.engine.one("SELECT sessions_until FROM state", (row) => integer(row, 0)) ?? 0;
  }

  unbound(): readonly Instance[] {
    return this.engine.all("SELECT id, client, accept_ms FROM unbound ORDER BY id", (row) => ({
      id: asId("instance", text(row, 0)),
      client: asId("client", text(row, 1)),
      acceptMs: integer(row, 2),
    }));
  }

  events({ user, name }: AuditFilter, before: number | null, limit: number): readonly AuditEvent[] {
    return this.#listed(
      `SELECT ${table.EVENT.names} FROM audit`,
      [
        user !== undefined && ['"user" = ?', user],
        name !== undefined && ["name = ?", name],
        before !== null && ["id < ?", before],
      ],
      "id DESC",
      limit,
      table.eventOf,
    );
  }
}
