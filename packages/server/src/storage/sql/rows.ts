/** Writing a SQL database, in the words that the engines have in common. Runs inside one transaction, which the engine sees to. */
import type { AuditDraft } from "../../audit/event.ts";
import type { Client } from "../../clients/client.ts";
import type { Instance } from "../../feed/registry.ts";
import type { Grant } from "../../grants/grant.ts";
import type { SigningKeyRecord } from "../../keys/signing-key.ts";
import type { ClientId, GrantId, SessionId } from "../../prelude/ids.ts";
import type { EndReason, Position, RevocationEntry } from "../../revocation/entry.ts";
import type { Session } from "../../sessions/session.ts";
import type { User } from "../../users/user.ts";
import type { WrappedKey } from "../../vault/store.ts";
import type { ReceiverRows } from "../receiver-rows.ts";
import type { Ended, Rows, StatusRows, WebhookRows } from "../rows.ts";
import type { SsfRows } from "../ssf-rows.ts";
import { integer } from "./columns.ts";
import { SqlReads } from "./reads.ts";
import { SqlReceivers } from "./receivers.ts";
import { SqlSsf } from "./ssf.ts";
import type { Statements } from "./statements.ts";
import { SqlStatus } from "./status.ts";
import * as table from "./tables.ts";
import { SqlWebhooks } from "./webhooks.ts";

export const REPLACE_GRANT = `UPDATE grants SET generation = ?, mac_key = ?, rotated_at = ?, proof = ?, used_at = ?, idle_expires_at = ?
  WHERE secret_id = ?`;

export class SqlRows<Engine extends Statements = Statements> extends SqlReads<Engine> implements Rows {
  override readonly webhooks: WebhookRows;
  override readonly status: StatusRows;
  override readonly ssf: SsfRows;
  override readonly receivers: ReceiverRows;

  constructor(engine: Engine) {
    super(engine);
    this.webhooks = new SqlWebhooks(engine);
    this.status = new SqlStatus(engine);
    this.ssf = new SqlSsf(engine);
    this.receivers = new SqlReceivers(engine);
  }

  touch(): void {
    this.engine.run("UPDATE state SET seq = seq");
  }

  // The log and the audit

  position(): Position {
    return this.engine.position();
  }

  beginEpoch(epoch: number): void {
    this.engine.beginEpoch(epoch);
  }

  addEntry(entry: Omit<RevocationEntry, keyof Position>, keptUntil: number): void {
    const placed = this.engine.place(entry);
    this.engine.run(
      `INSERT INTO log (${table.ENTRY.names}, kept_until) VALUES (${table.ENTRY.places}, ?)`,
      ...table.entryRow(placed),
      keptUntil,
    );
  }

  raiseSessionsUntil(exp: number): void {
    this.engine.run("UPDATE state SET sessions_until = ? WHERE sessions_until < ?", exp, exp);
  }

  isTokenRevoked(jti: string): boolean {
    return this.engine.one("SELECT 1 FROM log WHERE kind = 'token' AND value = ?", () => true, jti) ?? false;
  }

  tokenEntriesOf(grant: GrantId): number {
    return this.engine.one('SELECT count(*) FROM log WHERE "grant" = ?', (row) => integer(row, 0), grant) ?? 0;
  }

  removeTokenEntriesOf(grant: GrantId): void {
    this.engine.run('DELETE FROM log WHERE "grant" = ?', grant);
  }

  isGrantEnded(grant: GrantId): boolean {
    return this.engine.one("SELECT 1 FROM grants WHERE id = ? AND ended_at IS NOT NULL", () => true, grant) ?? false;
  }

  setLeaseMs(ms: number): void {
    this.engine.run("UPDATE state SET lease_ms = ?", ms);
  }

  addUnbound({ id, client, acceptMs }: Instance): void {
    this.engine.run(
      `INSERT INTO unbound (id, client, accept_ms) VALUES (?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET client = excluded.client, accept_ms = excluded.accept_ms`,
      ...[id, client, acceptMs],
    );
  }

  removeUnbound(id: string): void {
    this.engine.run("DELETE FROM unbound WHERE id = ?", id);
  }

  /** By isForgettable and isCovered (revocation/expiry.ts). */
  removeEntries(now: number, limit: number): number {
    const expired = this.engine.changes(
      `DELETE FROM log WHERE (epoch, seq) IN (
         SELECT epoch, seq FROM log WHERE kept_until < ? AND NOT (kind = 'key' AND EXISTS (
           SELECT 1 FROM signing_keys WHERE kid = log.value AND state <> 'gone'))
         ORDER BY kept_until LIMIT ?)`,
      Math.ceil(now / 1000),
      limit,
    );
    const all = this.engine.one(
      "SELECT epoch, seq FROM log WHERE kind = 'all' ORDER BY epoch DESC, seq DESC LIMIT 1",
      (row) => [integer(row, 0), integer(row, 1)] as const,
    );
    if (all === undefined) return expired;
    const covered = this.engine.changes(
      `DELETE FROM log WHERE (epoch, seq) IN (
         SELECT epoch, seq FROM log WHERE (epoch, seq) < (?, ?) AND kind <> 'key' LIMIT ?)`,
      ...all,
      limit - expired,
    );
    return expired + covered;
  }

  highestExp(): number {
    return this.engine.one("SELECT coalesce(max(highest_exp), 0) FROM signing_keys", (row) => integer(row, 0)) ?? 0;
  }

  addEvent(event: AuditDraft, at: number): void {
    this.engine.run(
      `INSERT INTO audit (${table.NEW_EVENT.names}) VALUES (${table.NEW_EVENT.places})`,
      ...table.eventRow(event, at),
    );
  }

  removeEvents(before: number, limit: number): number {
    return this.engine.changes(
      "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < ? ORDER BY at LIMIT ?)",
      before,
      limit,
    );
  }

  // Keys

  hasDataKey(id: number): boolean {
    return this.engine.one("SELECT 1 FROM data_keys WHERE id = ?", () => true, id) ?? false;
  }

  putDataKey(key: WrappedKey): void {
    this.engine.run(
      `INSERT INTO data_keys (${table.DATA_KEY.names}) VALUES (${table.DATA_KEY.places})
       ON CONFLICT (id) DO UPDATE SET purpose = excluded.purpose, wrapped = excluded.wrapped,
         wrapped_by = excluded.wrapped_by, created_at = excluded.created_at`,
      ...table.dataKeyRow(key),
    );
  }

  removeDataKey(id: number): void {
    this.engine.run("DELETE FROM data_keys WHERE id = ?", id);
  }

  putKey(key: SigningKeyRecord): void {
    // A mark that was raised since the caller read the key stays raised.
    this.engine.run(
      `INSERT INTO signing_keys (${table.SIGNING_KEY.names}) VALUES (${table.SIGNING_KEY.places})
       ON CONFLICT (kid) DO UPDATE SET alg = excluded.alg, state = excluded.state, public_jwk = excluded.public_jwk,
         sealed_private = excluded.sealed_private, data_key = excluded.data_key, created_at = excluded.created_at,
         activated_at = excluded.activated_at, retired_at = excluded.retired_at,
         highest_exp = CASE WHEN signing_keys.highest_exp > excluded.highest_exp
           THEN signing_keys.highest_exp ELSE excluded.highest_exp END`,
      ...table.signingKeyRow(key),
    );
  }

  bumpKeySet(): void {
    this.engine.run("UPDATE state SET key_set = key_set + 1");
  }

  raiseMark(kid: string, exp: number): void {
    this.engine.run("UPDATE signing_keys SET highest_exp = ? WHERE kid = ? AND highest_exp < ?", exp, kid, exp);
  }

  // Users and clients

  addUser(user: User): void {
    this.engine.run(`INSERT INTO users (${table.USER.names}) VALUES (${table.USER.places})`, ...table.userRow(user));
  }

  replaceUser(user: User): void {
    this.engine.run(
      `UPDATE users SET (${table.USER.names}) = (${table.USER.places}) WHERE id = ?`,
      ...table.userRow(user),
      user.id,
    );
  }

  addClient(client: Client): void {
    this.engine.run(
      `INSERT INTO clients (${table.CLIENT.names}) VALUES (${table.CLIENT.places})`,
      ...table.clientRow(client),
    );
  }

  replaceClient(client: Client): void {
    this.engine.run(
      `UPDATE clients SET (${table.CLIENT.names}) = (${table.CLIENT.places}) WHERE id = ?`,
      ...table.clientRow(client),
      client.id,
    );
  }

  removeClient(id: ClientId): void {
    this.engine.run("DELETE FROM clients WHERE id = ?", id);
  }

  // Sessions and grants

  addSession(session: Session): void {
    this.engine.run(
      `INSERT INTO sessions (${table.SESSION.names}, due_at) VALUES (${table.SESSION.places}, ?)`,
      ...table.sessionRow(session),
      Math.min(session.expiresAt, session.idleExpiresAt),
    );
  }

  endSession(id: SessionId, { at, reason }: Ended): void {
    this.engine.run(
      "UPDATE sessions SET ended_at = ?, end_reason = ? WHERE id = ? AND ended_at IS NULL",
      at,
      reason,
      id,
    );
  }

  endAllSessions(reason: EndReason, now: number): number {
    return this.engine.changes(
      `UPDATE sessions SET ended_at = ?, end_reason = CASE WHEN ? < expires_at
         AND ? < (SELECT max(idle_expires_at) FROM grants WHERE session = sessions.id) THEN ? ELSE 'expired' END
       WHERE ended_at IS NULL`,
      now,
      now,
      now,
      reason,
    );
  }

  dueSessions(now: number, limit: number): readonly Session[] {
    return this.engine.all(
      `SELECT ${table.SESSION.of("s")}, ${table.SEEN} FROM sessions s
       WHERE s.ended_at IS NULL AND s.due_at <= ? ORDER BY s.due_at LIMIT ?`,
      table.sessionOf,
      now,
      limit,
    );
  }

  postponeSession({ id, expiresAt, idleExpiresAt }: Session): void {
    this.engine.run("UPDATE sessions SET due_at = ? WHERE id = ?", Math.min(expiresAt, idleExpiresAt), id);
  }

  removeSessions(endedBefore: number, limit: number): number {
    return this.engine.changes(
      `DELETE FROM sessions WHERE id IN (
         SELECT id FROM sessions WHERE ended_at IS NOT NULL AND ended_at < ? ORDER BY ended_at LIMIT ?)`,
      endedBefore,
      limit,
    );
  }

  addGrant(grant: Grant): void {
    this.engine.run(
      `INSERT INTO grants (${table.GRANT.names}) VALUES (${table.GRANT.places})`,
      ...table.grantRow(grant),
    );
  }

  replaceGrant(grant: Grant): void {
    this.engine.run(
      REPLACE_GRANT,
      grant.generation,
      grant.macKey,
      grant.rotatedAt,
      grant.proof,
      grant.usedAt,
      grant.idleExpiresAt,
      grant.secretId,
    );
  }

  endGrant(id: GrantId, { at, reason }: Ended): boolean {
    return (
      this.engine.changes(
        "UPDATE grants SET ended_at = ?, end_reason = ? WHERE id = ? AND ended_at IS NULL",
        ...[at, reason, id],
      ) > 0
    );
  }

  endGrantsOf(client: ClientId, { at, reason }: Ended): void {
    this.engine.run(
      "UPDATE grants SET ended_at = ?, end_reason = ? WHERE client = ? AND ended_at IS NULL",
      at,
      reason,
      client,
    );
  }
}
