/** The contract of log-in and refresh: every row of the rules, as a driver must apply it. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import { newId } from "../../prelude/ids.ts";
import { systemWorld } from "../../prelude/world.ts";
import type { SessionLimit } from "../../sessions/limit.ts";
import { CAUSE, DAY, type Open, otherClient, SECOND, SESSION_MS, SETTINGS, Stage } from "./stage.ts";

const proofOf = (key: string) => createHash("sha256").update(key).digest();
const ONE: SessionLimit = { max: 1, action: "evict", per: "user" };

export function describeGrantStore(open: Open): void {
  describe("log-in", () => {
    test("a log-in returns the standing that it wrote, and the log's position before it", async () => {
      const stage = await Stage.open(open);
      const user = await stage.user();
      const logIn = stage.newLogIn(user.id);
      const outcome = await stage.store.grants.open(logIn);
      assert(outcome.kind === "opened");
      assert.deepEqual(outcome.standing.session, logIn.session);
      assert.deepEqual(outcome.standing.grant, logIn.grant);
      assert.deepEqual(outcome.standing.user, user);
      assert.deepEqual(outcome.standing.position, stage.store.revocation.head());
      assert.deepEqual(await stage.store.sessions.find(logIn.session.id), logIn.session);
      assert.deepEqual(await stage.events(), ["login.succeeded"]);
      await stage.store.close();
    });

    test("a log-in with a credential version that changed meanwhile begins nothing", async () => {
      const stage = await Stage.open(open);
      const user = await stage.user({ credentialVersion: 2 });
      const stale = stage.newLogIn(user.id, { logIn: { credentialVersion: 1 } });
      assert.deepEqual(await stage.store.grants.open(stale), { kind: "stale_credential" });
      assert.equal(await stage.store.sessions.find(stale.session.id), undefined);
      const disabled = await stage.user({ state: "disabled" });
      assert.equal((await stage.store.grants.open(stage.newLogIn(disabled.id))).kind, "stale_credential");
      const nobody = stage.newLogIn(newId("user", systemWorld.random));
      assert.equal((await stage.store.grants.open(nobody)).kind, "stale_credential");
      assert.deepEqual(await stage.events(), []);
      await stage.store.close();
    });

    test("at the limit the oldest session is evicted, revoked by name, and told why", async () => {
      const stage = await Stage.open(open);
      const user = await stage.user();
      const first = await stage.logIn(user.id, { logIn: { limit: { ...ONE, max: 2 } } });
      stage.clock.advance(SECOND);
      await stage.logIn(user.id, { logIn: { limit: { ...ONE, max: 2 } } });
      stage.clock.advance(SECOND);
      const third = await stage.logIn(user.id, { logIn: { limit: { ...ONE, max: 2 } } });
      assert.deepEqual(third.evicted, [first.standing.session.id]);
      assert.equal((await stage.store.sessions.listLive(user.id)).length, 2);
      const ended = await stage.store.sessions.find(first.standing.session.id);
      assert.deepEqual(ended?.ended, { at: stage.clock.now(), reason: "evicted" });
      assert.deepEqual(
        stage.heard.map(({ kind, value, reason }) => ({ kind, value, reason })),
        [{ kind: "session", value: first.standing.session.id, reason: "evicted" }],
      );
      assert.deepEqual(await stage.refresh(first.standing.grant), {
        allow: false,
        refusal: { code: "session_ended", reason: "evicted" },
      });
      await stage.store.close();
    });

    test("a limit that refuses lists the devices and begins nothing; the chosen one makes room", async () => {
      const stage = await Stage.open(open);
      const user = await stage.user();
      const held = await stage.logIn(user.id);
      const asked: SessionLimit = { max: 1, action: "ask", per: "user" };
      const refused = await stage.store.grants.open(stage.newLogIn(user.id, { logIn: { limit: asked } }));
      assert(refused.kind === "session_limit");
      assert.deepEqual(
        refused.sessions.map(({ id }) => id),
        [held.standing.session.id],
      );
      assert.equal((await stage.events("login.limited")).length, 1);
      const chosen = await stage.logIn(user.id, { logIn: { limit: asked, chosen: held.standing.session.id } });
      assert.deepEqual(chosen.evicted, [held.standing.session.id]);
      await stage.store.close();
    });

    test("sessions that ended or ran out leave room under the limit", async () => {
      const stage = await Stage.open(open);
      const user = await stage.user();
      const refuse: SessionLimit = { max: 1, action: "refuse", per: "user" };
      const first = await stage.logIn(user.id, { logIn: { limit: refuse } });
      await stage.store.sessions.end({ session: first.standing.session.id }, "logout", CAUSE);
      await stage.logIn(user.id, { logIn: { limit: refuse } });
      stage.clock.advance(SETTINGS.idleMs);
      await stage.logIn(user.id, { logIn: { limit: refuse } });
      await stage.store.close();
    });
  });

  describe("refresh", () => {
    test("the current generation rotates: one row changes, and the session was seen", async () => {
      const stage = await Stage.open(open);
      const { standing } = await stage.logIn((await stage.user()).id);
      stage.clock.advance(DAY);
      const proof = proofOf("request 1");
      const outcome = await stage.refresh(standing.grant, { proof, macKey: 7 });
      assert(outcome.allow);
      assert.equal(outcome.how, "rotated");
      const now = stage.clock.now();
      const expected = { rotatedAt: now, usedAt: now, idleExpiresAt: now + SETTINGS.idleMs };
      assert.deepEqual(outcome.standing.grant, { ...standing.grant, ...expected, generation: 2, macKey: 7, proof });
      const session = { ...standing.session, lastSeenAt: now, idleExpiresAt: now + SETTINGS.idleMs };
      assert.deepEqual(outcome.standing.session, session);
      assert.deepEqual(await stage.store.sessions.find(session.id), session);
      assert.deepEqual(await stage.events(), ["login.succeeded"]);
      await stage.store.close();
    });

    test("the previous generation inside the grace gets the same successor, to the letter", async () => {
      const stage = await Stage.open(open);
      const { standing } = await stage.logIn((await stage.user()).id);
      const first = await stage.refresh(standing.grant, { macKey: 7 });
      stage.clock.advance(SETTINGS.graceMs);
      const again = await stage.refresh(standing.grant, { macKey: 8 });
      assert(first.allow && again.allow);
      assert.equal(again.how, "repeated");
      assert.deepEqual(again.standing.grant, first.standing.grant);
      await stage.store.close();
    });

    test("after the grace, the Idempotency-Key of the lost request or the device gets the successor", async () => {
      const stage = await Stage.open(open);
      const { standing } = await stage.logIn((await stage.user()).id);
      const proof = proofOf("persisted before it was sent");
      const lost = await stage.refresh(standing.grant, { proof });
      stage.clock.advance(DAY);
      for (const fields of [{ proof }, { device: standing.session.device.id }]) {
        const outcome = await stage.refresh(standing.grant, fields);
        assert(lost.allow && outcome.allow);
        assert.equal(outcome.how, "recovered");
        assert.deepEqual(outcome.standing.grant, lost.standing.grant);
      }
      assert.equal((await stage.events("refresh.recovered")).length, 2);
      await stage.store.close();
    });

    for (const [title, fields] of [
      ["without proof", {}],
      ["with another request's key", { proof: proofOf("another") }],
      ["from another device", { device: newId("device", systemWorld.random) }],
    ] as const) {
      test(`replaying the previous token after the grace ${title} ends the session of thief and victim`, async () => {
        const stage = await Stage.open(open);
        const { standing } = await stage.logIn((await stage.user()).id);
        const victim = await stage.refresh(standing.grant, { proof: proofOf("one") });
        stage.clock.advance(SETTINGS.graceMs + 1);
        const thief = await stage.refresh(standing.grant, fields);
        assert.deepEqual(thief, { allow: false, refusal: { code: "refresh_token_replayed" } });
        assert(victim.allow);
        const gone = { allow: false, refusal: { code: "session_ended", reason: "replayed" } };
        assert.deepEqual(await stage.refresh(victim.standing.grant), gone);
        assert.deepEqual(await stage.refresh(standing.grant), gone);
        assert.deepEqual(
          stage.heard.map(({ kind, value }) => [kind, value]),
          [["session", standing.session.id]],
        );
        await stage.store.close();
      });
    }

    test("a token two generations old is a replay even inside the grace", async () => {
      const stage = await Stage.open(open);
      const { standing } = await stage.logIn((await stage.user()).id);
      await stage.refresh(standing.grant);
      await stage.refresh({ ...standing.grant, generation: 2 });
      const outcome = await stage.refresh(standing.grant, { device: standing.session.device.id });
      assert.deepEqual(outcome, { allow: false, refusal: { code: "refresh_token_replayed" } });
      await stage.store.close();
    });

    test("a replay at a client whose replay ends the grant leaves the session alive", async () => {
      const stage = await Stage.open(open);
      const user = await stage.user();
      const { standing } = await stage.logIn(user.id, { grant: { policy: { rotates: true, replayEnds: "grant" } } });
      await stage.refresh(standing.grant);
      stage.clock.advance(DAY);
      await stage.refresh(standing.grant);
      assert.deepEqual(await stage.refresh({ ...standing.grant, generation: 2 }), {
        allow: false,
        refusal: { code: "session_ended", reason: "replayed" },
      });
      assert.deepEqual(
        stage.heard.map(({ kind, value }) => [kind, value]),
        [["grant", standing.grant.id]],
      );
      assert.equal((await stage.store.sessions.listLive(user.id)).length, 1);
      await stage.store.close();
    });

    test("a generation above the stored one means a lost tail: fast-forward, never replay", async () => {
      const stage = await Stage.open(open);
      const { standing } = await stage.logIn((await stage.user()).id);
      const outcome = await stage.refresh(standing.grant, { generation: 9 });
      assert(outcome.allow);
      assert.equal(outcome.how, "fast_forwarded");
      assert.equal(outcome.standing.grant.generation, 10);
      assert.equal((await stage.events("refresh.fast_forwarded")).length, 1);
      await stage.store.close();
    });

    test("a grant that does not rotate keeps its generation and knows no other", async () => {
      const stage = await Stage.open(open);
      const fields = { grant: { policy: { rotates: false, replayEnds: "grant" } as const } };
      const { standing } = await stage.logIn((await stage.user()).id, fields);
      stage.clock.advance(DAY);
      const outcome = await stage.refresh(standing.grant);
      assert(outcome.allow);
      assert.equal(outcome.how, "unrotated");
      assert.equal(outcome.standing.grant.generation, 1);
      assert.equal(outcome.standing.grant.usedAt, stage.clock.now());
      const refused = await stage.refresh(standing.grant, { generation: 2 });
      assert.deepEqual(refused, { allow: false, refusal: { code: "invalid_refresh_token" } });
      await stage.store.close();
    });

    test("another client's token, and one that names no grant, are no tokens", async () => {
      const stage = await Stage.open(open);
      const { standing } = await stage.logIn((await stage.user()).id);
      const invalid = { allow: false, refusal: { code: "invalid_refresh_token" } };
      assert.deepEqual(await stage.refresh(standing.grant, { client: otherClient("thief") }), invalid);
      assert.deepEqual(await stage.refresh(standing.grant, { secretId: systemWorld.random.bytes(16) }), invalid);
      assert((await stage.refresh(standing.grant)).allow);
      await stage.store.close();
    });

    test("a role that the user lacks refuses, and rotates nothing", async () => {
      const stage = await Stage.open(open);
      const { standing } = await stage.logIn((await stage.user({ roles: ["editor"] })).id);
      const refused = await stage.refresh(standing.grant, { requiredRole: "admin" });
      assert.deepEqual(refused, { allow: false, refusal: { code: "forbidden" } });
      const allowed = await stage.refresh(standing.grant, { requiredRole: "editor" });
      assert(allowed.allow);
      assert.equal(allowed.how, "rotated");
      await stage.store.close();
    });

    test("idle and absolute expiry refuse, mark the session, and a clock set back does not revive it", async () => {
      const stage = await Stage.open(open);
      const user = await stage.user();
      const idle = await stage.logIn(user.id);
      const expired = { allow: false, refusal: { code: "session_ended", reason: "expired" } };
      stage.clock.advance(SETTINGS.idleMs);
      assert.deepEqual(await stage.refresh(idle.standing.grant), expired);
      stage.clock.advance(-SETTINGS.idleMs);
      assert.deepEqual(await stage.refresh(idle.standing.grant), expired);

      let { grant } = (await stage.logIn(user.id)).standing;
      for (let left = SESSION_MS; left > 0; left -= 10 * DAY) {
        const outcome = await stage.refresh(grant);
        assert(outcome.allow);
        grant = outcome.standing.grant;
        stage.clock.advance(10 * DAY);
      }
      assert.deepEqual(await stage.refresh(grant), expired);
      await stage.store.close();
    });
  });
}
