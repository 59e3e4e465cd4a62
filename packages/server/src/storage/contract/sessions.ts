/** The contract of sessions: ending one, some or all; the list; the sweep. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { newId } from "../../prelude/ids.ts";
import { systemWorld } from "../../prelude/world.ts";
import { CAUSE, DAY, FIRST_PAGE, type Open, SECOND, SESSION_MS, SETTINGS, Stage } from "./stage.ts";

export function describeSessionStore(open: Open): void {
  describe("sessions", () => {
    test("ending a session revokes it once, keeps the reason, and refuses its refresh token", async () => {
      const stage = await Stage.open(open);
      const user = await stage.user();
      const { standing } = await stage.logIn(user.id);
      assert.equal(await stage.store.sessions.end({ session: standing.session.id }, "logout", CAUSE), 1);
      assert.equal(await stage.store.sessions.end({ session: standing.session.id }, "admin", CAUSE), 0);
      assert.deepEqual(
        stage.heard.map(({ kind, value, reason }) => [kind, value, reason]),
        [["session", standing.session.id, "logout"]],
      );
      assert.deepEqual(await stage.refresh(standing.grant), {
        allow: false,
        refusal: { code: "session_ended", reason: "logout" },
      });
      assert.deepEqual(await stage.store.sessions.listLive(user.id), []);
      assert.equal((await stage.events("session.ended")).length, 1);
      await stage.store.close();
    });

    test("another user's session counts as not there", async () => {
      const stage = await Stage.open(open);
      const { standing } = await stage.logIn((await stage.user()).id);
      const thief = await stage.user();
      const target = { session: standing.session.id, owner: thief.id };
      assert.equal(await stage.store.sessions.end(target, "logout", CAUSE), 0);
      assert.equal(
        await stage.store.sessions.end({ session: newId("session", systemWorld.random) }, "logout", CAUSE),
        0,
      );
      assert((await stage.refresh(standing.grant)).allow);
      assert.deepEqual(stage.heard, []);
      await stage.store.close();
    });

    test("all sessions of a user end with one entry; all but one with an entry each", async () => {
      const stage = await Stage.open(open);
      const user = await stage.user();
      const held = [];
      for (let index = 0; index < 3; index += 1) held.push((await stage.logIn(user.id)).standing.session.id);
      const [kept] = held;
      assert(kept !== undefined);
      assert.equal(await stage.store.sessions.end({ user: user.id, except: kept }, "logout", CAUSE), 2);
      assert.deepEqual(stage.heard.map(({ value }) => value).sort(), held.slice(1).sort());
      assert.deepEqual(
        (await stage.store.sessions.listLive(user.id)).map(({ id }) => id),
        [kept],
      );
      assert.equal(await stage.store.sessions.end({ user: user.id }, "logout", CAUSE), 1);
      assert.deepEqual([stage.heard.at(-1)?.kind, stage.heard.at(-1)?.value], ["user", user.id]);
      await stage.store.close();
    });

    test("everyone's sessions end with one entry, and logging in again works in the same millisecond", async () => {
      const stage = await Stage.open(open);
      const users = [await stage.user(), await stage.user()];
      const held = [];
      for (const user of users) held.push(await stage.logIn(user.id));
      assert.equal(await stage.store.sessions.end({ everyone: true }, "admin", CAUSE), 2);
      assert.deepEqual(
        stage.heard.map(({ kind, value }) => [kind, value]),
        [["all", ""]],
      );
      for (const { standing } of held) assert(!(await stage.refresh(standing.grant)).allow);
      const again = await stage.logIn(users[0]?.id ?? newId("user", systemWorld.random));
      assert.deepEqual(again.standing.position, stage.store.revocation.head());
      assert((await stage.refresh(again.standing.grant)).allow);
      await stage.store.close();
    });

    test("a session whose time ran out ends as expired, whoever ends it", async () => {
      const stage = await Stage.open(open);
      const user = await stage.user();
      const { standing } = await stage.logIn(user.id);
      stage.clock.advance(SESSION_MS);
      await stage.store.sessions.end({ user: user.id }, "admin", CAUSE);
      assert.equal((await stage.store.sessions.find(standing.session.id))?.ended?.reason, "expired");
      await stage.store.close();
    });

    test("the list is newest first, and of one user or only live ones where asked", async () => {
      const stage = await Stage.open(open);
      const users = [await stage.user(), await stage.user()];
      const ids: string[] = [];
      for (let index = 0; index < 4; index += 1) {
        const user = users[index % 2];
        assert(user !== undefined);
        ids.unshift((await stage.logIn(user.id)).standing.session.id);
        stage.clock.advance(SECOND);
      }
      const [newest, , , oldest] = ids;
      assert(newest !== undefined && oldest !== undefined && users[0] !== undefined);
      const session = await stage.store.sessions.find(oldest as never);
      await stage.store.sessions.end({ session: session?.id ?? (oldest as never) }, "logout", CAUSE);
      const listed = async (filter: Parameters<typeof stage.store.sessions.list>[0]) =>
        (await stage.store.sessions.list(filter, FIRST_PAGE)).items.map(({ id }) => id);
      assert.deepEqual(await listed({}), ids);
      assert.deepEqual(await listed({ live: true }), ids.slice(0, 3));
      assert.deepEqual(await listed({ user: users[0].id }), [ids[1], ids[3]]);
      assert.deepEqual(await listed({ user: users[0].id, live: true }), [ids[1]]);
      stage.clock.advance(SETTINGS.idleMs);
      assert.deepEqual(await listed({ live: true }), []);
      await stage.store.close();
    });

    test("the sweep marks what ran out, forgets what ended long ago, and leaves the living", async () => {
      const stage = await Stage.open(open);
      const user = await stage.user();
      const old = await stage.logIn(user.id);
      stage.clock.advance(SETTINGS.idleMs);
      const fresh = await stage.logIn(user.id);
      assert.equal(await stage.store.sessions.sweep(stage.clock.now() - DAY), 0);
      const marked = await stage.store.sessions.find(old.standing.session.id);
      assert.deepEqual(marked?.ended, { at: stage.clock.now(), reason: "expired" });
      assert.deepEqual(
        stage.heard.map(({ kind, reason }) => [kind, reason]),
        [["session", "expired"]],
      );
      stage.clock.advance(2 * DAY);
      assert.equal(await stage.store.sessions.sweep(stage.clock.now() - DAY), 1);
      assert.equal(await stage.store.sessions.find(old.standing.session.id), undefined);
      const refused = { allow: false, refusal: { code: "invalid_refresh_token" } };
      assert.deepEqual(await stage.refresh(old.standing.grant), refused);
      assert((await stage.refresh(fresh.standing.grant)).allow);
      await stage.store.close();
    });

    test("a session that was used outlives the sweep, and ends by a later one", async () => {
      const stage = await Stage.open(open);
      const user = await stage.user();
      const { standing } = await stage.logIn(user.id);
      stage.clock.advance(SETTINGS.idleMs - 1);
      assert((await stage.refresh(standing.grant)).allow);
      stage.clock.advance(SETTINGS.idleMs - 1);
      await stage.store.sessions.sweep(0);
      assert.equal((await stage.store.sessions.listLive(user.id)).length, 1);
      stage.clock.advance(1);
      await stage.store.sessions.sweep(0);
      assert.equal((await stage.store.sessions.find(standing.session.id))?.ended?.reason, "expired");
      await stage.store.close();
    });

    test("the sweep works through more sessions than one slice has", async () => {
      const stage = await Stage.open(open);
      const user = await stage.user();
      const count = 1203;
      await Promise.all(Array.from({ length: count }, () => stage.logIn(user.id)));
      stage.clock.advance(SESSION_MS);
      assert.equal(await stage.store.sessions.sweep(stage.clock.now()), 0);
      assert.equal(stage.heard.length, count);
      stage.clock.advance(SECOND);
      assert.equal(await stage.store.sessions.sweep(stage.clock.now()), count);
      assert.equal((await stage.store.sessions.list({}, FIRST_PAGE)).items.length, 0);
      await stage.store.close();
    });
  });
}
