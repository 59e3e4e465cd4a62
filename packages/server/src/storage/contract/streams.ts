/** The contract of event streams: signals are queued with their cause, and wait for each stream until it is done with them. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { draft } from "../../audit/event.ts";
import { asId, newId, type StreamId, type UserId } from "../../prelude/ids.ts";
import { systemWorld } from "../../prelude/world.ts";
import { audit } from "../../revocation/effects.ts";
import { signalName } from "../../ssf/progress.ts";
import type { Due } from "../../ssf/store.ts";
import {
  beginStream,
  MOST_STREAMS,
  MOST_STREAMS_OF_CLIENT,
  type Stream,
  type StreamChange,
  type StreamDraft,
  WINDOW,
} from "../../ssf/stream.ts";
import { CAUSE, DAY, type Open, OWN_CLIENT, otherClient, SECOND, Stage } from "./stage.ts";

const CHANGED = audit(draft("ssf.stream_changed", CAUSE));

function wish(fields: Partial<StreamDraft> = {}): StreamDraft {
  return {
    id: newId("stream", systemWorld.random),
    client: newId("client", systemWorld.random),
    defaultSubjects: "ALL",
    naming: "iss_sub",
    delivery: { method: "poll" },
    requested: null,
    description: null,
    ...fields,
  };
}

async function made(stage: Stage, fields: Partial<StreamDraft> = {}): Promise<Stream> {
  const stream = await stage.store.streams.create(wish(fields), []);
  if (stream === "too_many") throw new Error(stream);
  return stream;
}

async function due(stage: Stage, { id }: Pick<Stream, "id">, limit = 1000): Promise<Due> {
  const found = await stage.store.streams.due(id, limit);
  assert.ok(found !== undefined);
  return found;
}

/** What waits for a stream, as whom each signal is about. */
async function waiting(stage: Stage, stream: Pick<Stream, "id">): Promise<readonly unknown[]> {
  return (await due(stage, stream)).signals.map(({ user, facts }) => user ?? facts.event);
}

async function found(stage: Stage, id: StreamId): Promise<Stream> {
  const stream = await stage.store.streams.find(id);
  assert.ok(stream !== undefined);
  return stream;
}

/** Something about a user that nobody need exist for. */
async function tell(stage: Stage, user: string): Promise<UserId> {
  const about = draft("user.roles_changed", CAUSE, { user }, { roles: "editor" });
  await stage.store.revocation.apply([audit(about)]);
  return asId("user", user);
}

const ack = (stage: Stage, stream: Stream, signals: Due["signals"], error: string | null = null) => {
  const names = signals.map((signal) => signalName(stream, signal));
  const receipt =
    error === null
      ? { acknowledged: names, refused: [] }
      : { acknowledged: [], refused: names.map((name) => ({ name, error })) };
  return stage.store.streams.receive(stream.id, receipt, CAUSE);
};

export function describeStreamStore(open: Open): void {
  describe("event streams", () => {
    test("a new stream is told of what comes after it, and nothing is queued where there is none", async () => {
      const stage = await Stage.open(open);
      await tell(stage, "usr_before");
      const plan = wish({ requested: ["urn:x"], description: "설명" });
      const event = audit(draft("ssf.stream_created", CAUSE));
      const stream = await stage.store.streams.create(plan, [event]);
      assert.deepEqual(stream, beginStream(plan, 0, stage.clock.now()));
      assert.deepEqual(await stage.store.streams.list(), [stream]);
      assert.deepEqual(await stage.store.streams.find(plan.id), stream);
      const other = await made(stage);
      await tell(stage, "usr_after");
      assert.deepEqual(await waiting(stage, other), ["usr_after"]);
      assert.deepEqual(await waiting(stage, plan), []);
      const names = await stage.events();
      assert.deepEqual(names, ["user.roles_changed", "ssf.stream_created", "user.roles_changed"]);
      await stage.store.close();
    });

    test("what ends and what changes is queued with its cause, its reason and who did it", async () => {
      const stage = await Stage.open(open);
      const stream = await made(stage);
      const { id } = await stage.user({ identifier: "kim@example.com" });
      const first = await stage.logIn(id);
      const second = await stage.logIn(id);
      const { session } = first.standing;
      const by = { ...CAUSE, actor: { kind: "user", id } } as const;
      await stage.store.sessions.end({ session: session.id }, "logout", by);
      const password = { kind: "set_password", password: Buffer.from("x"), credentialVersion: 1 } as const;
      await stage.store.users.change(id, { ...password, keep: second.standing.session.id, keepOthers: true }, by);
      await stage.store.users.change(id, { kind: "set_roles", roles: ["a", "b"] }, CAUSE);
      await stage.store.sessions.end({ user: id }, "admin", CAUSE);
      await stage.store.users.change(id, { kind: "delete" }, CAUSE);
      await stage.store.sessions.end({ everyone: true }, "admin", CAUSE);
      const { signals } = await due(stage, stream);
      assert.deepEqual(
        signals.map(({ seq, cause, user, session: named, identifier, initiator, facts }) => [
          [seq, cause],
          [user, named, identifier],
          initiator,
          facts,
        ]),
        [
          [[1, 1], [id, session.id, null], "user", { event: "session-revoked", reason: "logout" }],
          [[2, 2], [id, null, null], "user", { event: "credential-change", credential: "password", change: "update" }],
          [[3, 3], [id, null, null], "user", { event: "token-claims-change", roles: ["a", "b"] }],
          [[4, 4], [id, null, null], "admin", { event: "session-revoked", reason: "admin" }],
          [[5, 5], [id, null, "kim@example.com"], "admin", { event: "session-revoked", reason: "user_disabled" }],
          [[6, 6], [null, null, null], "admin", { event: "session-revoked", reason: "admin" }],
        ],
      );
      const { epoch } = stage.store.revocation.head();
      assert.ok(signals.every((signal) => signal.epoch === epoch && signal.at === stage.clock.now()));
      await stage.store.close();
    });

    test("a changed password that ends the other sessions is one transaction; a session that ran out is no event", async () => {
      const stage = await Stage.open(open);
      const stream = await made(stage);
      const { id } = await stage.user();
      const kept = await stage.logIn(id);
      const ended = await stage.logIn(id);
      await stage.logIn(id, { grant: { idleExpiresAt: stage.clock.now() + SECOND } });
      stage.clock.advance(2 * SECOND);
      const keep = kept.standing.session.id;
      const password = { kind: "set_password", password: Buffer.from("x"), credentialVersion: 1 } as const;
      await stage.store.users.change(id, { ...password, keep, keepOthers: false }, CAUSE);
      await stage.store.sessions.sweep(0);
      const { signals } = await due(stage, stream);
      assert.deepEqual(
        signals.map(({ cause, session, facts }) => [cause, session, facts.event]),
        [
          [1, ended.standing.session.id, "session-revoked"],
          [1, null, "credential-change"],
        ],
      );
      await stage.store.close();
    });

    test("what is refused and what changes nothing queues nothing", async () => {
      const stage = await Stage.open(open);
      const stream = await made(stage);
      const { id } = await stage.user();
      const password = { kind: "set_password", password: Buffer.from("x"), credentialVersion: 9 } as const;
      await stage.store.users.change(id, { ...password, keep: null, keepOthers: false }, CAUSE);
      await stage.store.users.change(id, { kind: "rename", name: "x" }, CAUSE);
      await stage.store.sessions.end({ session: newId("session", systemWorld.random) }, "logout", CAUSE);
      await stage.store.revocation.apply([{ effect: "revoke", kind: "key", value: "kid", reason: "key_revoked" }]);
      assert.deepEqual(await waiting(stage, stream), []);
      await stage.store.close();
    });

    test("signals keep the order of their commits, also of many at once", async () => {
      const stage = await Stage.open(open);
      const stream = await made(stage);
      const users = Array.from({ length: 60 }, (_, index) => `usr_${index}`);
      await Promise.all(users.map((user) => tell(stage, user)));
      const { signals } = await due(stage, stream);
      assert.deepEqual(
        signals.map(({ seq }) => seq),
        users.map((_, index) => index + 1),
      );
      assert.deepEqual(new Set(signals.map(({ user }) => user)), new Set(users));
      await stage.store.close();
    });

    test("what is acknowledged, in any order, is not sent again; what is not, is", async () => {
      const stage = await Stage.open(open);
      const stream = await made(stage);
      for (const user of ["a", "b", "c", "d"]) await tell(stage, user);
      const { signals } = await due(stage, stream);
      const [a, b, c, d] = signals;
      assert.ok(a !== undefined && b !== undefined && c !== undefined && d !== undefined);
      await ack(stage, stream, [c]);
      assert.deepEqual(await waiting(stage, stream), ["a", "b", "d"]);
      assert.deepEqual([(await found(stage, stream.id)).cursor, (await found(stage, stream.id)).acked], [0, [3]]);
      await ack(stage, stream, [a, b]);
      assert.deepEqual(await waiting(stage, stream), ["d"]);
      assert.deepEqual([(await found(stage, stream.id)).cursor, (await found(stage, stream.id)).acked], [3, []]);
      await ack(stage, stream, [a, b, c, d]);
      assert.deepEqual(await waiting(stage, stream), []);
      await stage.store.close();
    });

    test("another stream's names, made-up names and names from before a restore acknowledge nothing", async () => {
      const stage = await Stage.open(open);
      const [stream, other] = [await made(stage), await made(stage)];
      await tell(stage, "a");
      const { signals } = await due(stage, stream);
      await ack(stage, other, signals);
      const [first] = signals;
      assert.ok(first !== undefined);
      const restored = signalName(stream, { ...first, epoch: first.epoch - 1 });
      const names = [restored, "", "set_", `${signalName(stream, first)}0`, signalName(other, first)];
      await stage.store.streams.receive(stream.id, { acknowledged: names, refused: [] }, CAUSE);
      assert.deepEqual(await waiting(stage, stream), ["a"]);
      assert.deepEqual(await waiting(stage, other), []);
      await stage.store.close();
    });

    test("what a receiver refused is counted and audited, and not sent again", async () => {
      const stage = await Stage.open(open);
      const stream = await made(stage);
      for (const user of ["a", "b"]) await tell(stage, user);
      await ack(stage, stream, (await due(stage, stream)).signals, "invalid_key");
      assert.deepEqual(await waiting(stage, stream), []);
      assert.equal((await found(stage, stream.id)).refused, 2);
      const { items } = await stage.store.audit.list({ name: "ssf.events_refused" }, { limit: 9, after: null });
      assert.deepEqual(
        items.map(({ client, detail }) => [client, detail]),
        [[stream.client, { stream: stream.id, events: 2, error: "invalid_key" }]],
      );
      await stage.store.close();
    });

    test("a stream is told of the events and the users that it asked for, and of everyone's end in any case", async () => {
      const stage = await Stage.open(open);
      const all = await made(stage);
      const none = await made(stage, { defaultSubjects: "NONE" });
      const revoked = "https://schemas.openid.net/secevent/caep/event-type/session-revoked";
      const ends = await made(stage, { requested: [revoked, "urn:unknown"] });
      const [a, b] = [asId("user", "a"), asId("user", "b")];
      assert.equal(await stage.store.streams.tell(all.id, a, false, [CHANGED]), "done");
      assert.equal(await stage.store.streams.tell(none.id, b, true, [CHANGED]), "done");
      // Twice is once.
      assert.equal(await stage.store.streams.tell(none.id, b, true, [CHANGED]), "done");
      for (const user of [a, b]) await tell(stage, user);
      await stage.store.sessions.end({ everyone: true }, "admin", CAUSE);
      assert.deepEqual(await waiting(stage, all), ["b", "session-revoked"]);
      assert.deepEqual(await waiting(stage, none), ["b", "session-revoked"]);
      assert.deepEqual(await waiting(stage, ends), ["session-revoked"]);
      assert.deepEqual([(await found(stage, all.id)).exceptions, (await found(stage, none.id)).exceptions], [1, 1]);
      await stage.store.streams.tell(all.id, a, true, [CHANGED]);
      await stage.store.streams.tell(none.id, b, false, []);
      assert.deepEqual([(await found(stage, all.id)).exceptions, (await found(stage, none.id)).exceptions], [0, 0]);
      assert.deepEqual(await waiting(stage, all), ["a", "b", "session-revoked"]);
      assert.deepEqual(await waiting(stage, none), ["session-revoked"]);
      assert.equal((await stage.events("ssf.stream_changed")).length, 3);
      assert.equal(await stage.store.streams.tell(wish().id, a, true, [CHANGED]), "not_found");
      await stage.store.close();
    });

    test("a long stretch of what concerns others hides nothing behind it, and is passed over for good", async () => {
      const stage = await Stage.open(open);
      const stream = await made(stage, { defaultSubjects: "NONE" });
      const last = asId("user", "usr_last");
      await stage.store.streams.tell(stream.id, last, true, []);
      await Promise.all(Array.from({ length: WINDOW + 10 }, (_, index) => tell(stage, `usr_${index}`)));
      await tell(stage, last);
      const first = await due(stage, stream);
      assert.deepEqual([first.signals.map(({ user }) => user), first.behind], [[last], true]);
      await stage.store.streams.receive(stream.id, { acknowledged: [], refused: [] }, CAUSE);
      const then = await due(stage, stream);
      assert.deepEqual([then.signals.length, then.behind, then.stream.cursor], [1, false, WINDOW]);
      await ack(stage, stream, then.signals);
      assert.deepEqual(await waiting(stage, stream), []);
      await stage.store.close();
    });

    test("a paused stream holds its events back, a disabled one forgets them", async () => {
      const stage = await Stage.open(open);
      const stream = await made(stage);
      const set = (status: Stream["status"], asked = true) =>
        stage.store.streams.change(stream.id, { change: "status", status, reason: null, asked }, [CHANGED]);
      await set("paused");
      await tell(stage, "held");
      assert.deepEqual(await waiting(stage, stream), []);
      await set("enabled");
      assert.deepEqual(await waiting(stage, stream), ["held"]);
      await set("disabled");
      await tell(stage, "forgotten");
      await set("enabled");
      await tell(stage, "after");
      assert.deepEqual(await waiting(stage, stream), ["after"]);
      assert.equal((await stage.events("ssf.stream_changed")).length, 4);
      await stage.store.close();
    });

    test("what a stream says of itself waits until it is acknowledged, whatever its status", async () => {
      const stage = await Stage.open(open);
      const stream = await made(stage);
      const change = (change: StreamChange) => stage.store.streams.change(stream.id, change, []);
      await change({ change: "verify", state: "상태" });
      assert.deepEqual(await change({ change: "verify", state: null }), { ok: false, refusal: "too_soon" });
      await change({ change: "status", status: "paused", reason: "why", asked: false });
      const { controls } = await found(stage, stream.id);
      assert.deepEqual(
        controls.map(({ number, name, facts }) => [number, name, facts]),
        [
          [1, "verification", { state: "상태" }],
          [2, "stream-updated", { status: "paused", reason: "why" }],
        ],
      );
      const name = `set_${stream.id.slice(4)}_own_1`;
      await stage.store.streams.receive(stream.id, { acknowledged: [name], refused: [] }, CAUSE);
      assert.deepEqual(
        (await found(stage, stream.id)).controls.map(({ number }) => number),
        [2],
      );
      await stage.store.close();
    });

    test("an attempt to push moves the stream on, or is remembered as a failure; an unknown stream is let be", async () => {
      const stage = await Stage.open(open);
      const stream = await made(stage, {
        delivery: { method: "push", url: "https://x.example/", authorization: null },
      });
      for (const user of ["a", "b"]) await tell(stage, user);
      const [first] = (await due(stage, stream)).signals;
      assert.ok(first !== undefined);
      const attempt = { name: signalName(stream, first), outcome: "rejected", detail: "500" } as const;
      await stage.store.streams.settle(stream.id, attempt, 0);
      const failed = await found(stage, stream.id);
      assert.deepEqual([failed.failures, failed.lastFailure, failed.cursor], [1, "rejected 500", 0]);
      assert.deepEqual([failed.failingSince, failed.nextAttemptAt], [stage.clock.now(), stage.clock.now() + 5000]);
      await stage.store.streams.settle(stream.id, { ...attempt, outcome: "accepted", detail: null }, 0);
      const moved = await found(stage, stream.id);
      assert.deepEqual([moved.failures, moved.lastFailure, moved.cursor], [0, null, 1]);
      assert.deepEqual(await waiting(stage, stream), ["b"]);
      await stage.store.streams.settle(wish().id, attempt, 0);
      await stage.store.streams.passOver(wish().id);
      await stage.store.close();
    });

    test("passing over what concerns others acknowledges nothing, and is no word from the receiver", async () => {
      const stage = await Stage.open(open);
      const stream = await made(stage, { defaultSubjects: "NONE" });
      const b = asId("user", "b");
      await stage.store.streams.tell(stream.id, b, true, []);
      for (const user of ["a", "b"]) await tell(stage, user);
      const before = await found(stage, stream.id);
      stage.clock.advance(DAY);
      await stage.store.streams.passOver(stream.id);
      assert.deepEqual(await found(stage, stream.id), { ...before, cursor: 1 });
      assert.deepEqual(await waiting(stage, stream), ["b"]);
      await stage.store.close();
    });

    test("a change of its settings is there, with the credential, and unknown streams are not found", async () => {
      const stage = await Stage.open(open);
      const stream = await made(stage);
      const authorization = { dataKey: 3, sealed: Buffer.from([0, 255, 1]) };
      const delivery = { method: "push", url: "https://x.example/", authorization } as const;
      const settings = { delivery, requested: ["urn:a"], description: "d", naming: "email" } as const;
      await stage.store.streams.change(stream.id, { change: "configure", ...settings }, []);
      assert.deepEqual(await found(stage, stream.id), { ...stream, ...settings });
      const stranger = wish().id;
      const verify: StreamChange = { change: "verify", state: null };
      assert.deepEqual(await stage.store.streams.change(stranger, verify, [CHANGED]), {
        ok: false,
        refusal: "not_found",
      });
      assert.equal(await stage.store.streams.due(stranger, 1), undefined);
      assert.equal(await stage.store.streams.delete(stranger, [CHANGED]), false);
      await stage.store.streams.receive(stranger, { acknowledged: ["x"], refused: [] }, CAUSE);
      assert.deepEqual(await stage.events(), []);
      await stage.store.close();
    });

    test("there are only so many, of one resource server and in all, and with the last the queue goes", async () => {
      const stage = await Stage.open(open);
      const { client } = wish();
      for (let count = 0; count < MOST_STREAMS_OF_CLIENT; count += 1) await made(stage, { client });
      assert.equal(await stage.store.streams.create(wish({ client }), [CHANGED]), "too_many");
      for (let count = MOST_STREAMS_OF_CLIENT; count < MOST_STREAMS; count += 1) await made(stage);
      assert.equal(await stage.store.streams.create(wish(), [CHANGED]), "too_many");
      await tell(stage, "a");
      for (const { id } of await stage.store.streams.list()) {
        assert.equal(await stage.store.streams.delete(id, []), true);
      }
      assert.deepEqual(await stage.store.streams.list(), []);
      assert.equal(await stage.store.streams.prune(Number.MAX_SAFE_INTEGER), 0);
      assert.deepEqual(await stage.events("ssf.stream_changed"), []);
      await stage.store.close();
    });

    test("a client's streams go with it", async () => {
      const stage = await Stage.open(open);
      const client = { ...OWN_CLIENT, id: otherClient("api") };
      await stage.store.clients.create(client, []);
      const [own, other] = [await made(stage, { client: client.id }), await made(stage)];
      assert.equal(await stage.store.clients.delete(client.id, []), true);
      assert.equal(await stage.store.streams.find(own.id), undefined);
      assert.deepEqual(await stage.store.streams.list(), [other]);
      await stage.store.close();
    });

    test("what is old is forgotten; whom it had not reached is counted, once, and it is audited", async () => {
      const stage = await Stage.open(open);
      const behind = await made(stage);
      const current = await made(stage);
      const indifferent = await made(stage, { requested: [] });
      for (const user of ["a", "b", "c"]) await tell(stage, user);
      await ack(stage, current, (await due(stage, current)).signals);
      stage.clock.advance(DAY);
      await tell(stage, "d");
      assert.equal(await stage.store.streams.prune(stage.clock.now() - DAY), 0);
      assert.equal(await stage.store.streams.prune(stage.clock.now() - DAY + 1), 3);
      assert.equal(await stage.store.streams.prune(stage.clock.now() - DAY + 1), 0);
      const missed = async ({ id }: Stream) => (await found(stage, id)).missed;
      assert.deepEqual([await missed(behind), await missed(current), await missed(indifferent)], [3, 0, 0]);
      assert.deepEqual(await waiting(stage, behind), ["d"]);
      assert.equal((await stage.events("ssf.events_missed")).length, 1);
      await stage.store.close();
    });

    test("a stream that is polled and whose receiver is silent is paused, and says so; one that is pushed is not", async () => {
      const stage = await Stage.open(open);
      const silent = await made(stage);
      const pushed = await made(stage, {
        delivery: { method: "push", url: "https://x.example/", authorization: null },
      });
      stage.clock.advance(DAY);
      const lively = await made(stage);
      await stage.store.streams.receive(lively.id, { acknowledged: [], refused: [] }, CAUSE);
      assert.equal(await stage.store.streams.pauseIdle(stage.clock.now()), 1);
      assert.equal(await stage.store.streams.pauseIdle(stage.clock.now()), 0);
      const paused = await found(stage, silent.id);
      assert.deepEqual([paused.status, paused.statusReason], ["paused", "inactive"]);
      assert.deepEqual(
        paused.controls.map(({ name, facts }) => [name, facts]),
        [["stream-updated", { status: "paused", reason: "inactive" }]],
      );
      for (const { id } of [pushed, lively]) assert.equal((await found(stage, id)).status, "enabled");
      await stage.store.close();
    });
  });
}
