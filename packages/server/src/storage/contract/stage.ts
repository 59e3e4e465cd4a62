/** What every contract test stands on: a clock that only moves when told, and the rows that people and apps make. */
import type { Cause } from "../../audit/event.ts";
import { type Client, DEFAULT_CLIENT } from "../../clients/client.ts";
import type { Grant } from "../../grants/grant.ts";
import type { PresentedRefresh, RefreshSettings } from "../../grants/refresh-rule.ts";
import type { LogIn, LogInOutcome } from "../../grants/store.ts";
import { type ClientId, newId, type UserId } from "../../prelude/ids.ts";
import { systemWorld, type World } from "../../prelude/world.ts";
import type { RevocationEntry } from "../../revocation/entry.ts";
import type { SessionLimit } from "../../sessions/limit.ts";
import type { Session } from "../../sessions/session.ts";
import type { User } from "../../users/user.ts";
import type { Storage } from "../storage.ts";

/** Opens a fresh, empty storage of the driver under test. */
export type Open = (world: World) => Promise<Storage>;

export const SECOND = 1000;
export const DAY = 24 * 3600 * SECOND;
export const SETTINGS: RefreshSettings = { graceMs: 10 * SECOND, idleMs: 14 * DAY };
export const SESSION_MS = 90 * DAY;
export const NO_LIMIT: SessionLimit = { max: 0, action: "evict", per: "user" };
export const CAUSE: Cause = { actor: { kind: "anyone" }, address: "192.0.2.1", requestId: "req_test" };
export const FIRST_PAGE = { limit: 200, after: null };

export const OWN_CLIENT: Client = {
  id: DEFAULT_CLIENT,
  kind: "first_party",
  name: "Mapae",
  secretHash: null,
  scope: ["account"],
  audience: null,
  jwks: null,
  createdAt: 0,
};

export class TestClock {
  #now = Date.UTC(2026, 0, 1);
  #monotonic = 0;
  now = (): number => this.#now;
  monotonic = (): number => this.#monotonic;
  /** Goes on; a negative step is a clock that was set back. */
  advance(ms: number): void {
    this.#now += ms;
    this.#monotonic += Math.max(0, ms);
  }
}

/** Makes rows as sign-up and log-in would, at a clock's time. */
export class Cast {
  readonly clock: TestClock;

  constructor(clock = new TestClock()) {
    this.clock = clock;
  }

  newUser(fields: Partial<User> = {}): User {
    const id = newId("user", systemWorld.random);
    const now = this.clock.now();
    return {
      id,
      identifier: `Name-${id}`,
      identifierKey: `name-${id.toLowerCase()}-${id.length}`,
      name: "김철수",
      state: "active",
      roles: [],
      createdAt: now,
      updatedAt: now,
      password: systemWorld.random.bytes(60),
      credentialVersion: 1,
      ...fields,
    };
  }

  newLogIn(
    user: UserId,
    fields: { session?: Partial<Session>; grant?: Partial<Grant>; logIn?: Partial<LogIn> } = {},
  ): LogIn {
    const now = this.clock.now();
    const session: Session = {
      id: newId("session", systemWorld.random),
      user,
      client: DEFAULT_CLIENT,
      device: { id: newId("device", systemWorld.random), name: "Chrome on macOS", class: "desktop" },
      address: "192.0.2.1",
      amr: ["pwd"],
      createdAt: now,
      lastSeenAt: now,
      idleExpiresAt: now + SETTINGS.idleMs,
      expiresAt: now + SESSION_MS,
      ended: null,
      ...fields.session,
    };
    const grant: Grant = {
      secretId: systemWorld.random.bytes(16),
      id: newId("grant", systemWorld.random),
      session: session.id,
      client: session.client,
      scope: ["account"],
      policy: { rotates: true, replayEnds: "session" },
      generation: 1,
      macKey: 1,
      rotatedAt: now,
      proof: null,
      usedAt: now,
      idleExpiresAt: now + SETTINGS.idleMs,
      createdAt: now,
      ended: null,
      ...fields.grant,
    };
    const base = { credentialVersion: 1, limit: NO_LIMIT, chosen: null, listSeed: null, cause: CAUSE };
    return { session, grant, ...base, ...fields.logIn };
  }

  presented(grant: Grant, fields: Partial<PresentedRefresh> = {}): PresentedRefresh {
    return {
      secretId: grant.secretId,
      generation: grant.generation,
      client: grant.client,
      proof: null,
      device: null,
      macKey: 1,
      requiredRole: null,
      listSeed: null,
      ...fields,
    };
  }
}

/** One storage, its clock, and what people do with it. */
export class Stage extends Cast {
  readonly store: Storage;
  /** Every entry that a listener was told of, in order. */
  readonly heard: RevocationEntry[] = [];

  constructor(store: Storage, clock: TestClock) {
    super(clock);
    this.store = store;
    store.revocation.onCommit((entries) => this.heard.push(...entries));
  }

  static async open(open: Open): Promise<Stage> {
    const clock = new TestClock();
    return new Stage(await open({ clock, random: systemWorld.random }), clock);
  }

  /** A user, and the client that users log in with. */
  async user(fields: Partial<User> = {}): Promise<User> {
    await this.store.clients.create(OWN_CLIENT, []);
    const user = this.newUser(fields);
    const outcome = await this.store.users.create(user, []);
    if (outcome !== "created") throw new Error(outcome);
    return user;
  }

  /** A log-in that must succeed. */
  async logIn(user: UserId, fields: Parameters<Stage["newLogIn"]>[1] = {}): Promise<LogInOutcome & { kind: "opened" }> {
    const outcome = await this.store.grants.open(this.newLogIn(user, fields));
    if (outcome.kind !== "opened") throw new Error(outcome.kind);
    return outcome;
  }

  refresh(grant: Grant, fields: Partial<PresentedRefresh> = {}, settings = SETTINGS) {
    return this.store.grants.use(this.presented(grant, fields), settings, CAUSE);
  }

  async events(name?: string): Promise<readonly string[]> {
    const { items } = await this.store.audit.list({}, FIRST_PAGE);
    return items.map((event) => event.name).filter((event) => name === undefined || event === name);
  }
}

export function otherClient(name: string): ClientId {
  return `cli_${name}` as ClientId;
}
