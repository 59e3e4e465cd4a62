/**
 * The driver as a state machine: random histories of log-ins, refreshes with any generation and proof, revocations,
 * password changes and time, each answer compared with the model's (model.ts), and after each step who is live and
 * what the log says.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { Grant } from "../../grants/grant.ts";
import { asId, type SessionId, type UserId } from "../../prelude/ids.ts";
import { Model, type ModelSession, type ModelUser } from "./model.ts";
import { CAUSE, DAY, type Open, SECOND, SESSION_MS, SETTINGS, Stage } from "./stage.ts";

const TIMES = { grace: SETTINGS.graceMs, idle: SETTINGS.idleMs, absolute: SESSION_MS };
const USERS = 2;

const which = fc.nat({ max: 30 });
const COMMAND = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("log_in"),
      user: which,
      max: fc.constantFrom(0, 1, 2, 3),
      evict: fc.boolean(),
      stale: fc.boolean(),
    }),
  },
  {
    weight: 14,
    arbitrary: fc.record({
      do: fc.constant("refresh"),
      session: which,
      behind: fc.constantFrom(0, 0, 0, 1, 1, 1, 2, -1),
      key: fc.constantFrom(null, "k1", "k2"),
      device: fc.constantFrom("none", "none", "own", "other"),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("wait"),
      ms: fc.constantFrom(1, SECOND, TIMES.grace, TIMES.grace + 1, DAY, 6 * DAY, TIMES.idle - 1, TIMES.idle, 80 * DAY),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("end_session"), session: which }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("end_user"), user: which, except: fc.option(which) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("end_all") }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("disable", "enable"), user: which }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("password"), user: which, keep: fc.option(which) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("sweep") }) },
);
type Command = typeof COMMAND extends fc.Arbitrary<infer T> ? T : never;

/** One history: the model and the driver side by side. */
class History {
  readonly #stage: Stage;
  readonly #model = new Model(TIMES);
  readonly #grants = new Map<string, Grant>();
  readonly #heardBefore: number;

  constructor(stage: Stage) {
    this.#stage = stage;
    this.#heardBefore = stage.heard.length;
  }

  async begin(): Promise<void> {
    for (let index = 0; index < USERS; index += 1) {
      const { id } = await this.#stage.user();
      this.#model.users.push({ id, active: true, version: 1 });
    }
  }

  #user(index: number): ModelUser {
    const user = this.#model.users[index % USERS];
    assert(user !== undefined);
    return user;
  }

  #session(index: number, of?: ModelUser): ModelSession | undefined {
    const sessions = this.#model.sessions.filter(({ user }) => of === undefined || user === of);
    return sessions[index % Math.max(1, sessions.length)];
  }

  async run(command: Command): Promise<void> {
    const [expected, actual] = await this.#step(command);
    assert.deepEqual(actual, expected);
    await this.#compare();
  }

  /** What the model says and what the driver does. */
  async #step(command: Command): Promise<readonly [unknown, unknown]> {
    const { clock, store } = this.#stage;
    const model = this.#model;
    const now = clock.now();
    if (command.do === "log_in" && "max" in command) return this.#logIn(command, now);
    if (command.do === "refresh" && "behind" in command) return this.#refresh(command, now);
    if ("ms" in command) return [clock.advance(command.ms), undefined];
    if (command.do === "end_session" && "session" in command) {
      const session = this.#session(command.session);
      if (session === undefined) return [null, null];
      const target = { session: sessionId(session), owner: userId(session.user) };
      return [model.endOne(session, "logout", now), await store.sessions.end(target, "logout", CAUSE)];
    }
    if (command.do === "end_user" && "except" in command) {
      const user = this.#user(command.user);
      const except = command.except === null ? undefined : this.#session(command.except, user);
      const target = { user: userId(user), ...(except && { except: sessionId(except) }) };
      const expected = model.endOfUser(user, except ?? null, "admin", now);
      return [expected, await store.sessions.end(target, "admin", CAUSE)];
    }
    if (command.do === "password" && "keep" in command) {
      const user = this.#user(command.user);
      const keep = command.keep === null ? undefined : this.#session(command.keep, user);
      const outcome = await store.users.change(
        userId(user),
        {
          kind: "set_password",
          password: Buffer.from("hash"),
          credentialVersion: user.version,
          keep: keep === undefined ? null : sessionId(keep),
          keepOthers: false,
        },
        CAUSE,
      );
      return [model.changePassword(user, keep ?? null, now), outcome.ok ? undefined : outcome.refusal];
    }
    if ((command.do === "disable" || command.do === "enable") && "user" in command) {
      const user = this.#user(command.user);
      const outcome = await store.users.change(userId(user), { kind: command.do }, CAUSE);
      if (command.do === "disable") model.disable(user, now);
      else user.active = true;
      return [true, outcome.ok];
    }
    if (command.do === "end_all") {
      await store.sessions.end({ everyone: true }, "admin", CAUSE);
      return [model.endAll("admin", now), undefined];
    }
    // Ended sessions are kept: forgetting them has its own test.
    return [model.sweep(now), void (await store.sessions.sweep(0))];
  }

  async #logIn(command: Extract<Command, { max: number }>, now: number): Promise<readonly [unknown, unknown]> {
    const user = this.#user(command.user);
    const version = command.stale && command.max === 3 ? user.version - 1 : user.version;
    const limit = { max: command.max, action: command.evict ? "evict" : "refuse", per: "user" } as const;
    const logIn = this.#stage.newLogIn(userId(user), { logIn: { credentialVersion: version, limit } });
    const session: ModelSession = {
      id: logIn.session.id,
      user,
      device: logIn.session.device.id,
      began: now,
      made: [{ at: now, proof: null }],
      used: now,
      ended: null,
    };
    const outcome = await this.#stage.store.grants.open(logIn);
    if (outcome.kind === "opened") this.#grants.set(session.id, outcome.standing.grant);
    return [this.#model.logIn(user, version, session, command.max, command.evict, now), outcome.kind];
  }

  async #refresh(command: Extract<Command, { behind: number }>, now: number): Promise<readonly [unknown, unknown]> {
    const session = this.#session(command.session);
    const grant = session && this.#grants.get(session.id);
    if (session === undefined || grant === undefined) return [null, null];
    const generation = Math.max(1, session.made.length - command.behind);
    const device = { none: null, own: session.device, other: "dev_other" }[command.device] ?? null;
    const expected = this.#model.refresh(session, generation, { key: command.key, device }, now);
    const proof = command.key === null ? null : createHash("sha256").update(command.key).digest();
    const presented = { generation, proof, device: device === null ? null : asId("device", device) };
    const outcome = await this.#stage.refresh(grant, presented);
    if (outcome.allow) return [expected, `${outcome.how} ${outcome.standing.grant.generation}`];
    const { refusal } = outcome;
    return [expected, "reason" in refusal ? `${refusal.code} ${refusal.reason}` : refusal.code];
  }

  /** Who is live, how each ended one ended, and what the log says. */
  async #compare(): Promise<void> {
    const now = this.#stage.clock.now();
    const { store } = this.#stage;
    for (const user of this.#model.users) {
      const live = await store.sessions.listLive(userId(user));
      const expected = this.#model.live(user, now);
      assert.deepEqual(live.map(({ id }) => id).sort(), expected.map(({ id }) => id).sort());
      for (const session of live) {
        assert.equal(session.lastSeenAt, expected.find(({ id }) => id === session.id)?.used);
      }
    }
    for (const session of this.#model.sessions) {
      assert.equal((await store.sessions.find(sessionId(session)))?.ended?.reason ?? null, session.ended);
    }
    const ours = new Set<string>([...this.#model.users, ...this.#model.sessions].map(({ id }) => id));
    const heard = this.#stage.heard
      .slice(this.#heardBefore)
      .filter(({ kind, value }) => kind === "all" || ours.has(value));
    // In which order a sweep finds what ran out is the driver's own business.
    assert.deepEqual(heard.map(({ kind, value, reason }) => `${kind} ${value} ${reason}`).sort(), this.#model.sorted());
  }
}

function userId(user: ModelUser): UserId {
  return asId("user", user.id);
}

function sessionId(session: ModelSession): SessionId {
  return asId("session", session.id);
}

export function describeStateMachine(open: Open): void {
  describe("state machine", () => {
    test("any history of log-ins, refreshes, revocations and time answers as the model says", async () => {
      const stage = await Stage.open(open);
      await fc.assert(
        fc.asyncProperty(fc.array(COMMAND, { minLength: 5, maxLength: 40 }), async (commands) => {
          const history = new History(stage);
          await history.begin();
          for (const command of commands) await history.run(command);
        }),
        { numRuns: 60 },
      );
      const entries = await stage.store.revocation.after({ epoch: 0, seq: 0 }, Number.MAX_SAFE_INTEGER);
      assert.deepEqual(
        entries.map(({ seq }) => seq),
        entries.map((_, index) => index + 1),
      );
      assert.deepEqual(entries, stage.heard);
      await stage.store.close();
    });
  });
}
