/**
 * The rows as Maps. A step runs from its first read to its last write without a pause, so it is atomic by itself; what
 * a step could refuse, it refuses before it writes.
 */
import type { Client } from "../../clients/client.ts";
import type { Grant } from "../../grants/grant.ts";
import type { SigningKeyRecord } from "../../keys/signing-key.ts";
import type { ClientId, GrantId, SessionId, UserId } from "../../prelude/ids.ts";
import type { EndReason } from "../../revocation/entry.ts";
import { endOf, isLive, type Session } from "../../sessions/session.ts";
import type { SessionFilter } from "../../sessions/store.ts";
import type { UserFilter } from "../../users/store.ts";
import type { User } from "../../users/user.ts";
import type { WrappedKey } from "../../vault/store.ts";
import type { After, Ended, Held, HolderKind, Rows } from "../rows.ts";
import { LogMaps } from "./log-maps.ts";
import { byText, follows, newestFirst, oldestFirst } from "./order.ts";
import { StatusMaps } from "./status-maps.ts";

/** Rows are replaced and never changed in place, so that sharing them is a copy. */
function fill<Key, Value>(into: Map<Key, Value>, from: Map<Key, Value>, copyOf = (value: Value): Value => value): void {
  for (const [key, value] of from) into.set(key, copyOf(value));
}

export class MapRows extends LogMaps implements Rows {
  readonly status = new StatusMaps((kind, id) => this.#grantIds(kind, id));
  #keySetVersion = 0;
  readonly #dataKeys = new Map<number, WrappedKey>();
  readonly #keys = new Map<string, SigningKeyRecord>();
  readonly #users = new Map<string, User>();
  readonly #userOfKey = new Map<string, UserId>();
  readonly #clients = new Map<string, Client>();
  readonly #sessions = new Map<string, Session>();
  readonly #sessionsOfUser = new Map<string, Set<SessionId>>();
  readonly #grants = new Map<string, Grant>();
  readonly #grantsOfSession = new Map<string, Set<string>>();

  /** The same rows once more, to be restored some day. */
  copy(): MapRows {
    const made = new MapRows(this.position().epoch);
    made.copyLogFrom(this);
    made.status.copyFrom(this.status);
    made.#keySetVersion = this.#keySetVersion;
    fill(made.#dataKeys, this.#dataKeys);
    fill(made.#keys, this.#keys);
    fill(made.#users, this.#users);
    fill(made.#userOfKey, this.#userOfKey);
    fill(made.#clients, this.#clients);
    fill(made.#sessions, this.#sessions);
    fill(made.#sessionsOfUser, this.#sessionsOfUser, (ids) => new Set(ids));
    fill(made.#grants, this.#grants);
    fill(made.#grantsOfSession, this.#grantsOfSession, (ids) => new Set(ids));
    return made;
  }

  highestExp(): number {
    let highest = 0;
    for (const key of this.#keys.values()) highest = Math.max(highest, key.highestExp);
    return highest;
  }

  protected isKeyKnown(kid: string): boolean {
    return (this.#keys.get(kid)?.state ?? "gone") !== "gone";
  }

  // Keys

  dataKeys(): readonly WrappedKey[] {
    return [...this.#dataKeys.values()].sort((a, b) => a.id - b.id);
  }

  hasDataKey(id: number): boolean {
    return this.#dataKeys.has(id);
  }

  putDataKey(key: WrappedKey): void {
    this.#dataKeys.set(key.id, key);
  }

  removeDataKey(id: number): void {
    this.#dataKeys.delete(id);
  }

  keySet(): { version: number; keys: readonly SigningKeyRecord[] } {
    const keys = [...this.#keys.values()].filter(({ state }) => state !== "gone");
    keys.sort((a, b) => a.createdAt - b.createdAt || byText(a.kid, b.kid));
    return { version: this.#keySetVersion, keys };
  }

  putKey(key: SigningKeyRecord): void {
    // A mark that was raised since the caller read the key stays raised.
    const highestExp = Math.max(key.highestExp, this.#keys.get(key.kid)?.highestExp ?? 0);
    this.#keys.set(key.kid, { ...key, highestExp });
  }

  bumpKeySet(): void {
    this.#keySetVersion += 1;
  }

  raiseMark(kid: string, exp: number): void {
    const key = this.#keys.get(kid);
    if (key !== undefined && key.highestExp < exp) this.#keys.set(kid, { ...key, highestExp: exp });
  }

  // Users and clients

  user(id: UserId): User | undefined {
    return this.#users.get(id);
  }

  userByKey(identifierKey: string): User | undefined {
    const id = this.#userOfKey.get(identifierKey);
    return id === undefined ? undefined : this.#users.get(id);
  }

  users(filter: UserFilter, after: After | null, limit: number): readonly User[] {
    const { state, startsWith } = filter;
    return [...this.#users.values()]
      .filter(
        (user) =>
          (state === undefined ? user.state !== "deleted" : user.state === state) &&
          (startsWith === undefined || user.identifierKey?.startsWith(startsWith) === true) &&
          follows(user, after, oldestFirst),
      )
      .sort(oldestFirst)
      .slice(0, limit);
  }

  addUser(user: User): void {
    if (this.#users.has(user.id)) throw new Error("a user with this id exists");
    this.replaceUser(user);
  }

  replaceUser(user: User): void {
    const key = this.#users.get(user.id)?.identifierKey ?? null;
    if (key !== null) this.#userOfKey.delete(key);
    if (user.identifierKey !== null) this.#userOfKey.set(user.identifierKey, user.id);
    this.#users.set(user.id, user);
  }

  client(id: ClientId): Client | undefined {
    return this.#clients.get(id);
  }

  clients(after: After | null, limit: number): readonly Client[] {
    return [...this.#clients.values()]
      .filter((client) => follows(client, after, oldestFirst))
      .sort(oldestFirst)
      .slice(0, limit);
  }

  audiences(): readonly string[] {
    return [...new Set([...this.#clients.values()].flatMap(({ audience }) => audience ?? []))].sort();
  }

  addClient(client: Client): void {
    this.#clients.set(client.id, client);
  }

  removeClient(id: ClientId): void {
    this.#clients.delete(id);
  }

  // Sessions and grants

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

  sessions(filter: SessionFilter, now: number, after: After | null, limit: number): readonly Session[] {
    return [...this.#sessions.values()]
      .filter((session) => filter.user === undefined || session.user === filter.user)
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
    const unended = [...this.#sessions.values()].filter(({ ended }) => ended === null);
    for (const session of unended) {
      this.endSession(session.id, { at: now, reason: endOf(this.#seen(session), now) ?? reason });
    }
    return unended.length;
  }

  dueSessions(now: number, limit: number): readonly Session[] {
    return [...this.#sessions.values()]
      .filter(({ ended }) => ended === null)
      .map((session) => this.#seen(session))
      .filter((session) => !isLive(session, now))
      .slice(0, limit);
  }

  /** Every session is looked at every time, so there is nothing to note. */
  postponeSession(): void {}

  removeSessions(endedBefore: number, limit: number): number {
    const old = [...this.#sessions.values()]
      .filter(({ ended }) => ended !== null && ended.at < endedBefore)
      .slice(0, limit);
    for (const { id, user } of old) {
      this.#sessions.delete(id);
      this.#sessionsOfUser.get(user)?.delete(id);
      for (const key of this.#grantsOfSession.get(id) ?? []) this.#grants.delete(key);
      this.#grantsOfSession.delete(id);
    }
    return old.length;
  }

  held(secretId: Buffer): Held | undefined {
    const grant = this.#grants.get(secretId.toString("hex"));
    const session = grant && this.session(grant.session);
    const user = session && this.#users.get(session.user);
    return grant && session && user && { grant, session, user };
  }

  heldById(id: GrantId): Held | undefined {
    for (const grant of this.#grants.values()) if (grant.id === id) return this.held(grant.secretId);
    return undefined;
  }

  #grantIds(kind: HolderKind, id: string): readonly GrantId[] {
    const names = (grant: Grant) => ({ ...grant, grant: grant.id, user: this.#sessions.get(grant.session)?.user });
    return [...this.#grants.values()].filter((grant) => names(grant)[kind] === id).map((grant) => grant.id);
  }

  addGrant(grant: Grant): void {
    const key = grant.secretId.toString("hex");
    this.#grants.set(key, grant);
    const ofSession = this.#grantsOfSession.get(grant.session) ?? new Set();
    this.#grantsOfSession.set(grant.session, ofSession.add(key));
  }

  replaceGrant(grant: Grant): void {
    this.#grants.set(grant.secretId.toString("hex"), grant);
  }

  isGrantEnded(grant: GrantId): boolean {
    for (const { id, ended } of this.#grants.values()) if (id === grant) return ended !== null;
    return false;
  }

  endGrant(id: GrantId, ended: Ended): boolean {
    for (const grant of this.#grants.values()) {
      if (grant.id !== id || grant.ended !== null) continue;
      this.replaceGrant({ ...grant, ended });
      return true;
    }
    return false;
  }

  endGrantsOf(client: ClientId, ended: Ended): void {
    for (const grant of this.#grants.values()) {
      if (grant.client === client && grant.ended === null) this.replaceGrant({ ...grant, ended });
    }
  }
}
