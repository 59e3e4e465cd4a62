/** The contract of receivers: what another provider's event did and that it was taken are one step, and nothing is taken twice. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { draft } from "../../audit/event.ts";
import { newId } from "../../prelude/ids.ts";
import { systemWorld } from "../../prelude/world.ts";
import { audit } from "../../revocation/effects.ts";
import { beginReceiver, MOST_RECEIVERS, type Receiver, type ReceiverDraft } from "../../ssf/receiver.ts";
import { CAUSE, DAY, type Open, Stage } from "./stage.ts";

const CHANGED = audit(draft("ssf.receiver_changed", CAUSE));

function wish(fields: Partial<ReceiverDraft> = {}): ReceiverDraft {
  return {
    id: newId("receiver", systemWorld.random),
    issuer: "https://idp.example",
    facts: {
      jwksUri: "https://idp.example/jwks.json",
      configurationEndpoint: null,
      verificationEndpoint: "https://idp.example/verify",
      criticalMembers: ["tenant"],
    },
    stream: { id: "f67e39", audience: ["a", "b"], pollUrl: "https://idp.example/poll", made: true },
    credential: { dataKey: 3, sealed: Buffer.from([0, 255, 1]) },
    pushHash: Buffer.from([9, 0, 8]),
    domains: ["example.com", "예.kr"],
    disables: true,
    ...fields,
  };
}

async function made(stage: Stage, fields: Partial<ReceiverDraft> = {}): Promise<Receiver> {
  const receiver = await stage.store.receivers.create(wish(fields), []);
  if (receiver === "too_many") throw new Error(receiver);
  return receiver;
}

export function describeReceiverStore(open: Open): void {
  describe("receivers", () => {
    test("a receiver is there as it was made, and unknown ones are not found", async () => {
      const stage = await Stage.open(open);
      const plan = wish();
      const receiver = await stage.store.receivers.create(plan, [audit(draft("ssf.receiver_added", CAUSE))]);
      assert.deepEqual(receiver, beginReceiver(plan, stage.clock.now()));
      stage.clock.advance(1);
      const bare = await made(stage, { credential: null, pushHash: null, domains: [], disables: false });
      assert.deepEqual(await stage.store.receivers.list(), [receiver, bare]);
      assert.deepEqual(await stage.store.receivers.find(plan.id), receiver);
      const stranger = wish().id;
      assert.equal(await stage.store.receivers.find(stranger), undefined);
      assert.equal(await stage.store.receivers.note(stranger, { note: "heard" }, [CHANGED]), undefined);
      assert.equal(await stage.store.receivers.delete(stranger, [CHANGED]), false);
      assert.deepEqual(await stage.events(), ["ssf.receiver_added"]);
      await stage.store.close();
    });

    test("what is noted of it is there, all of it", async () => {
      const stage = await Stage.open(open);
      const { id } = await made(stage);
      stage.clock.advance(5000);
      const { note, find } = stage.store.receivers;
      const stateHash = Buffer.from([1, 2, 0]);
      await note(id, { note: "asked", stateHash }, []);
      const asked = await note(id, { note: "failed", failure: "unreachable", jitter: 0 }, []);
      assert.deepEqual([asked?.asked, asked?.failures], [{ at: stage.clock.now(), stateHash }, 1]);
      assert.deepEqual(await find(id), asked);
      await note(id, { note: "rejected", failure: "invalid_key" }, []);
      const status = await note(id, { note: "status", status: "paused" }, []);
      assert.deepEqual([status?.rejected, status?.streamStatus, status?.heardAt], [1, "paused", stage.clock.now()]);
      assert.deepEqual(await find(id), status);
      const verified = await note(id, { note: "verified" }, []);
      assert.deepEqual([verified?.asked, verified?.verifiedAt], [null, stage.clock.now()]);
      const settings = { domains: [], disables: false, state: "paused" } as const;
      const changed = await note(id, { note: "settings", settings }, [CHANGED]);
      assert.deepEqual(await find(id), { ...changed, ...settings });
      assert.deepEqual(await stage.events(), ["ssf.receiver_changed"]);
      await stage.store.close();
    });

    test("an event's name is remembered in the step that does what it asks for, once, for each receiver", async () => {
      const stage = await Stage.open(open);
      const [one, other] = [await made(stage), await made(stage)];
      const { id } = await stage.user();
      const log = await stage.logIn(id);
      const take = { effect: "take_event", receiver: one.id, jti: "jti-김", as: "event" } as const;
      const end = { effect: "end_sessions_of_user", user: id, except: null, reason: "reported" } as const;
      await Promise.all([1, 2].map(() => stage.store.revocation.apply([end, take])));
      assert.equal((await stage.store.sessions.find(log.standing.session.id))?.ended?.reason, "reported");
      const noted = await stage.store.receivers.find(one.id);
      const now = stage.clock.now();
      assert.deepEqual([noted?.events, noted?.unmatched, noted?.eventAt, noted?.heardAt], [1, 0, now, now]);
      await stage.store.revocation.apply([{ ...take, jti: "of nobody", as: "unmatched" }]);
      const counted = await stage.store.receivers.find(one.id);
      assert.deepEqual([counted?.events, counted?.unmatched], [2, 1]);
      await stage.store.receivers.note(one.id, { note: "verified" }, [
        { ...take, jti: "of the stream", as: "control" },
      ]);
      assert.equal((await stage.store.receivers.find(one.id))?.events, 2);
      assert.equal(await stage.store.receivers.hasTaken(one.id, "of the stream"), true);
      assert.equal(await stage.store.receivers.hasTaken(one.id, "jti-김"), true);
      assert.equal(await stage.store.receivers.hasTaken(one.id, "jti"), false);
      assert.equal(await stage.store.receivers.hasTaken(other.id, "jti-김"), false);
      const nobody = { effect: "take_event", receiver: wish().id, jti: "x", as: "event" } as const;
      await stage.store.revocation.apply([nobody]);
      await stage.store.close();
    });

    test("names are forgotten by age alone, and with their receiver", async () => {
      const stage = await Stage.open(open);
      const { id } = await made(stage);
      const take = (jti: string) =>
        stage.store.revocation.apply([{ effect: "take_event", receiver: id, jti, as: "event" }]);
      await take("old");
      stage.clock.advance(DAY);
      await take("new");
      assert.equal(await stage.store.receivers.forget(stage.clock.now()), 1);
      assert.equal(await stage.store.receivers.hasTaken(id, "old"), false);
      assert.equal(await stage.store.receivers.hasTaken(id, "new"), true);
      assert.equal((await stage.store.receivers.find(id))?.events, 2);
      assert.equal(await stage.store.receivers.delete(id, []), true);
      assert.equal(await stage.store.receivers.hasTaken(id, "new"), false);
      assert.equal(await stage.store.receivers.forget(Number.MAX_SAFE_INTEGER), 0);
      await stage.store.close();
    });

    test("there are only so many", async () => {
      const stage = await Stage.open(open);
      for (let count = 0; count < MOST_RECEIVERS; count += 1) await made(stage);
      assert.equal(await stage.store.receivers.create(wish(), [CHANGED]), "too_many");
      assert.deepEqual(await stage.events(), []);
      await stage.store.close();
    });
  });
}
