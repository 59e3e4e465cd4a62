/**
 * The rows as Maps. A step runs from its first read to its last write without a pause, so it is atomic by itself; what
 * a step could refuse, it refuses before it writes.
 */
import type { Client } from "../../clients/client.ts";
import type { SigningKeyRecord } from "../../keys/signing-key.ts";
import type { ClientId, GrantId, UserId } from "../../prelude/ids.ts";
import type { UserFilter } from "../../users/store.ts";
import type { User } from "../../users/user.ts";
import type { WrappedKey } from "../../vault/store.ts";
import type { After, Held, Rows } from "../rows.ts";
import { LogMaps } from "./log-maps.ts";
import { byText, follows, oldestFirst } from "./order.ts";
import { fill, type HeldGrant } from "./session-maps.ts";
import { StatusMaps } from "./status-maps.ts";

export class MapRows extends LogMaps implements Rows {
  readonly status = new StatusMaps();
  #keySetVersion = 0;
  readonly #dataKeys = new Map<number, WrappedKey>();
  readonly #keys = new Map<string, SigningKeyRecord>();
  readonly #users = new Map<string, User>();
  readonly #userOfKey = new Map<string, UserId>();
  readonly #clients = new Map<string, Client>();

  /** The same rows once more, to be restored some day. */
  copy(): MapRows {
    const made = new MapRows(this.position().epoch);
    made.copySessionsFrom(this);
    made.copyLogFrom(this);
    made.status.copyFrom(this.status);
    made.#keySetVersion = this.#keySetVersion;
    fill(made.#dataKeys, this.#dataKeys);
    fill(made.#keys, this.#keys);
    fill(made.#users, this.#users);
    fill(made.#userOfKey, this.#userOfKey);
    fill(made.#clients, this.#clients);
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

  clientsOf(audience: string): readonly Client[] {
    return [...this.#clients.values()].filter((client) => client.audience === audience).sort(oldestFirst);
  }

  addClient(client: Client): void {
    this.#clients.set(client.id, client);
  }

  replaceClient(client: Client): void {
    this.#clients.set(client.id, client);
  }

  removeClient(id: ClientId): void {
    this.#clients.delete(id);
  }

  held(secretId: Buffer): Held | undefined {
    return this.#withUser(this.grantAt(secretId));
  }

  heldById(id: GrantId): Held | undefined {
    return this.#withUser(this.grantById(id));
  }

  #withUser(held: HeldGrant | undefined): Held | undefined {
    const user = held && this.#users.get(held.session.user);
    return held && user && { ...held, user };
  }
}
