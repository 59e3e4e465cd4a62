/**
 * Delivers: looks what is due, sends one message at a time to each webhook, and writes down how that went.
 *
 *   commit ──► wake ─(10 ms)─► round ──► for each webhook that is due and has none under way:
 *                ▲                         queue ──► message ──► sign ──► send ──► settle (cursor, or the next attempt)
 *                └────────────────────────────────────────────────────────────────┘
 *
 * Nothing here stands in the way of a revocation: a commit only sets an alarm. What is under way when the process dies
 * has not moved the cursor, so the next process sends it again: nothing is lost, one message at most is repeated.
 */
import type { WebhookId } from "../prelude/ids.ts";
import type { SetAlarm, World } from "../prelude/world.ts";
import { isBefore, type Position } from "../revocation/entry.ts";
import type { Vault } from "../vault/vault.ts";
import type { Outcome } from "./attempt.ts";
import { type Message, messageOf, signedHeaders } from "./message.ts";
import { secretsOf } from "./secret.ts";
import type { Sender } from "./send.ts";
import type { WebhookStore } from "./store.ts";
import { concerns, type QueuedEntry, type Webhook } from "./webhook.ts";

/** What is committed within this time travels together. */
const COLLECT_MS = 10;
/** After a fault of ours, such as a store that cannot be read. */
const FAULT_MS = 5_000;
/** The queue is read in slices of so many revocations. */
const SLICE = 500;
/** So many revocations go into one message. */
const BATCH = 100;
/** setTimeout takes no more than 2^31 − 1 ms. */
const LONGEST_ALARM_MS = 3_600_000;

export interface WebhookTally {
  readonly attempts: Readonly<Record<Outcome, number>>;
  readonly delivered: number;
  readonly active: number;
  readonly paused: number;
  /** Age of the oldest revocation that is under way or waits for another attempt, in milliseconds; 0: none. */
  readonly lagMs: number;
}

export interface WebhookRunner {
  /** There may be something to do. Returns at once. */
  wake(): void;
  tally(): WebhookTally;
  /** Calls off what is under way; it is sent again by the next process. */
  stop(): Promise<void>;
}

export interface RunnerParts {
  readonly store: WebhookStore;
  readonly vault: Vault;
  readonly sender: Sender;
  readonly world: World;
  readonly alarm: SetAlarm;
  readonly fault: (error: unknown) => void;
  /** Whether it is this process that delivers, of those that serve the same data. Left out: always. */
  readonly mine?: () => boolean;
}

const isSame = (left: Position, right: Position): boolean => !isBefore(left, right) && !isBefore(right, left);

export function startWebhooks(parts: RunnerParts): WebhookRunner {
  const { store, vault, sender, world, alarm, fault, mine = () => true } = parts;
  const { clock } = world;
  const stopping = new AbortController();
  const underWay = new Map<WebhookId, Promise<void>>();
  /** The message that is being tried: kept, so that every attempt at it is the same. */
  const messages = new Map<WebhookId, Message>();
  /** Up to where the queue was looked through in vain, from a cursor on. */
  const looked = new Map<WebhookId, { readonly cursor: Position; readonly upTo: Position }>();
  /** There was a round while they were busy. */
  const again = new Set<WebhookId>();
  const attempts: Record<Outcome, number> = {
    ...{ delivered: 0, rejected: 0, gone: 0, timed_out: 0, unreachable: 0, refused_target: 0 },
  };
  let delivered = 0;
  let states = { active: 0, paused: 0 };
  let alarmed: { readonly at: number; readonly callOff: () => void } | null = null;
  let rounds: Promise<void> = Promise.resolve();

  const wakeIn = (ms: number): void => {
    const at = clock.monotonic() + ms;
    if (stopping.signal.aborted || (alarmed !== null && alarmed.at <= at)) return;
    alarmed?.callOff();
    const callOff = alarm(ms, () => {
      alarmed = null;
      rounds = rounds.then(round).catch(failed);
    });
    alarmed = { at, callOff };
  };
  const failed = (error: unknown): void => {
    fault(error);
    wakeIn(FAULT_MS);
  };

  async function round(): Promise<void> {
    if (stopping.signal.aborted || !mine()) return;
    const webhooks = await store.list();
    states = { active: 0, paused: 0 };
    for (const webhook of webhooks) states[webhook.state] += 1;
    forget(webhooks);
    const now = clock.now();
    for (const webhook of webhooks) {
      if (webhook.state === "paused") continue;
      if (underWay.has(webhook.id)) again.add(webhook.id);
      else if (webhook.nextAttemptAt > now) wakeIn(Math.min(webhook.nextAttemptAt - now, LONGEST_ALARM_MS));
      else underWay.set(webhook.id, run(webhook));
    }
  }

  /** What is known of webhooks that are no more, or were sent elsewhere. */
  function forget(webhooks: readonly Webhook[]): void {
    const cursors = new Map(webhooks.map(({ id, cursor }) => [id, cursor]));
    for (const [id, message] of messages) {
      const cursor = cursors.get(id);
      if (cursor === undefined || !isSame(cursor, message.from)) messages.delete(id);
    }
    for (const id of looked.keys()) if (!cursors.has(id)) looked.delete(id);
  }

  async function run(webhook: Webhook): Promise<void> {
    try {
      const message = messages.get(webhook.id) ?? (await gather(webhook));
      if (message === null) return;
      messages.set(webhook.id, message);
      await attempt(webhook, message);
      again.add(webhook.id);
    } catch (error) {
      failed(error);
      again.delete(webhook.id);
    } finally {
      underWay.delete(webhook.id);
      if (again.delete(webhook.id)) wakeIn(0);
    }
  }

  /** The next message, or `null` where nothing that is queued concerns the webhook. */
  async function gather(webhook: Webhook): Promise<Message | null> {
    const known = looked.get(webhook.id);
    const from = known !== undefined && isSame(known.cursor, webhook.cursor) ? known.upTo : webhook.cursor;
    const slice = await store.queued(from, SLICE);
    const last = slice.at(-1);
    if (last === undefined) return null;
    const found = slice.filter((entry) => concerns(webhook, entry));
    if (found.length > 0) return messageOf(webhook, found.slice(0, BATCH), endOf(found, last));
    const upTo = { epoch: last.epoch, seq: last.seq };
    looked.set(webhook.id, { cursor: webhook.cursor, upTo });
    if (slice.length === SLICE) {
      // A long stretch of what is none of its kinds need not be looked through again after a restart.
      await store.skip(webhook.id, webhook.cursor, upTo);
      again.add(webhook.id);
    }
    return null;
  }

  async function attempt(webhook: Webhook, message: Message): Promise<void> {
    const seconds = Math.floor(clock.now() / 1000);
    const headers = signedHeaders(message, seconds, secretsOf(webhook, vault, clock.now()));
    const began = clock.monotonic();
    const sent = await sender.send(webhook.url, headers, message.body, stopping.signal);
    if (sent === null) return;
    attempts[sent.outcome] += 1;
    const { id, from, upTo, events, missed } = message;
    const tookMs = Math.round(clock.monotonic() - began);
    const jitter = world.random.bytes(4).readUInt32BE() / 2 ** 32;
    await store.settle(webhook.id, { message: id, from, upTo, events, missed, tookMs, ...sent }, jitter);
    if (sent.outcome !== "delivered") return;
    delivered += events;
    messages.delete(webhook.id);
  }

  wakeIn(0);
  return {
    wake: () => wakeIn(COLLECT_MS),
    tally: () => {
      const since = Math.min(...[...messages.values()].map((message) => message.since));
      const lagMs = Number.isFinite(since) ? Math.max(0, clock.now() - since) : 0;
      return { attempts: { ...attempts }, delivered, ...states, lagMs };
    },
    stop: async () => {
      stopping.abort();
      alarmed?.callOff();
      await rounds;
      await Promise.all(underWay.values());
      sender.close();
    },
  };
}

/** Where the cursor stands after the batch: at the end of the slice where all of it was taken. */
function endOf(found: readonly QueuedEntry[], last: QueuedEntry): Position {
  const end = found.length > BATCH ? (found[BATCH - 1] ?? last) : last;
  return { epoch: end.epoch, seq: end.seq };
}
