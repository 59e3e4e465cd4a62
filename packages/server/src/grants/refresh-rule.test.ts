import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { SYSTEM } from "../audit/event.ts";
import { asId } from "../prelude/ids.ts";
import type { Effect } from "../revocation/effects.ts";
import type { Session } from "../sessions/session.ts";
import type { User } from "../users/user.ts";
import type { Grant } from "./grant.ts";
import { decideRefresh, type PresentedRefresh, type RefreshDecision } from "./refresh-rule.ts";

const SECOND = 1000;
const GRACE = 10 * SECOND;
const IDLE = 3600 * SECOND;
const START = 1_800_000_000_000;
const settings = { graceMs: GRACE, idleMs: IDLE };

const user: User = {
  id: asId("user", "usr_1"),
  identifier: "kim",
  identifierKey: "kim",
  name: null,
  state: "active",
  roles: [],
  createdAt: START,
  updatedAt: START,
  password: null,
  credentialVersion: 1,
};
const session: Session = {
  id: asId("session", "ses_1"),
  user: user.id,
  client: asId("client", "app"),
  device: { id: asId("device", "dev_1"), name: "PC", class: "desktop" },
  address: null,
  amr: ["pwd"],
  createdAt: START,
  lastSeenAt: START,
  idleExpiresAt: START + IDLE,
  expiresAt: START + 24 * IDLE,
  ended: null,
};
const grant: Grant = {
  secretId: Buffer.alloc(16, 1),
  id: asId("grant", "grt_1"),
  session: session.id,
  client: session.client,
  scope: [],
  policy: { rotates: true, replayEnds: "session" },
  generation: 7,
  macKey: 3,
  rotatedAt: START,
  proof: Buffer.alloc(32, 7),
  usedAt: START,
  idleExpiresAt: START + IDLE,
  createdAt: START,
  ended: null,
};
const presented: PresentedRefresh = {
  secretId: grant.secretId,
  generation: 7,
  client: session.client,
  proof: null,
  device: null,
  macKey: 4,
  requiredRole: null,
  listSeed: null,
};

interface Case {
  readonly grant?: Partial<Grant>;
  readonly session?: Partial<Session>;
  readonly user?: Partial<User>;
  readonly presented?: Partial<PresentedRefresh>;
  /** Milliseconds since the last rotation. */
  readonly after?: number;
}

function decide(given: Case): RefreshDecision {
  return decideRefresh(
    {
      grant: { ...grant, ...given.grant },
      session: { ...session, ...given.session },
      user: { ...user, ...given.user },
    },
    { ...presented, ...given.presented },
    settings,
    SYSTEM,
    START + (given.after ?? 0),
  );
}

const told = (effects: readonly Effect[]) =>
  effects.map((effect) => (effect.effect === "audit" ? effect.event.name : effect.effect));
const sum = (decision: RefreshDecision) => [
  decision.allow ? decision.how : decision.refusal.code,
  decision.allow ? decision.grant.generation : "reason" in decision.refusal ? decision.refusal.reason : null,
  ...told(decision.effects),
];

const REPLAY = { generation: 6, proof: null, device: null };
const ROWS: readonly (readonly [string, Case, readonly unknown[]])[] = [
  ["the current generation rotates to the next", { after: 60 * SECOND }, ["rotated", 8]],
  [
    "the one before, inside the grace, gets the same successor and rotates nothing",
    { presented: REPLAY, after: GRACE },
    ["repeated", 7],
  ],
  [
    "the one before, later, with the Idempotency-Key of the lost request, gets the same successor",
    { presented: { generation: 6, proof: Buffer.alloc(32, 7) }, after: GRACE + 1 },
    ["recovered", 7, "refresh.recovered"],
  ],
  [
    "the one before, later, from the device that the session began on, gets the same successor",
    { presented: { generation: 6, device: session.device.id }, after: GRACE + 1 },
    ["recovered", 7, "refresh.recovered"],
  ],
  [
    "the one before, later, with another Idempotency-Key, is a replay and ends the session",
    { presented: { generation: 6, proof: Buffer.alloc(32, 8) }, after: GRACE + 1 },
    ["refresh_token_replayed", null, "end_session", "refresh.replayed"],
  ],
  [
    "the one before, later, from another device, is a replay and ends the session",
    { presented: { generation: 6, device: asId("device", "dev_2") }, after: GRACE + 1 },
    ["refresh_token_replayed", null, "end_session", "refresh.replayed"],
  ],
  [
    "the one before, later, without proof, is a replay and ends the session",
    { presented: REPLAY, after: GRACE + 1 },
    ["refresh_token_replayed", null, "end_session", "refresh.replayed"],
  ],
  [
    "where the last rotation stored no proof, no proof is as good as none",
    { grant: { proof: null }, presented: REPLAY, after: GRACE + 1 },
    ["refresh_token_replayed", null, "end_session", "refresh.replayed"],
  ],
  [
    "an OAuth client's replay ends the grant and not the session",
    { grant: { policy: { rotates: true, replayEnds: "grant" } }, presented: REPLAY, after: GRACE + 1 },
    ["refresh_token_replayed", null, "end_grant", "refresh.replayed"],
  ],
  [
    "two generations back is a replay, inside the grace and with proof too",
    { presented: { generation: 5, proof: Buffer.alloc(32, 7), device: session.device.id } },
    ["refresh_token_replayed", null, "end_session", "refresh.replayed"],
  ],
  [
    "a generation above the current one means that the store lost its tail: forward to it, and never a replay",
    { presented: { generation: 12 } },
    ["fast_forwarded", 13, "refresh.fast_forwarded"],
  ],
  [
    "another client's token is none, and its owner's session goes on",
    { presented: { client: asId("client", "other") } },
    ["invalid_refresh_token", null],
  ],
  [
    "another client's replay ends nothing",
    { presented: { ...REPLAY, client: asId("client", "other") }, after: GRACE + 1 },
    ["invalid_refresh_token", null],
  ],
  [
    "an ended session is told why",
    { session: { ended: { at: START, reason: "evicted" } } },
    ["session_ended", "evicted"],
  ],
  [
    "an ended grant is told why",
    { grant: { ended: { at: START, reason: "replayed" } } },
    ["session_ended", "replayed"],
  ],
  [
    "a spent token of an ended session is no second replay",
    { session: { ended: { at: START, reason: "logout" } }, presented: REPLAY, after: GRACE + 1 },
    ["session_ended", "logout"],
  ],
  [
    "a session past its absolute end has expired, however active it was, and is marked",
    { session: { expiresAt: START + 5 }, after: 5 },
    ["session_ended", "expired", "end_session"],
  ],
  [
    "an idle session has expired and is marked",
    { session: { idleExpiresAt: START + IDLE }, after: IDLE },
    ["session_ended", "expired", "end_session"],
  ],
  [
    "an idle grant of a session that another grant keeps alive has expired, and the session lives on",
    { session: { idleExpiresAt: START + 2 * IDLE }, after: IDLE },
    ["session_ended", "expired"],
  ],
  ["a disabled user's session has ended", { user: { state: "disabled" } }, ["session_ended", "user_disabled"]],
  [
    "a role that is asked for and missing is forbidden, and consumes nothing",
    { presented: { requiredRole: "admin" } },
    ["forbidden", null],
  ],
  [
    "a role that is asked for and there rotates",
    { user: { roles: ["admin"] }, presented: { requiredRole: "admin" } },
    ["rotated", 8],
  ],
  [
    "a confidential client does not rotate",
    { grant: { policy: { rotates: false, replayEnds: "grant" } }, after: SECOND },
    ["unrotated", 7],
  ],
  ["a clock that went back is inside the grace", { presented: REPLAY, after: -IDLE }, ["repeated", 7]],
];
for (const [sentence, given, expected] of ROWS) {
  test(sentence, () => assert.deepEqual(sum(decide(given)), expected));
}

test("a rotation stores the proof and the MAC key that came with it, and the session stays alive for the idle time", () => {
  const proof = Buffer.alloc(32, 9);
  const decision = decide({ presented: { proof }, after: SECOND });
  assert.ok(decision.allow);
  const { rotatedAt, usedAt, idleExpiresAt, macKey } = decision.grant;
  assert.deepEqual(
    [rotatedAt, usedAt, idleExpiresAt, macKey, decision.grant.proof],
    [START + SECOND, START + SECOND, START + SECOND + IDLE, 4, proof],
  );
});

test("what changes nothing hands back the same row, so that nothing is written", () => {
  const held = { grant, session, user };
  const repeated = decideRefresh(held, { ...presented, generation: 6 }, settings, SYSTEM, START);
  assert.ok(repeated.allow);
  assert.equal(repeated.grant, grant);
});

/** The server's row, as the store would keep it between decisions. */
class Row {
  now = START;
  grant: Grant = { ...grant, generation: 1, proof: null };
  ended = false;

  /** The generation handed out, or `null` where the refresh was refused. */
  use(generation: number, proof: Buffer | null): number | null {
    const ended = this.ended ? { at: this.now, reason: "replayed" as const } : null;
    const held = { grant: this.grant, session: { ...session, ended, idleExpiresAt: 1e15, expiresAt: 1e15 }, user };
    const { idleMs } = settings;
    const decision = decideRefresh(
      { ...held, grant: { ...this.grant, idleExpiresAt: this.now + idleMs } },
      { ...presented, generation, proof },
      settings,
      SYSTEM,
      this.now,
    );
    if (decision.effects.some(({ effect }) => effect === "end_session")) this.ended = true;
    if (!decision.allow) return null;
    this.grant = decision.grant;
    return decision.grant.generation;
  }
}

const pause = fc.integer({ min: 0, max: 100 * SECOND });
const honestStep = fc.oneof(
  fc.record({ does: fc.constant("refresh"), pause }),
  fc.record({ does: fc.constant("lose the reply"), pause }),
  fc.record({ does: fc.constant("lose the request"), pause }),
  fc.record({ does: fc.constant("many tabs"), pause: fc.nat(GRACE) }),
);

test("an honest client that keeps its Idempotency-Key is never logged out, whatever is lost, retried or parallel", () => {
  fc.assert(
    fc.property(fc.array(honestStep, { maxLength: 60 }), (steps) => {
      const row = new Row();
      let held = 1;
      let attempt = 0;
      let key: Buffer | null = null;
      for (const { does, pause } of steps) {
        row.now += pause;
        // The key is made before the first try of a refresh and kept until its reply has arrived.
        if (key === null) {
          attempt += 1;
          key = Buffer.alloc(32);
          key.writeUInt32BE(attempt);
        }
        if (does === "lose the request") continue;
        const got = row.use(held, key);
        assert.notEqual(got, null);
        if (does === "lose the reply") continue;
        if (does === "many tabs") {
          // Tabs without a common store: each has its own key, and all hold the token of before.
          for (let tab = 0; tab < 5; tab += 1) {
            row.now += GRACE / 5;
            if (row.now - row.grant.rotatedAt <= GRACE) assert.equal(row.use(held, Buffer.alloc(32, 200 + tab)), got);
          }
        }
        held = got ?? held;
        key = null;
      }
      assert.equal(row.ended, false);
    }),
  );
});

test("two holders of one token who both go on are noticed, at the latest when they have diverged by two", () => {
  const move = fc.record({ who: fc.constantFrom("victim", "thief"), pause });
  fc.assert(
    fc.property(fc.array(move, { maxLength: 60 }), (moves) => {
      const row = new Row();
      const held: Record<string, number> = { victim: 1, thief: 1 };
      let attempt = 0;
      for (const { who, pause } of moves) {
        row.now += pause;
        attempt += 1;
        const proof = Buffer.alloc(32);
        proof.writeUInt32BE(attempt);
        const diverged = row.grant.generation - (held[who] ?? 0);
        const got = row.use(held[who] ?? 0, proof);
        if (diverged >= 2) assert.equal(row.ended, true, "two apart");
        if (row.ended) {
          assert.equal(got, null);
          continue;
        }
        held[who] = got ?? 0;
      }
    }),
  );
});

test("once a replay has ended the session, no token of it works again", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(20), pause), { maxLength: 40 }), (tries) => {
      const row = new Row();
      for (const [generation, wait] of tries) {
        row.now += wait;
        const dead = row.ended;
        const got = row.use(generation, null);
        if (dead) assert.equal(got, null);
      }
    }),
  );
});
