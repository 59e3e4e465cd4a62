/**
 * Sessions and grants as Maps. Rows are replaced and never changed in place, so that sharing them is a copy.
 */
import type { Grant } from "../../grants/grant.ts";
import type { ClientId, GrantId, SessionId, UserId } from "../../prelude/ids.ts";
import type { EndReason } from "../../revocation/entry.ts";
import { endOf, isLive, type Session } from "../../sessions/session.ts";
import type { SessionFilter } from "../../sessions/store.ts";
import type { After, Ended, Held } from "../rows.ts";
import { follows, newestFirst } from "./order.ts";

export type HeldGrant = Pick<Held, "grant" | "session">;

/** Copies rows from one map into another. */
export function fill<Key, Value>(
  into: Map<Key, Value>,
  from: Map<Key, Value>,
  copyOf = (value: Value): Value => value,
): void {
  for (const [key, value] of from) into.set(key, copyOf(value));
}

export class SessionMaps {
  readonly #sessions = new Map<string, Session>();
  readonly #sessionsOfUser = new Map<string, Set<SessionId>>();
  readonly #grants = new Map<string, Grant>();
  readonly #keyOfGrant = new Map<string, string>();
  readonly #grantsOfSession = new Map<string, Set<string>>();

  protected copySessionsFrom(other: SessionMaps): void {
    fill(this.#sessions, other.#sessions);
    fill(this.#sessionsOfUser, other.#sessionsOfUser, (ids) => new Set(ids));
    fill(this.#grants, other.#grants);
    fill(this.#keyOfGrant, other.#keyOfGrant);
    fill(this.#grantsOfSession, other.#grantsOfSession, (keys) => new Set(keys));
  }

  session(id: SessionId): Session | undefined {
    const session = this.#sessions.get(id);
    return session === undefined ? undefined : this.#seen(session);
  }

  /** With its last use as its grants have it. */
  #seen(session: Session): Session {
    let lastSeenAt = 0;
    let idleExpiresAt = 0;
    for (const key of this.#grantsOfSession.get(session.id) ?? []) {
      const grant = this.#grants.get(key);
      lastSeenAt = Math.max(lastSeenAt, grant?.usedAt ?? 0);
      idleExpiresAt = Math.max(idleExpiresAt, grant?.idleExpiresAt ?? 0);
    }
    return { ...session, lastSeenAt, idleExpiresAt };
  }

  unended(user: UserId): readonly Session[] {
    return [...(this.#sessionsOfUser.get(user) ?? [])]
      .flatMap((id) => this.session(id) ?? [])
      .filter(({ ended }) => ended === null)
      .sort(newestFirst);
  }

  *#unendedOfAll(): Generator<Session> {
    for (const session of this.#sessions.values()) if (session.ended === null) yield session;
  }

  protected allUnended(): readonly Session[] {
    return [...this.#unendedOfAll()].map((session) => this.#seen(session));
  }

  countUnended(): number {
    let count = 0;
    for (const _ of this.#unendedOfAll()) count += 1;
    return count;
  }

  sessions(filter: SessionFilter, now: number, after: After | null, limit: number): readonly Session[] {
    const ids = filter.user === undefined ? this.#sessions.keys() : (this.#sessionsOfUser.get(filter.user) ?? []);
    return [...ids]
      .flatMap((id) => this.#sessions.get(id) ?? [])
      .filter((session) => follows(session, after, newestFirst))
      .map((session) => this.#seen(session))
      .filter((session) => filter.live !== true || isLive(session, now))
      .sort(newestFirst)
      .slice(0, limit);
  }

  addSession(session: Session): void {
    if (this.#sessions.has(session.id)) throw new Error("a session with this id exists");
    this.#sessions.set(session.id, session);
    const ofUser = this.#sessionsOfUser.get(session.user) ?? new Set();
    this.#sessionsOfUser.set(session.user, ofUser.add(session.id));
  }

  endSession(id: SessionId, ended: Ended): void {
    const session = this.#sessions.get(id);
    if (session !== undefined && session.ended === null) this.#sessions.set(id, { ...session, ended });
  }

  endAllSessions(reason: EndReason, now: number): number {
    const unended = this.allUnended();
    for (const session of unended) this.endSession(session.id, { at: now, reason: endOf(session, now) ?? reason });
    return unended.length;
  }

  dueSessions(now: number, limit: number): readonly Session[] {
    const due: Session[] = [];
    for (const unended of this.#unendedOfAll()) {
      if (due.length === limit) break;
      const session = this.#seen(unended);
      if (!isLive(session, now)) due.push(session);
    }
    return due;
  }

  /** Every session is looked at every time, so there is nothing to note. */
  postponeSession(): void {}

  removeSessions(endedBefore: number, limit: number): number {
    const old = [...this.#sessions.values()]
      .filter(({ ended }) => ended !== null && ended.at < endedBefore)
      .slice(0, limit);
    for (const { id } of old) this.removeSession(id);
    return old.length;
  }

  /** Removes a session with its grants, and returns those. */
  protected removeSession(id: SessionId): readonly Grant[] {
    const session = this.#sessions.get(id);
    const keys = [...(this.#grantsOfSession.get(id) ?? [])];
    const grants = keys.flatMap((key) => this.#grants.get(key) ?? []);
    this.#sessions.delete(id);
    if (session !== undefined) this.#leave(session.user, id);
    for (const key of keys) this.#grants.delete(key);
    for (const grant of grants) this.#keyOfGrant.delete(grant.id);
    this.#grantsOfSession.delete(id);
    return grants;
  }

  #leave(user: UserId, session: SessionId): void {
    const ofUser = this.#sessionsOfUser.get(user);
    ofUser?.delete(session);
    if (ofUser?.size === 0) this.#sessionsOfUser.delete(user);
  }

  /** The grant of a refresh token, with its session. */
  protected grantAt(secretId: Buffer): HeldGrant | undefined {
    return this.#withSession(this.#grants.get(secretId.toString("hex")));
  }

  protected grantById(id: GrantId): HeldGrant | undefined {
    return this.#withSession(this.#grantOf(id));
  }

  #grantOf(id: GrantId): Grant | undefined {
    const key = this.#keyOfGrant.get(id);
    return key === undefined ? undefined : this.#grants.get(key);
  }

  #withSession(grant: Grant | undefined): HeldGrant | undefined {
    const session = grant && this.session(grant.session);
    return grant && session && { grant, session };
  }

  addGrant(grant: Grant): void {
    const key = grant.secretId.toString("hex");
    this.#grants.set(key, grant);
    this.#keyOfGrant.set(grant.id, key);
    const ofSession = this.#grantsOfSession.get(grant.session) ?? new Set();
    this.#grantsOfSession.set(grant.session, ofSession.add(key));
  }

  replaceGrant(grant: Grant): void {
    this.#grants.set(grant.secretId.toString("hex"), grant);
  }

  isGrantEnded(grant: GrantId): boolean {
    return (this.#grantOf(grant)?.ended ?? null) !== null;
  }

  endGrant(id: GrantId, ended: Ended): boolean {
    const grant = this.#grantOf(id);
    if (grant === undefined || grant.ended !== null) return false;
    this.replaceGrant({ ...grant, ended });
    return true;
  }

  endGrantsOf(client: ClientId, ended: Ended): void {
    for (const grant of this.#grants.values()) {
      if (grant.client === client && grant.ended === null) this.replaceGrant({ ...grant, ended });
    }
  }
}
