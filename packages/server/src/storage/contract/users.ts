/** The contract of users: unique names, one change at a time, and what ends with a change. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { draft } from "../../audit/event.ts";
import { newId } from "../../prelude/ids.ts";
import { systemWorld } from "../../prelude/world.ts";
import { audit } from "../../revocation/effects.ts";
import type { UserChange } from "../../users/user.ts";
import { CAUSE, FIRST_PAGE, type Open, SECOND, Stage } from "./stage.ts";

export function describeUserStore(open: Open): void {
  describe("users", () => {
    test("a user is found as it was made, by id and by its key", async () => {
      const stage = await Stage.open(open);
      const user = stage.newUser({ roles: ["admin", "글쓴이"], name: null });
      const made = audit(draft("user.created", CAUSE, { user: user.id }));
      assert.equal(await stage.store.users.create(user, [made]), "created");
      assert.deepEqual(await stage.store.users.find(user.id), user);
      assert.deepEqual(await stage.store.users.findByIdentifier(user.identifierKey ?? ""), user);
      assert.equal(await stage.store.users.findByIdentifier("nobody"), undefined);
      assert.equal(await stage.store.users.find(newId("user", systemWorld.random)), undefined);
      assert.deepEqual(await stage.events(), ["user.created"]);
      await stage.store.close();
    });

    test("of many parallel creations of one name, one succeeds and the others have no effect", async () => {
      const stage = await Stage.open(open);
      const made = audit(draft("user.created", CAUSE));
      const outcomes = await Promise.all(
        Array.from({ length: 50 }, () => stage.store.users.create(stage.newUser({ identifierKey: "kim" }), [made])),
      );
      assert.equal(outcomes.filter((outcome) => outcome === "created").length, 1);
      assert.equal((await stage.store.users.list({}, FIRST_PAGE)).items.length, 1);
      assert.deepEqual(await stage.events(), ["user.created"]);
      await stage.store.close();
    });

    test("a deleted user's name is free again, and nothing personal is left", async () => {
      const stage = await Stage.open(open);
      const user = await stage.user({ identifierKey: "kim" });
      await stage.store.users.change(user.id, { kind: "delete" }, CAUSE);
      const left = await stage.store.users.find(user.id);
      assert.equal(left?.state, "deleted");
      assert.deepEqual([left?.identifier, left?.identifierKey, left?.name, left?.password], [null, null, null, null]);
      assert.equal(await stage.store.users.create(stage.newUser({ identifierKey: "kim" }), []), "created");
      const again = await stage.store.users.change(user.id, { kind: "enable" }, CAUSE);
      assert.deepEqual(again, { ok: false, refusal: "not_found" });
      await stage.store.close();
    });

    for (const wish of [{ kind: "disable" }, { kind: "delete" }] as const) {
      test(`${wish.kind}: every session ends with one entry for the user, and enabling revives none`, async () => {
        const stage = await Stage.open(open);
        const user = await stage.user();
        const other = await stage.logIn((await stage.user()).id);
        const held = [await stage.logIn(user.id), await stage.logIn(user.id)];
        assert((await stage.store.users.change(user.id, wish, CAUSE)).ok);
        assert.deepEqual(
          stage.heard.map(({ kind, value, reason }) => [kind, value, reason]),
          [["user", user.id, "user_disabled"]],
        );
        await stage.store.users.change(user.id, { kind: "enable" }, CAUSE);
        for (const { standing } of held) {
          const refused = { allow: false, refusal: { code: "session_ended", reason: "user_disabled" } };
          assert.deepEqual(await stage.refresh(standing.grant), refused);
        }
        assert((await stage.refresh(other.standing.grant)).allow);
        await stage.store.close();
      });
    }

    test("a password change spares the session that asked and revokes the others one by one", async () => {
      const stage = await Stage.open(open);
      const user = await stage.user();
      const mine = await stage.logIn(user.id);
      const theirs = await stage.logIn(user.id);
      const wish: UserChange = {
        kind: "set_password",
        password: Buffer.from("new hash"),
        credentialVersion: 1,
        keep: mine.standing.session.id,
        keepOthers: false,
      };
      const outcome = await stage.store.users.change(user.id, wish, CAUSE);
      assert(outcome.ok);
      assert.equal(outcome.user.credentialVersion, 2);
      assert.deepEqual(outcome.user.password, wish.password);
      assert.deepEqual(
        stage.heard.map(({ kind, value, reason }) => [kind, value, reason]),
        [["session", theirs.standing.session.id, "password_changed"]],
      );
      assert((await stage.refresh(mine.standing.grant)).allow);
      assert.deepEqual(await stage.store.users.change(user.id, wish, CAUSE), { ok: false, refusal: "conflict" });
      await stage.store.close();
    });

    test("ends of sessions that another store holds are written with the change of the password, or not at all", async () => {
      const stage = await Stage.open(open);
      const user = await stage.user();
      const { standing } = await stage.logIn(user.id);
      const elsewhere = {
        effect: "revoke",
        kind: "session",
        value: "ses_elsewhere",
        reason: "password_changed",
      } as const;
      const wish: UserChange = {
        kind: "set_password",
        password: Buffer.from("new hash"),
        credentialVersion: 1,
        keep: standing.session.id,
        keepOthers: false,
        also: [elsewhere],
      };
      assert((await stage.store.users.change(user.id, wish, CAUSE)).ok);
      assert(!(await stage.store.users.change(user.id, wish, CAUSE)).ok);
      assert.deepEqual(
        stage.heard.map(({ kind, value }) => [kind, value]),
        [["session", "ses_elsewhere"]],
      );
      await stage.store.close();
    });

    test("a change of roles ends no session, but the access tokens issued before it", async () => {
      const stage = await Stage.open(open);
      const user = await stage.user();
      const { standing } = await stage.logIn(user.id);
      await stage.store.users.change(user.id, { kind: "set_roles", roles: ["admin"] }, CAUSE);
      assert.deepEqual(
        stage.heard.map(({ kind, value, reason }) => [kind, value, reason]),
        [["user", user.id, "roles_changed"]],
      );
      const outcome = await stage.refresh(standing.grant);
      assert(outcome.allow);
      assert.deepEqual(outcome.standing.user.roles, ["admin"]);
      assert.deepEqual(outcome.standing.position, stage.store.revocation.head());
      await stage.store.close();
    });

    test("an unknown user cannot be changed", async () => {
      const stage = await Stage.open(open);
      const nobody = newId("user", systemWorld.random);
      const outcome = await stage.store.users.change(nobody, { kind: "disable" }, CAUSE);
      assert.deepEqual(outcome, { ok: false, refusal: "not_found" });
      assert.deepEqual(stage.heard, []);
      await stage.store.close();
    });

    test("lists are oldest first, by state and beginning, and hide the deleted", async () => {
      const stage = await Stage.open(open);
      const made = [];
      for (const key of ["kim", "kim2", "lee", "k%m", "k"]) {
        made.push(await stage.user({ identifierKey: key }));
        stage.clock.advance(SECOND);
      }
      await stage.store.users.change(
        made[1]?.id ?? made[0]?.id ?? newId("user", systemWorld.random),
        { kind: "disable" },
        CAUSE,
      );
      await stage.store.users.change(made[4]?.id ?? newId("user", systemWorld.random), { kind: "delete" }, CAUSE);
      const keys = async (filter: Parameters<typeof stage.store.users.list>[0]) =>
        (await stage.store.users.list(filter, FIRST_PAGE)).items.map(({ identifierKey }) => identifierKey);
      assert.deepEqual(await keys({}), ["kim", "kim2", "lee", "k%m"]);
      assert.deepEqual(await keys({ startsWith: "kim" }), ["kim", "kim2"]);
      assert.deepEqual(await keys({ startsWith: "k%" }), ["k%m"]);
      assert.deepEqual(await keys({ state: "disabled" }), ["kim2"]);
      assert.deepEqual(await keys({ state: "deleted" }), [null]);
      await stage.store.close();
    });
  });
}
