/**
 * The contract of live stores (live/live-store.ts), beside what the storage contract asks of a storage with one: what is
 * begun and confirmed, the usual refresh held against the rule, changes that lost a race, and the log carried out.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { SYSTEM } from "../../audit/event.ts";
import type { Grant } from "../../grants/grant.ts";
import { decideRefresh, type PresentedRefresh } from "../../grants/refresh-rule.ts";
import { newId, type UserId } from "../../prelude/ids.ts";
import { systemWorld, type World } from "../../prelude/world.ts";
import type { Position, RevocationEntry } from "../../revocation/entry.ts";
import type { Session } from "../../sessions/session.ts";
import type { LiveGrant, LiveStore } from "../live/live-store.ts";
import { Cast, DAY, otherClient, SECOND, SETTINGS } from "./stage.ts";

export type OpenLive = (world: World) => Promise<LiveStore>;
type Begun = Omit<LiveGrant, "revision">;

const at = (seq: number): Position => ({ epoch: 5, seq });

class LiveStage extends Cast {
  readonly live: LiveStore;

  constructor(live: LiveStore, cast: Cast) {
    super(cast.clock);
    this.live = live;
  }

  static async open(open: OpenLive): Promise<LiveStage> {
    const cast = new Cast();
    return new LiveStage(await open({ clock: cast.clock, random: systemWorld.random }), cast);
  }

  begun(user: UserId, born = at(1), fields: { session?: Partial<Session>; grant?: Partial<Grant> } = {}): Begun {
    const { session, grant } = this.newLogIn(user, fields);
    const account = { roles: ["editor", "글쓴이"], at: born };
    return { session, grant, born, grantBorn: born, credentialVersion: 3, account };
  }

  async opened(user: UserId, born = at(1), fields: Parameters<LiveStage["begun"]>[2] = {}): Promise<Begun> {
    const begun = this.begun(user, born, fields);
    assert(await this.live.begin(begun, null));
    assert(await this.live.confirm(begun.session.id));
    return begun;
  }

  entry(seq: number, kind: RevocationEntry["kind"], value: string, fields: Partial<RevocationEntry> = {}) {
    const about = { reason: "admin", at: this.clock.now(), expires: 0, audience: null, grant: null } as const;
    return { ...at(seq), kind, value, ...about, ...fields };
  }

  async endOf({ session }: Begun): Promise<string | null | undefined> {
    const { found } = await this.live.session(session.id);
    return found && (found.session.ended?.reason ?? null);
  }
}

const someone = () => newId("user", systemWorld.random);

/** @param open opens a fresh, empty live store with the clock given */
export function describeLiveStore(name: string, open: OpenLive): void {
  describe(`live store: ${name}`, () => {
    test("what was begun is there whole, by every way to it", async () => {
      const stage = await LiveStage.open(open);
      const begun = await stage.opened(someone(), at(7), { grant: { proof: systemWorld.random.bytes(32) } });
      const { grant, grantBorn, ...session } = begun;
      const now = stage.clock.now();
      const whole = { ...session, grant, grantBorn, revision: 0 };
      assert.deepEqual(await stage.live.grant(grant.secretId), { now, found: whole });
      assert.deepEqual(await stage.live.grantById(grant.id), { now, found: whole });
      assert.deepEqual(await stage.live.session(session.session.id), { now, found: session });
      assert.deepEqual((await stage.live.unended(session.session.user)).found, [session]);
      assert.deepEqual((await stage.live.list(null, null, 5)).found, [session]);
      assert.equal(await stage.live.countUnended(), 1);
      assert.deepEqual(await stage.live.grant(Buffer.alloc(16)), { now, found: undefined });
      await stage.live.close();
    });

    test("a session begins among those it was decided on, or not at all", async () => {
      const stage = await LiveStage.open(open);
      const user = someone();
      const first = await stage.opened(user);
      stage.clock.advance(SECOND);
      const second = stage.begun(user);
      assert.equal(await stage.live.begin(second, []), false);
      assert.equal((await stage.live.session(second.session.id)).found, undefined);
      assert.equal(await stage.live.begin(second, [first.session.id]), true);
      const third = stage.begun(user);
      assert.equal(await stage.live.begin(third, [first.session.id]), false);
      assert.equal(await stage.live.begin(third, [second.session.id, first.session.id]), true);
      await stage.live.discard(second.session.id);
      assert.equal(await stage.live.confirm(second.session.id), false);
      assert.equal(await stage.live.confirm(third.session.id), true);
      const there = (await stage.live.unended(user)).found.map(({ session }) => session.id);
      assert.deepEqual(there, [third.session.id, first.session.id]);
      assert.deepEqual((await stage.live.grant(second.grant.secretId)).found, undefined);
      assert.deepEqual((await stage.live.grantById(second.grant.id)).found, undefined);
      await stage.live.close();
    });

    test("the usual refresh is what the rule says, and every other is left to the rule", async () => {
      const stage = await LiveStage.open(open);
      const client = otherClient("own");
      const moment = fc.constantFrom(-DAY, -1, 0, 1, SECOND, SETTINGS.graceMs, DAY);
      const arbitrary = fc.record({
        generation: fc.integer({ min: 1, max: 5 }),
        presented: fc.integer({ min: 1, max: 6 }),
        rotates: fc.boolean(),
        idle: moment,
        expires: moment,
        rotated: moment,
        own: fc.boolean(),
        proof: fc.option(fc.uint8Array({ minLength: 32, maxLength: 32 })),
        ends: fc.constantFrom("neither", "neither", "neither", "session", "grant"),
        wait: fc.constantFrom(0, 1, SECOND),
      });
      await fc.assert(
        fc.asyncProperty(arbitrary, async (given) => {
          const now = stage.clock.now();
          const begun = await stage.opened(someone(), at(1), {
            session: { client, expiresAt: now + DAY + given.expires },
            grant: {
              client,
              generation: given.generation,
              policy: { rotates: given.rotates, replayEnds: "grant" },
              rotatedAt: now - given.rotated,
              idleExpiresAt: now + DAY + given.idle,
            },
          });
          const { secretId, id } = begun.grant;
          if (given.ends === "session") {
            await stage.live.end([{ id: begun.session.id, ended: { at: now, reason: "logout" } }]);
          } else if (given.ends === "grant") {
            const from = (await stage.live.position()) ?? at(1);
            await stage.live.settle(from, [stage.entry(from.seq + 1, "grant", id)]);
          }
          stage.clock.advance(given.wait);
          const presented: PresentedRefresh = {
            ...stage.presented(begun.grant, { generation: given.presented, macKey: 9 }),
            client: given.own ? client : otherClient("another"),
            proof: given.proof === null ? null : Buffer.from(given.proof),
          };
          const before = (await stage.live.grant(secretId)).found;
          assert(before !== undefined);
          const user = { id: before.session.user, state: "active", roles: [] } as const;
          const decision = decideRefresh({ ...before, user }, presented, SETTINGS, SYSTEM, stage.clock.now());
          const usual = decision.allow && (decision.how === "rotated" || decision.how === "unrotated");
          const used = await stage.live.use(presented, SETTINGS);
          assert.equal(used.now, stage.clock.now());
          assert.deepEqual(used.before, usual ? before.grant : null);
          assert.deepEqual(used.found?.grant, usual ? decision.grant : before.grant);
          assert.equal(used.found?.revision, before.revision + (usual ? 1 : 0));
          assert.deepEqual((await stage.live.grant(secretId)).found, used.found);
        }),
        { numRuns: 300 },
      );
      await stage.live.close();
    });

    test("of changes decided on one state, one is written; what has ended is not", async () => {
      const stage = await LiveStage.open(open);
      const { grant, session } = await stage.opened(someone());
      const held = (await stage.live.grant(grant.secretId)).found;
      assert(held !== undefined);
      const wish: LiveGrant = { ...held, grant: { ...held.grant, generation: 9, proof: Buffer.alloc(32, 1) } };
      const outcomes = await Promise.all([stage.live.write(wish), stage.live.write(wish)]);
      assert.deepEqual(outcomes.sort(), [false, true]);
      const account = { roles: [], at: at(4) };
      const after = (await stage.live.grant(grant.secretId)).found;
      assert.deepEqual(after, { ...wish, revision: 1 });
      assert.equal(await stage.live.write({ ...wish, revision: 1, account }), true);
      assert.deepEqual((await stage.live.session(session.id)).found?.account, account);
      await stage.live.end([{ id: session.id, ended: { at: 1, reason: "logout" } }]);
      assert.equal(await stage.live.write({ ...wish, revision: 2 }), false);
      await stage.live.close();
    });

    test("each kind of entry ends what began before it, once, and what ran out before ran out", async () => {
      const stage = await LiveStage.open(open);
      const [one, other] = [someone(), someone()];
      const born = [1, 4, 6].map((seq) => stage.opened(one, at(seq)));
      const [early, middle, late] = await Promise.all(born);
      assert(early !== undefined && middle !== undefined && late !== undefined);
      const named = await stage.opened(other, at(1));
      const spared = await stage.opened(other, at(1));
      const ends = () => Promise.all([early, middle, late, named, spared].map((each) => stage.endOf(each)));
      assert.deepEqual(await stage.live.settle(at(1), []), at(1));
      const entries = [
        stage.entry(2, "user", one, { reason: "roles_changed" }),
        stage.entry(3, "user", one, { reason: "logout" }),
        stage.entry(5, "session", named.session.id, { reason: "evicted" }),
        stage.entry(6, "grant", spared.grant.id),
        stage.entry(7, "token", "jti"),
      ];
      assert.deepEqual(await stage.live.settle(at(1), entries), at(7));
      assert.deepEqual(await ends(), ["logout", null, null, "evicted", null]);
      assert.equal((await stage.live.grantById(spared.grant.id)).found?.grant.ended?.reason, "admin");
      stage.clock.advance(SETTINGS.idleMs);
      assert.deepEqual(await stage.live.settle(at(7), [stage.entry(8, "user", one)]), at(8));
      assert.deepEqual(await ends(), ["logout", "expired", "expired", "evicted", null]);
      assert.deepEqual(await stage.live.settle(at(8), [stage.entry(9, "all", ""), stage.entry(10, "all", "")]), at(10));
      assert.deepEqual(await ends(), ["logout", "expired", "expired", "evicted", "expired"]);
      assert.equal(await stage.live.countUnended(), 0);
      await stage.live.close();
    });

    test("entries are carried out once and in their order, whoever brings them, and a gap is told", async () => {
      const stage = await LiveStage.open(open);
      const { live } = stage;
      const session = await stage.opened(someone());
      assert.equal(await live.position(), null);
      assert.deepEqual(await live.settle(at(2), []), at(2));
      assert.deepEqual(await live.position(), at(2));
      const end = stage.entry(4, "session", session.session.id);
      assert.deepEqual(await live.settle(at(3), [end]), at(2));
      assert.equal(await stage.endOf(session), null);
      assert.deepEqual(await live.settle(at(2), [stage.entry(3, "client", "x"), end]), at(4));
      const again = stage.entry(4, "session", session.session.id, { reason: "logout" });
      assert.deepEqual(await live.settle(at(0), [again]), at(4));
      assert.equal(await stage.endOf(session), "admin");
      assert.deepEqual(await live.settle(at(4), [{ ...stage.entry(1, "client", "x"), epoch: 6 }]), {
        epoch: 6,
        seq: 1,
      });
      await live.close();
    });

    test("what ran out is given to one node at a time, and what was used since is not", async () => {
      const stage = await LiveStage.open(open);
      const user = someone();
      const used = await stage.opened(user);
      const idle = await stage.opened(user);
      stage.clock.advance(SETTINGS.idleMs - 1);
      assert.notEqual((await stage.live.use(stage.presented(used.grant), SETTINGS)).before, null);
      stage.clock.advance(1);
      const due = async () => (await stage.live.due(10)).found.map(({ session }) => session.id);
      assert.deepEqual(await due(), [idle.session.id]);
      stage.clock.advance(10 * DAY);
      const ended = { at: stage.clock.now(), reason: "expired" } as const;
      await stage.live.end([{ id: idle.session.id, ended }]);
      await stage.live.end([{ id: idle.session.id, ended: { ...ended, reason: "admin" } }]);
      assert.deepEqual((await stage.live.session(idle.session.id)).found?.session.ended, ended);
      assert.deepEqual(await due(), []);
      assert.equal(await stage.live.forget(stage.clock.now(), 10), 0);
      assert.equal(await stage.live.forget(stage.clock.now() + 1, 10), 1);
      assert.equal((await stage.live.session(idle.session.id)).found, undefined);
      assert.deepEqual((await stage.live.list(user, null, 10)).found.length, 1);
      await stage.live.close();
    });
  });
}
