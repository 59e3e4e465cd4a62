/** Many at once, through the whole server: who wins must not depend on luck, whichever engine holds the data. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { World } from "../../packages/server/src/prelude/world.ts";
import type { ConfigInput } from "../../packages/server/src/settings/config.ts";
import { openPostgres } from "../../packages/server/src/storage/postgres/postgres.ts";
import type { Storage } from "../../packages/server/src/storage/storage.ts";
import { type Postgres, startPostgres, withoutPostgres } from "../components/postgres.ts";
import { type Answer, list, object, openStage, PASSWORD, type Stage, type Tokens, text, tokensOf } from "../stage.ts";

const GRACE = 10_000;
const folder = mkdtempSync(join(tmpdir(), "mapae-races-"));
after(() => rmSync(folder, { recursive: true, force: true }));

async function served(server: Postgres, world: World): Promise<Storage> {
  const limits = { password: null, connections: 10, timeoutMs: 20_000 };
  return openPostgres({ url: await server.schema(), ...limits, clock: world.clock }, world);
}

const count = (answers: readonly Answer[], status: number) =>
  answers.filter((answer) => answer.status === status).length;

const skip = withoutPostgres();
const postgres = skip === false ? await startPostgres({ settings: { fsync: "off" } }) : null;
after(() => postgres?.remove());

for (const engine of ["memory", "sqlite", "postgres"] as const) {
  describe(engine, { skip: engine === "postgres" && skip }, () => {
    let files = 0;
    const open = (settings: ConfigInput = {}): Promise<Stage> => {
      files += 1;
      const databaseUrl = engine === "memory" ? "memory:" : `sqlite:${join(folder, `${files}.db`)}`;
      return openStage({
        ...(postgres !== null && engine === "postgres" && { open: (world) => served(postgres, world) }),
        settings: { databaseUrl, secret: "s".repeat(40), rateLimit: "off", loginFloor: "0", ...settings },
      });
    };
    /** So many parallel log-ins of one user, whatever they are answered. */
    const storm = (stage: Stage, times: number, name = "kim"): Promise<Answer[]> => {
      const body = { identifier: name, password: PASSWORD };
      return Promise.all(Array.from({ length: times }, () => stage.call("POST", "/v1/sessions", { body })));
    };
    const liveOf = async (stage: Stage, { access }: Tokens): Promise<readonly unknown[]> =>
      list((await stage.call("GET", "/v1/sessions", { token: access })).body.sessions).map(({ id }) => id);

    let stage: Stage;
    before(async () => {
      stage = await open();
      await stage.signUp("kim");
    });
    after(() => stage.close());

    test("of 200 parallel refreshes of one token all get the same successor, and one generation is consumed", async () => {
      const { refresh } = await stage.logIn("kim");
      const answers = await Promise.all(Array.from({ length: 200 }, () => stage.refresh(refresh)));
      assert.equal(count(answers, 200), 200);
      const successors = new Set(answers.map(({ body }) => text(body.refresh_token)));
      assert.equal(successors.size, 1);
      const [successor = ""] = successors;
      const generationOf = (token: string) => Buffer.from(token, "base64url").readUInt32BE(21);
      assert.equal(generationOf(successor), generationOf(refresh) + 1);
      const jtis = new Set(answers.map(({ body }) => text(body.access_token)));
      assert.equal(jtis.size, 200, "each has an access token of its own");
      assert.equal((await stage.refresh(successor)).status, 200);
    });

    test("of 200 parallel refreshes after the window, without proof, none succeeds and the session is over", async () => {
      const tokens = await stage.logIn("kim");
      await stage.refresh(tokens.refresh);
      stage.advance(GRACE + 1);
      const answers = await Promise.all(Array.from({ length: 200 }, () => stage.refresh(tokens.refresh)));
      assert.equal(count(answers, 401), 200);
      assert.equal(answers.filter(({ body }) => body.code === "refresh_token_replayed").length, 1, "noticed once");
      assert.equal((await stage.call("GET", "/v1/me", { token: tokens.access })).body.reason, "replayed");
    });

    test("of 50 parallel retries with the Idempotency-Key of the lost request, all get its successor", async () => {
      const { refresh } = await stage.logIn("kim");
      const headers = { "idempotency-key": "kept-before-it-was-sent" };
      const lost = text((await stage.refresh(refresh, { headers })).body.refresh_token);
      stage.advance(3_600_000);
      const answers = await Promise.all(Array.from({ length: 50 }, () => stage.refresh(refresh, { headers })));
      assert.deepEqual(new Set(answers.map(({ body }) => body.refresh_token)), new Set([lost]));
    });

    test("thief and victim at the same moment after the window: the session never survives", async () => {
      const { refresh } = await stage.logIn("kim");
      const current = text((await stage.refresh(refresh)).body.refresh_token);
      stage.advance(GRACE + 1);
      await Promise.all([stage.refresh(refresh), stage.refresh(current)]);
      const after = await stage.refresh(current);
      assert.equal(after.status, 401);
    });

    test("a log-out racing a refresh wins: whatever the refresh was answered, nothing lives on", async () => {
      for (let round = 0; round < 10; round += 1) {
        const { access, refresh } = await stage.logIn("kim");
        const [renewed] = await Promise.all([
          stage.refresh(refresh),
          stage.call("DELETE", "/v1/sessions/current", { token: access }),
        ]);
        if (renewed.status === 200) {
          const token = text(renewed.body.access_token);
          assert.equal((await stage.call("GET", "/v1/me", { token })).body.reason, "logout");
          assert.equal((await stage.refresh(text(renewed.body.refresh_token))).body.reason, "logout");
        } else assert.equal(renewed.body.reason, "logout");
      }
    });

    test("disabling a user races refreshes and log-ins: nothing of them lives on", async () => {
      const admin = await stage.admin();
      for (let round = 0; round < 3; round += 1) {
        const name = `disabled-${round}`;
        const id = await stage.signUp(name);
        const { refresh } = await stage.logIn(name);
        const [, renewed, entered] = await Promise.all([
          stage.call("PATCH", `/v1/admin/users/${id}`, { token: admin, body: { state: "disabled" } }),
          stage.refresh(refresh),
          Promise.all(Array.from({ length: 5 }, () => storm(stage, 1, name))),
        ]);
        for (const answer of [renewed, ...entered.flat()]) {
          if (answer.status >= 400) continue;
          const token = text(answer.body.access_token);
          assert.equal((await stage.call("GET", "/v1/me", { token })).body.reason, "user_disabled");
          assert.equal((await stage.refresh(text(answer.body.refresh_token))).body.reason, "user_disabled");
        }
        const { items } = await stage.storage.sessions.list({ live: true }, { limit: 200, after: null });
        assert.equal(items.filter(({ user }) => user === id).length, 0);
      }
    });

    test("a password change racing log-ins with the earlier password: none of them lives on", async () => {
      for (let round = 0; round < 3; round += 1) {
        const name = `changed-${round}`;
        await stage.signUp(name);
        const here = await stage.logIn(name);
        const body = { current_password: PASSWORD, new_password: "another horse, three batteries" };
        const [changed, entered] = await Promise.all([
          stage.call("POST", "/v1/me/password", { token: here.access, body }),
          storm(stage, 8, name),
        ]);
        assert.equal(changed.status, 204);
        const live = await liveOf(stage, here);
        assert.deepEqual(live, [here.session], "only the one that asked");
        for (const answer of entered.filter(({ status }) => status === 201)) {
          const { access } = tokensOf(answer);
          assert.equal((await stage.call("GET", "/v1/me", { token: access })).body.reason, "password_changed");
        }
      }
    });

    test("two password changes at once: one wins, and its password is the one that works", async () => {
      await stage.signUp("twice");
      const { access } = await stage.logIn("twice");
      const passwords = ["first horse, one battery", "second horse, two saddles"];
      const answers = await Promise.all(
        passwords.map((next) =>
          stage.call("POST", "/v1/me/password", {
            token: access,
            body: { current_password: PASSWORD, new_password: next },
          }),
        ),
      );
      assert.deepEqual(answers.map(({ status }) => status).sort(), [204, 401]);
      const winner = passwords[answers.findIndex(({ status }) => status === 204)] ?? "";
      for (const password of [...passwords, PASSWORD]) {
        const tried = await stage.call("POST", "/v1/sessions", { body: { identifier: "twice", password } });
        assert.equal(tried.status, password === winner ? 201 : 401);
      }
    });

    test("of 20 parallel sign-ups with one name in different spellings, one succeeds", async () => {
      const spellings = ["Same.Name", "same.name", " SAME.NAME ", "ｓａｍｅ.name"];
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, at) =>
          stage.call("POST", "/v1/users", { body: { identifier: spellings[at % 4], password: PASSWORD } }),
        ),
      );
      assert.deepEqual([count(answers, 201), count(answers, 409)], [1, 19]);
    });

    test("rotating the signing key under traffic refuses no token", async () => {
      const admin = await stage.admin("rotator");
      const tokens = await stage.logIn("kim");
      let { refresh } = tokens;
      let rotating = true;
      const rotate = (async () => {
        for (let time = 0; time < 5; time += 1) {
          await stage.call("POST", "/v1/admin/keys/rotate", { token: admin, body: { now: true } });
        }
        rotating = false;
      })();
      do {
        // Memory answers without a pause: keys are made on other threads, which must get a word in.
        await new Promise((turned) => setImmediate(turned));
        const renewed = await stage.refresh(refresh);
        assert.equal(renewed.status, 200);
        refresh = text(renewed.body.refresh_token);
        assert.equal((await stage.call("GET", "/v1/me", { token: text(renewed.body.access_token) })).status, 200);
        assert.equal((await stage.call("GET", "/v1/me", { token: tokens.access })).status, 200);
      } while (rotating);
      await rotate;
    });

    test("100 parallel log-ins with limit 1 leave exactly one live session; every other was told evicted", async () => {
      const limited = await open({ sessionLimit: "1" });
      await limited.signUp("kim");
      const answers = await storm(limited, 100);
      const entered = answers.filter(({ status }) => status === 201).map(tokensOf);
      assert.equal(entered.length, 100);
      const states = await Promise.all(entered.map(({ access }) => limited.call("GET", "/v1/me", { token: access })));
      assert.equal(count(states, 200), 1);
      assert.equal(states.filter(({ body }) => body.reason === "evicted").length, 99);
      const winner = entered[states.findIndex(({ status }) => status === 200)];
      assert.ok(winner);
      assert.deepEqual(await liveOf(limited, winner), [winner.session]);
      const renewed = await Promise.all(entered.map(({ refresh }) => limited.refresh(refresh)));
      assert.deepEqual([count(renewed, 200), renewed.filter(({ body }) => body.reason === "evicted").length], [1, 99]);
      await limited.close();
    });

    test("20 parallel log-ins where the limit refuses: as many as it allows get in, the others see those", async () => {
      const limited = await open({ sessionLimit: "3", sessionLimitAction: "refuse" });
      await limited.signUp("kim");
      const answers = await storm(limited, 20);
      assert.deepEqual([count(answers, 201), count(answers, 409)], [3, 17]);
      const live = new Set(answers.filter(({ status }) => status === 201).map((answer) => tokensOf(answer).session));
      for (const refused of answers.filter(({ status }) => status === 409)) {
        assert.deepEqual(new Set(list(refused.body.sessions).map(({ id }) => id)), live);
      }
      await limited.close();
    });

    test("ten log-ins that all name the same session to end: one takes its place", async () => {
      const limited = await open({ sessionLimit: "1", sessionLimitAction: "ask" });
      await limited.signUp("kim");
      const first = await limited.logIn("kim");
      const body = { identifier: "kim", password: PASSWORD, end_session: first.session };
      const answers = await Promise.all(
        Array.from({ length: 10 }, () => limited.call("POST", "/v1/sessions", { body })),
      );
      assert.deepEqual([count(answers, 201), count(answers, 409)], [1, 9]);
      await limited.close();
    });

    test("limits per device class and per client hold beside each other", async () => {
      const phone =
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1";
      const pc =
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36";
      const byDevice = await open({ sessionLimit: "1", sessionLimitPer: "device_class" });
      await byDevice.signUp("kim");
      const on = (agent: string) => byDevice.logIn("kim", { headers: { "user-agent": agent } });
      const [one, other] = await Promise.all([on(phone), on(pc)]);
      assert.deepEqual(new Set(await liveOf(byDevice, one)), new Set([one.session, other.session]));
      const next = await on(phone);
      assert.equal((await byDevice.refresh(one.refresh)).body.reason, "evicted");
      assert.deepEqual(new Set(await liveOf(byDevice, next)), new Set([next.session, other.session]));
      await byDevice.close();

      const byClient = await open({ sessionLimit: "1", sessionLimitPer: "client" });
      const admin = await byClient.admin();
      const app = { id: "phone-app", kind: "first_party", name: "Phone" };
      assert.equal((await byClient.call("POST", "/v1/admin/clients", { token: admin, body: app })).status, 201);
      await byClient.signUp("kim");
      const web = await byClient.logIn("kim");
      const mobile = await byClient.logIn("kim", { body: { client_id: "phone-app" } });
      assert.equal((await byClient.call("GET", "/v1/me", { token: web.access })).status, 200);
      const again = await byClient.logIn("kim", { body: { client_id: "phone-app" } });
      assert.equal((await byClient.refresh(mobile.refresh, {}, { client_id: "phone-app" })).body.reason, "evicted");
      assert.deepEqual(new Set(await liveOf(byClient, again)), new Set([web.session, again.session]));
      assert.equal(object((await byClient.call("GET", "/v1/me", { token: web.access })).body.session).id, web.session);
      await byClient.close();
    });
  });
}
