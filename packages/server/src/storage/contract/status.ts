/** The contract of status lists: who gets which slot, and what makes it invalid. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Grant, Standing } from "../../grants/grant.ts";
import { newId, type UserId } from "../../prelude/ids.ts";
import { systemWorld } from "../../prelude/world.ts";
import type { Effect } from "../../revocation/effects.ts";
import type { RevocationKind } from "../../revocation/entry.ts";
import { type InvalidSlot, jtiWith, KEPT_MS, OPEN_MS, type Slot } from "../../status/slot.ts";
import { CAUSE, type Open, otherClient, Stage } from "./stage.ts";

const START: InvalidSlot = { epoch: 0, seq: 0, list: 0, idx: 0 };
const listSeed = Buffer.from("a seed of 16 oct");

function slotOf({ slot }: Standing): Slot {
  assert.ok(slot !== null, "the token names a slot");
  return slot;
}

async function logIn(stage: Stage, user: UserId, fields: Parameters<Stage["newLogIn"]>[1] = {}): Promise<Standing> {
  return (await stage.logIn(user, { ...fields, logIn: { ...fields.logIn, listSeed } })).standing;
}

async function refresh(stage: Stage, grant: Grant): Promise<Standing> {
  const used = await stage.refresh(grant, { listSeed });
  assert.ok(used.allow);
  return used.standing;
}

async function invalid(stage: Stage): Promise<readonly Slot[]> {
  return (await stage.store.status.invalid(START, 1000)).map(({ list, idx }) => ({ list, idx }));
}

const revoke = (stage: Stage, kind: RevocationKind, value: string) =>
  stage.store.revocation.apply([{ effect: "revoke", kind, value, reason: "admin" }]);

export function describeStatusStore(open: Open): void {
  describe("status lists", () => {
    test("without a seed nobody has a slot, and no list is opened", async () => {
      const stage = await Stage.open(open);
      const { standing } = await stage.logIn((await stage.user()).id);
      assert.equal(standing.slot, null);
      const used = await stage.refresh(standing.grant);
      assert.equal(used.allow && used.standing.slot, null);
      await revoke(stage, "session", standing.session.id);
      assert.deepEqual([await stage.store.status.lists(), await invalid(stage)], [[], []]);
      await stage.store.close();
    });

    test("a grant keeps its slot as long as the list is open, every grant has another, and the list counts them", async () => {
      const stage = await Stage.open(open);
      const { id } = await stage.user();
      const standings = await Promise.all(Array.from({ length: 20 }, () => logIn(stage, id)));
      const names = standings.map((standing) => `${slotOf(standing).list}.${slotOf(standing).idx}`);
      assert.equal(new Set(names).size, 20);
      const [list, ...others] = await stage.store.status.lists();
      const { epoch } = stage.store.revocation.head();
      const openedAt = stage.clock.now();
      assert.deepEqual(list, { id: openedAt / 1000, epoch, seed: listSeed, used: 20, openedAt, void: false });
      assert.deepEqual(others, []);
      const [first] = standings;
      assert.ok(first !== undefined);
      stage.clock.advance(OPEN_MS - 1);
      const later = await refresh(stage, first.grant);
      assert.deepEqual(later.slot, first.slot);
      stage.clock.advance(1);
      const moved = slotOf(await refresh(stage, later.grant));
      assert.ok(moved.list > slotOf(first).list);
      assert.deepEqual(await invalid(stage), []);
      await stage.store.close();
    });

    test("a clock that goes back gives no list's number twice", async () => {
      const stage = await Stage.open(open);
      const { id } = await stage.user();
      const first = slotOf(await logIn(stage, id));
      stage.clock.advance(-OPEN_MS);
      const second = slotOf(await logIn(stage, id));
      assert.equal(second.list, first.list + 1);
      await stage.store.close();
    });

    test("what ends makes the slots that hang under it invalid, and no other", async () => {
      const stage = await Stage.open(open);
      const [one, other] = [await stage.user(), await stage.user()];
      const bystander = await logIn(stage, other.id);
      const ends: [string, (standing: Standing) => Promise<unknown>][] = [
        ["session", ({ session }) => stage.store.sessions.end({ session: session.id }, "logout", CAUSE)],
        ["grant", ({ grant }) => stage.store.grants.end({ id: grant.id }, "admin", CAUSE)],
        ["user", ({ user }) => stage.store.sessions.end({ user: user.id }, "admin", CAUSE)],
        ["user by name", ({ user }) => revoke(stage, "user", user.id)],
      ];
      const expected: Slot[] = [];
      for (const [name, end] of ends) {
        const standing = await logIn(stage, one.id);
        expected.push(slotOf(standing));
        assert.equal((await invalid(stage)).length, expected.length - 1, name);
        await end(standing);
        assert.deepEqual(await invalid(stage), expected, name);
      }
      assert.ok(!expected.includes(slotOf(bystander)));
      await stage.store.close();
    });

    test("a client's end makes its grants' slots invalid, those of ended grants too", async () => {
      const stage = await Stage.open(open);
      const { id } = await stage.user();
      const client = { id: otherClient("app"), kind: "first_party", name: "App", secretHash: null } as const;
      await stage.store.clients.create({ ...client, scope: [], audience: null, jwks: null, createdAt: 0 }, []);
      const own = await logIn(stage, id);
      const app = await logIn(stage, id, { session: { client: client.id } });
      const revoked: Effect = { effect: "revoke", kind: "client", value: client.id, reason: "client_deleted" };
      await stage.store.clients.delete(client.id, [revoked]);
      assert.deepEqual(await invalid(stage), [slotOf(app)]);
      assert.deepEqual((await refresh(stage, own.grant)).slot, own.slot);
      await stage.store.close();
    });

    test("a token that is taken back by its id takes its slot along, and the next token of the grant has another", async () => {
      const stage = await Stage.open(open);
      const standing = await logIn(stage, (await stage.user()).id);
      await revoke(stage, "token", jtiWith(slotOf(standing), systemWorld.random));
      assert.deepEqual(await invalid(stage), [slotOf(standing)]);
      const next = await refresh(stage, standing.grant);
      assert.notDeepEqual(next.slot, standing.slot);
      // Both, once it ends.
      await stage.store.sessions.end({ session: standing.session.id }, "logout", CAUSE);
      assert.deepEqual(await invalid(stage), [slotOf(standing), slotOf(next)]);
      await stage.store.close();
    });

    test("a token of another kind of id, or of a slot that nobody has, makes nothing invalid", async () => {
      const stage = await Stage.open(open);
      const slot = slotOf(await logIn(stage, (await stage.user()).id));
      for (const jti of ["jti", "x".repeat(32), jtiWith({ ...slot, list: slot.list + 1 }, systemWorld.random)]) {
        await revoke(stage, "token", jti);
      }
      assert.deepEqual(await invalid(stage), []);
      await stage.store.close();
    });

    test("a user who loses a role keeps the session, and gets another slot with the next token", async () => {
      const stage = await Stage.open(open);
      const user = await stage.user({ roles: ["editor"] });
      const standing = await logIn(stage, user.id);
      await stage.store.users.change(user.id, { kind: "set_roles", roles: [] }, CAUSE);
      assert.deepEqual(await invalid(stage), [slotOf(standing)]);
      assert.notDeepEqual((await refresh(stage, standing.grant)).slot, standing.slot);
      await stage.store.close();
    });

    for (const kind of ["all", "key"] as const) {
      test(`an entry of kind ${kind} makes every list void, and who logs in afterwards gets another`, async () => {
        const stage = await Stage.open(open);
        const { id } = await stage.user();
        const before = await logIn(stage, id);
        await revoke(stage, kind, kind === "all" ? "" : "some key");
        assert.deepEqual(
          (await stage.store.status.lists()).map((list) => list.void),
          [true],
        );
        const after = await logIn(stage, id);
        assert.ok(slotOf(after).list > slotOf(before).list);
        assert.deepEqual(
          (await stage.store.status.lists()).map((list) => [list.id, list.void]),
          [
            [slotOf(before).list, true],
            [slotOf(after).list, false],
          ],
        );
        await stage.store.close();
      });
    }

    test("what became invalid is read on from where one was, in the order of the log", async () => {
      const stage = await Stage.open(open);
      const [one, other] = [await stage.user(), await stage.user()];
      const slots: Slot[] = [];
      for (const user of [one, one, one, other]) slots.push(slotOf(await logIn(stage, user.id)));
      await stage.store.sessions.end({ user: other.id }, "admin", CAUSE);
      await stage.store.sessions.end({ user: one.id }, "admin", CAUSE);
      const all = await stage.store.status.invalid(START, 1000);
      assert.deepEqual(
        all.map(({ seq }) => seq),
        [1, 2, 2, 2],
      );
      assert.equal(all[0]?.idx, slots[3]?.idx);
      const indices = all.slice(1).map(({ idx }) => idx);
      assert.deepEqual(
        indices,
        [...indices].sort((a, b) => a - b),
      );
      for (let taken = 0; taken < all.length; taken += 1) {
        const after = all[taken - 1] ?? START;
        assert.deepEqual(await stage.store.status.invalid(after, 2), all.slice(taken, taken + 2));
      }
      await stage.store.close();
    });

    test("a list is forgotten with its slots once no token that names it is alive", async () => {
      const stage = await Stage.open(open);
      const { id } = await stage.user();
      const old = await logIn(stage, id);
      await stage.store.sessions.end({ session: old.session.id }, "logout", CAUSE);
      stage.clock.advance(OPEN_MS);
      const young = await logIn(stage, id);
      stage.clock.advance(KEPT_MS - OPEN_MS);
      const before = stage.clock.now() - KEPT_MS;
      assert.equal(await stage.store.status.prune(before), 0);
      assert.equal((await stage.store.status.lists()).length, 2);
      assert.equal(await stage.store.status.prune(before + 1), 1);
      assert.deepEqual(
        (await stage.store.status.lists()).map((list) => list.id),
        [slotOf(young).list],
      );
      assert.deepEqual(await invalid(stage), []);
      await stage.store.close();
    });

    test("a thousand slots are forgotten in slices", async () => {
      const stage = await Stage.open(open);
      const { id } = await stage.user();
      await Promise.all(Array.from({ length: 1000 }, () => logIn(stage, id)));
      assert.equal(await stage.store.status.prune(stage.clock.now() + 1), 1000);
      assert.deepEqual(await stage.store.status.lists(), []);
      const again = await logIn(stage, id);
      assert.ok(slotOf(again).idx >= 0);
      await stage.store.close();
    });

    test("a session that nobody has ever seen makes nothing invalid", async () => {
      const stage = await Stage.open(open);
      await logIn(stage, (await stage.user()).id);
      await revoke(stage, "session", newId("session", systemWorld.random));
      assert.deepEqual(await invalid(stage), []);
      await stage.store.close();
    });
  });
}
