/** The contract of webhooks: the queue is written with the log, outlives its compaction, and is forgotten by age alone. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { draft } from "../../audit/event.ts";
import { newId, type WebhookId } from "../../prelude/ids.ts";
import { systemWorld } from "../../prelude/world.ts";
import { audit } from "../../revocation/effects.ts";
import type { Attempt } from "../../webhooks/attempt.ts";
import type { WebhookDraft } from "../../webhooks/store.ts";
import { ATTEMPTS_KEPT, KINDS, MOST_WEBHOOKS, type Webhook } from "../../webhooks/webhook.ts";
import { CAUSE, DAY, type Open, SECOND, Stage } from "./stage.ts";

const START = { epoch: 0, seq: 0 };

function wish(fields: Partial<WebhookDraft> = {}): WebhookDraft {
  const id = newId("webhook", systemWorld.random);
  const secret = { dataKey: 1, sealed: Buffer.from("sealed") };
  return { id, url: "https://hooks.example.com/", kinds: KINDS, secret, ...fields };
}

async function made(stage: Stage, fields: Partial<WebhookDraft> = {}): Promise<Webhook> {
  const webhook = await stage.store.webhooks.create(wish(fields), []);
  if (webhook === "too_many") throw new Error(webhook);
  return webhook;
}

const revoke = (stage: Stage, value: string) =>
  stage.store.revocation.apply([{ effect: "revoke", kind: "session", value, reason: "admin" }]);

function attempted(webhook: Webhook, upTo: number, fields: Partial<Attempt> = {}): Attempt {
  const end = { epoch: webhook.cursor.epoch, seq: upTo };
  const base = { message: `msg_${upTo}`, from: webhook.cursor, upTo: end, events: 1, missed: 0, tookMs: 5 };
  return { ...base, outcome: "delivered", status: 200, ...fields };
}

async function queued(stage: Stage): Promise<readonly string[]> {
  return (await stage.store.webhooks.queued(START, 1000)).map(({ value }) => value);
}

async function found(stage: Stage, id: WebhookId): Promise<Webhook> {
  const webhook = await stage.store.webhooks.find(id);
  assert.ok(webhook !== undefined);
  return webhook;
}

export function describeWebhookStore(open: Open): void {
  describe("webhooks", () => {
    test("nothing is queued where nobody is to be told, and a new webhook begins at the head of the log", async () => {
      const stage = await Stage.open(open);
      await revoke(stage, "before");
      const event = audit(draft("webhook.created", CAUSE));
      const plan = wish({ kinds: ["session", "user"] });
      const webhook = await stage.store.webhooks.create(plan, [event]);
      await revoke(stage, "after");
      const expected: Webhook = {
        ...plan,
        createdAt: stage.clock.now(),
        previous: null,
        cursor: { epoch: stage.store.revocation.head().epoch, seq: 1 },
        state: "active",
        failures: 0,
        failingSince: null,
        nextAttemptAt: stage.clock.now(),
        missed: 0,
      };
      assert.deepEqual(webhook, expected);
      assert.deepEqual(await stage.store.webhooks.list(), [expected]);
      assert.deepEqual(await stage.store.webhooks.queued(START, 10), [
        { ...stage.store.revocation.head(), kind: "session", value: "after", reason: "admin", at: stage.clock.now() },
      ]);
      assert.deepEqual(await stage.events(), ["webhook.created"]);
      await stage.store.close();
    });

    test("the queue has every entry of the log in its order, also of many commits at once, and resumes", async () => {
      const stage = await Stage.open(open);
      await made(stage);
      await Promise.all(Array.from({ length: 60 }, (_, index) => revoke(stage, `${index}`)));
      const entries = await stage.store.webhooks.queued(START, 1000);
      assert.deepEqual(
        entries.map(({ seq, value }) => [seq, value]),
        stage.heard.map(({ seq, value }) => [seq, value]),
      );
      const [first, ...rest] = entries;
      assert.deepEqual(await stage.store.webhooks.queued(first ?? START, 1000), rest);
      assert.equal((await stage.store.webhooks.queued(START, 7)).length, 7);
      await stage.store.close();
    });

    test("what the log forgets is still queued", async () => {
      const stage = await Stage.open(open);
      await made(stage);
      await revoke(stage, "one");
      await stage.store.sessions.end({ everyone: true }, "admin", CAUSE);
      stage.clock.advance(1000 * SECOND);
      assert.equal(await stage.store.revocation.compact(stage.clock.now()), 2);
      assert.deepEqual(await queued(stage), ["one", ""]);
      await stage.store.close();
    });

    test("a delivered attempt moves the cursor, a failed one does not, and both are remembered", async () => {
      const stage = await Stage.open(open);
      const { webhooks } = stage.store;
      const webhook = await made(stage);
      await revoke(stage, "one");
      await webhooks.settle(webhook.id, attempted(webhook, 1, { outcome: "timed_out", status: null }), 0);
      const failed = await found(stage, webhook.id);
      assert.deepEqual([failed.cursor, failed.failures], [webhook.cursor, 1]);
      await webhooks.settle(webhook.id, attempted(webhook, 1), 0);
      const delivered = await found(stage, webhook.id);
      assert.deepEqual([delivered.cursor.seq, delivered.failures, delivered.failingSince], [1, 0, null]);
      assert.deepEqual(
        (await webhooks.attempts(webhook.id, 10)).map(({ outcome, status, upTo, at }) => [
          outcome,
          status,
          upTo.seq,
          at,
        ]),
        [
          ["delivered", 200, 1, stage.clock.now()],
          ["timed_out", null, 1, stage.clock.now()],
        ],
      );
      await stage.store.close();
    });

    test("a replay wins over the attempt that was under way", async () => {
      const stage = await Stage.open(open);
      const { webhooks } = stage.store;
      const webhook = await made(stage);
      for (const value of ["one", "two"]) await revoke(stage, value);
      await webhooks.settle(webhook.id, attempted(webhook, 1), 0);
      const moved = await found(stage, webhook.id);
      const replayed = await webhooks.change(webhook.id, { change: "replay", after: webhook.cursor }, []);
      assert.ok(replayed.ok);
      await webhooks.settle(webhook.id, attempted(moved, 2), 0);
      await webhooks.skip(webhook.id, moved.cursor, { epoch: moved.cursor.epoch, seq: 2 });
      assert.deepEqual(await found(stage, webhook.id), replayed.webhook);
      await webhooks.skip(webhook.id, webhook.cursor, moved.cursor);
      assert.deepEqual((await found(stage, webhook.id)).cursor, moved.cursor);
      await stage.store.close();
    });

    test("a refused change writes nothing, and an unknown webhook is not found", async () => {
      const stage = await Stage.open(open);
      const { webhooks } = stage.store;
      const webhook = await made(stage);
      const effects = [audit(draft("webhook.replayed", CAUSE))];
      const ahead = { epoch: webhook.cursor.epoch, seq: 1 };
      assert.deepEqual(await webhooks.change(webhook.id, { change: "replay", after: ahead }, effects), {
        ok: false,
        refusal: "ahead",
      });
      const stranger = newId("webhook", systemWorld.random);
      assert.deepEqual(await webhooks.change(stranger, { change: "replay", after: null }, effects), {
        ok: false,
        refusal: "not_found",
      });
      assert.equal(await webhooks.delete(stranger, effects), false);
      await webhooks.settle(stranger, attempted(webhook, 1), 0);
      assert.deepEqual(await stage.events(), []);
      assert.deepEqual(await webhooks.list(), [webhook]);
      await stage.store.close();
    });

    test("a rotated secret is there with the one before", async () => {
      const stage = await Stage.open(open);
      const webhook = await made(stage);
      const secret = { dataKey: 2, sealed: Buffer.from("newer") };
      const wanted = { change: "rotate_secret", secret, overlapMs: 1000 } as const;
      await stage.store.webhooks.change(webhook.id, wanted, []);
      const previous = { ...webhook.secret, until: stage.clock.now() + 1000 };
      assert.deepEqual(await found(stage, webhook.id), { ...webhook, secret, previous });
      await stage.store.close();
    });

    test("only so many attempts are remembered, and those of another webhook are left alone", async () => {
      const stage = await Stage.open(open);
      const { webhooks } = stage.store;
      const [one, other] = [await made(stage), await made(stage)];
      await webhooks.settle(other.id, attempted(other, 7), 0);
      for (let seq = 1; seq <= ATTEMPTS_KEPT + 3; seq += 1) await webhooks.settle(one.id, attempted(one, seq), 0);
      const kept = await webhooks.attempts(one.id, 1000);
      assert.deepEqual([kept.length, kept[0]?.upTo.seq, kept.at(-1)?.upTo.seq], [ATTEMPTS_KEPT, ATTEMPTS_KEPT + 3, 4]);
      assert.equal((await webhooks.attempts(other.id, 1000)).length, 1);
      await stage.store.close();
    });

    test("what is old is forgotten; whom it had not reached is counted, once, and it is audited", async () => {
      const stage = await Stage.open(open);
      const { webhooks } = stage.store;
      const behind = await made(stage);
      const current = await made(stage);
      const indifferent = await made(stage, { kinds: ["key"] });
      for (const value of ["one", "two", "three"]) await revoke(stage, value);
      await webhooks.settle(current.id, attempted(current, 3), 0);
      stage.clock.advance(DAY);
      await revoke(stage, "four");
      assert.equal(await webhooks.prune(stage.clock.now() - DAY), 0);
      assert.equal(await webhooks.prune(stage.clock.now() - DAY + 1), 3);
      assert.equal(await webhooks.prune(stage.clock.now() - DAY + 1), 0);
      assert.deepEqual(await queued(stage), ["four"]);
      const missed = async ({ id }: Webhook) => (await found(stage, id)).missed;
      assert.deepEqual([await missed(behind), await missed(current), await missed(indifferent)], [3, 0, 0]);
      assert.deepEqual(await stage.events(), ["webhook.missed"]);
      await stage.store.close();
    });

    test("there are only so many, and with the last the queue goes", async () => {
      const stage = await Stage.open(open);
      const all: Webhook[] = [];
      for (let count = 0; count < MOST_WEBHOOKS; count += 1) all.push(await made(stage));
      assert.equal(await stage.store.webhooks.create(wish(), [audit(draft("webhook.created", CAUSE))]), "too_many");
      assert.deepEqual(await stage.events(), []);
      await revoke(stage, "one");
      for (const { id } of all) {
        assert.deepEqual(await queued(stage), ["one"]);
        assert.equal(await stage.store.webhooks.delete(id, []), true);
      }
      assert.deepEqual(await queued(stage), []);
      await revoke(stage, "two");
      assert.deepEqual(await queued(stage), []);
      await stage.store.close();
    });
  });
}
