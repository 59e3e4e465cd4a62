/** What must hold when many ask at once, and what a caller can never do to the store. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { UserChange } from "../../users/user.ts";
import { CAUSE, type Open, OWN_CLIENT, Stage } from "./stage.ts";

export function describeRaces(open: Open): void {
  describe("races", () => {
    test("of 200 parallel refreshes of one token, one rotates and all get the same successor", async () => {
      const stage = await Stage.open(open);
      const { standing } = await stage.logIn((await stage.user()).id);
      const outcomes = await Promise.all(Array.from({ length: 200 }, () => stage.refresh(standing.grant)));
      const how = outcomes.map((outcome) => (outcome.allow ? outcome.how : outcome.refusal.code));
      assert.equal(how.filter((each) => each === "rotated").length, 1);
      assert.equal(how.filter((each) => each === "repeated").length, 199);
      assert(outcomes.every((outcome) => outcome.allow && outcome.standing.grant.generation === 2));
      await stage.store.close();
    });

    test("100 parallel log-ins with limit 1 leave exactly one live session", async () => {
      const stage = await Stage.open(open);
      const user = await stage.user();
      const limit = { max: 1, action: "evict", per: "user" } as const;
      const opened = await Promise.all(Array.from({ length: 100 }, () => stage.logIn(user.id, { logIn: { limit } })));
      const live = await stage.store.sessions.listLive(user.id);
      assert.equal(live.length, 1);
      const outcomes = await Promise.all(opened.map(({ standing }) => stage.refresh(standing.grant)));
      assert.equal(outcomes.filter(({ allow }) => allow).length, 1);
      assert.equal(stage.heard.length, 99);
      await stage.store.close();
    });

    test("100 parallel log-ins with a limit that refuses let exactly as many in as there is room", async () => {
      const stage = await Stage.open(open);
      const user = await stage.user();
      const limit = { max: 3, action: "refuse", per: "user" } as const;
      const outcomes = await Promise.all(
        Array.from({ length: 100 }, () => stage.store.grants.open(stage.newLogIn(user.id, { logIn: { limit } }))),
      );
      assert.equal(outcomes.filter(({ kind }) => kind === "opened").length, 3);
      assert.equal((await stage.store.sessions.listLive(user.id)).length, 3);
      await stage.store.close();
    });

    test("a password change beats every log-in that verified the old password", async () => {
      const stage = await Stage.open(open);
      const user = await stage.user();
      const wish: UserChange = {
        kind: "set_password",
        password: Buffer.from("new"),
        credentialVersion: 1,
        keep: null,
        keepOthers: false,
      };
      const logIns = (count: number) =>
        Array.from({ length: count }, () => stage.store.grants.open(stage.newLogIn(user.id)));
      const outcomes = await Promise.all([
        ...logIns(20),
        stage.store.users.change(user.id, wish, CAUSE).then(() => null),
        ...logIns(20),
      ]);
      assert.deepEqual(await stage.store.sessions.listLive(user.id), []);
      for (const outcome of outcomes) {
        if (outcome?.kind === "opened") assert(!(await stage.refresh(outcome.standing.grant)).allow);
      }
      await stage.store.close();
    });

    test("a refresh beside a revocation never outlives it", async () => {
      const stage = await Stage.open(open);
      const user = await stage.user();
      for (let round = 0; round < 10; round += 1) {
        const { standing } = await stage.logIn(user.id);
        const [outcome] = await Promise.all([
          stage.refresh(standing.grant),
          stage.store.sessions.end({ user: user.id }, "logout", CAUSE),
        ]);
        const entry = stage.heard.at(-1);
        assert(entry !== undefined);
        // What was issued was issued at an earlier position, so the entry kills it.
        if (outcome.allow) assert(outcome.standing.position.seq < entry.seq);
        assert(!(await stage.refresh({ ...standing.grant, generation: 2 })).allow);
      }
      await stage.store.close();
    });

    test("of parallel password changes that name one version, one succeeds", async () => {
      const stage = await Stage.open(open);
      const user = await stage.user();
      const outcomes = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          stage.store.users.change(
            user.id,
            { kind: "upgrade_hash", password: Buffer.from(`${index}`), credentialVersion: 1 },
            CAUSE,
          ),
        ),
      );
      assert(outcomes.every(({ ok }) => ok));
      const changes = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          stage.store.users.change(
            user.id,
            {
              kind: "set_password",
              password: Buffer.from(`${index}`),
              credentialVersion: 1,
              keep: null,
              keepOthers: true,
            },
            CAUSE,
          ),
        ),
      );
      assert.equal(changes.filter(({ ok }) => ok).length, 1);
      assert.equal((await stage.store.users.find(user.id))?.credentialVersion, 2);
      await stage.store.close();
    });
  });

  describe("what a caller holds", () => {
    test("changing what was given to the store or got from it changes nothing in it", async () => {
      const stage = await Stage.open(open);
      await stage.store.clients.create(OWN_CLIENT, []);
      const given = stage.newUser({ password: Buffer.from("hash"), roles: ["admin"] });
      const pending = stage.store.users.create(given, []);
      given.password?.fill(0);
      await pending;
      const got = await stage.store.users.find(given.id);
      assert.deepEqual(got?.password, Buffer.from("hash"));
      assert(got !== undefined);
      got.password?.fill(0);
      try {
        (got.roles as string[]).push("intruder");
      } catch {
        // A frozen list is as good an answer.
      }
      const again = await stage.store.users.find(given.id);
      assert.deepEqual(again?.password, Buffer.from("hash"));
      assert.deepEqual(again?.roles, ["admin"]);
      const { standing } = await stage.logIn(given.id);
      const secretId = Buffer.from(standing.grant.secretId);
      standing.grant.secretId.fill(0);
      assert((await stage.refresh({ ...standing.grant, secretId })).allow);
      await stage.store.close();
    });

    test("the engine says that it answers", async () => {
      const stage = await Stage.open(open);
      await stage.store.check();
      await stage.store.close();
    });
  });
}
