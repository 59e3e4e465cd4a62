/**
 * Delivers: looks what is due (delivery/rounds.ts), sends one message at a time to each webhook, and writes down how that
 * went.
 *
 *   commit ──► wake ─(10 ms)─► for each webhook that is due: queue ──► message ──► sign ──► call ──► settle
 *                                                                              (the cursor moves, or the next attempt)
 *
 * Nothing here stands in the way of a revocation: a commit only sets an alarm. What is under way when the process dies
 * has not moved the cursor, so the next process sends it again: nothing is lost, one message at most is repeated.
 */
import type { Called, Caller } from "../delivery/call.ts";
import { type Rounds, startRounds } from "../delivery/rounds.ts";
import type { WebhookId } from "../prelude/ids.ts";
import type { SetAlarm, World } from "../prelude/world.ts";
import { isBefore, type Position } from "../revocation/entry.ts";
import type { Vault } from "../vault/vault.ts";
import type { Outcome } from "./attempt.ts";
import { type Message, messageOf, signedHeaders } from "./message.ts";
import { secretsOf } from "./secret.ts";
import type { WebhookStore } from "./store.ts";
import { concerns, type QueuedEntry, type Webhook } from "./webhook.ts";

/** What is committed within this time travels together. */
const COLLECT_MS = 10;
/** The queue is read in slices of so many revocations. */
const SLICE = 500;
/** So many revocations go into one message. */
const BATCH = 100;
/** A receiver has so long to answer. */
const TIMEOUT_MS = 10_000;
/** Of the answer's body, which nobody reads, so much is let through to keep the connection for the next message. */
const MOST_ANSWER_BYTES = 65_536;

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
  readonly caller: Caller;
  readonly world: World;
  readonly alarm: SetAlarm;
  readonly fault: (error: unknown) => void;
  /** Whether it is this process that delivers, of those that serve the same data. */
  readonly mine: () => boolean;
}

const isSame = (left: Position, right: Position): boolean => !isBefore(left, right) && !isBefore(right, left);

export function startWebhooks(parts: RunnerParts): WebhookRunner {
  const { store, vault, caller, world, alarm, fault, mine } = parts;
  const { clock } = world;
  /** The message that is being tried: kept, so that every attempt at it is the same. */
  const messages = new Map<WebhookId, Message>();
  /** Up to where the queue was looked through in vain, from a cursor on. */
  const looked = new Map<WebhookId, { readonly cursor: Position; readonly upTo: Position }>();
  const attempts: Record<Outcome, number> = {
    ...{ delivered: 0, rejected: 0, gone: 0, timed_out: 0, unreachable: 0, refused_target: 0 },
  };
  let delivered = 0;
  let states = { active: 0, paused: 0 };

  async function due(): Promise<readonly Webhook[]> {
    const webhooks = await store.list();
    states = { active: 0, paused: 0 };
    for (const webhook of webhooks) states[webhook.state] += 1;
    forget(webhooks);
    return webhooks.filter(({ state }) => state === "active");
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

  async function work(webhook: Webhook, signal: AbortSignal): Promise<boolean> {
    const message = messages.get(webhook.id) ?? (await gather(webhook));
    if (message === null || message === "skipped") return message !== null;
    messages.set(webhook.id, message);
    await attempt(webhook, message, signal);
    return true;
  }

  /** The next message; `null` where nothing that is queued concerns the webhook, as far as was looked. */
  async function gather(webhook: Webhook): Promise<Message | "skipped" | null> {
    const known = looked.get(webhook.id);
    const from = known !== undefined && isSame(known.cursor, webhook.cursor) ? known.upTo : webhook.cursor;
    const slice = await store.queued(from, SLICE);
    const last = slice.at(-1);
    if (last === undefined) return null;
    const found = slice.filter((entry) => concerns(webhook, entry));
    if (found.length > 0) return messageOf(webhook, found.slice(0, BATCH), endOf(found, last));
    const upTo = { epoch: last.epoch, seq: last.seq };
    looked.set(webhook.id, { cursor: webhook.cursor, upTo });
    if (slice.length < SLICE) return null;
    // A long stretch of what is none of its kinds need not be looked through again after a restart.
    await store.skip(webhook.id, webhook.cursor, upTo);
    return "skipped";
  }

  async function attempt(webhook: Webhook, message: Message, signal: AbortSignal): Promise<void> {
    const seconds = Math.floor(clock.now() / 1000);
    const signed = signedHeaders(message, seconds, secretsOf(webhook, vault, clock.now()));
    const began = clock.monotonic();
    const called = await caller.call(
      {
        method: "POST",
        url: webhook.url,
        headers: { "content-type": "application/json", ...signed },
        body: message.body,
        most: MOST_ANSWER_BYTES,
        timeoutMs: TIMEOUT_MS,
      },
      signal,
    );
    if (called === null) return;
    const ended = { outcome: outcomeOf(called), status: called.answered ? called.status : null };
    attempts[ended.outcome] += 1;
    const { id, from, upTo, events, missed } = message;
    const tookMs = Math.round(clock.monotonic() - began);
    const jitter = world.random.bytes(4).readUInt32BE() / 2 ** 32;
    await store.settle(webhook.id, { message: id, from, upTo, events, missed, tookMs, ...ended }, jitter);
    if (ended.outcome !== "delivered") return;
    delivered += events;
    messages.delete(webhook.id);
  }

  const rounds: Rounds = startRounds({ due, work, mine, collectMs: COLLECT_MS, everyMs: null, clock, alarm, fault });
  return {
    wake: rounds.wake,
    tally: () => {
      const since = Math.min(...[...messages.values()].map((message) => message.since));
      const lagMs = Number.isFinite(since) ? Math.max(0, clock.now() - since) : 0;
      return { attempts: { ...attempts }, delivered, ...states, lagMs };
    },
    stop: async () => {
      await rounds.stop();
      caller.close();
    },
  };
}

function outcomeOf(called: Called): Outcome {
  if (!called.answered) return called.fault;
  if (called.status >= 200 && called.status < 300) return "delivered";
  return called.status === 410 ? "gone" : "rejected";
}

/** Where the cursor stands after the batch: at the end of the slice where all of it was taken. */
function endOf(found: readonly QueuedEntry[], last: QueuedEntry): Position {
  const end = found.length > BATCH ? (found[BATCH - 1] ?? last) : last;
  return { epoch: end.epoch, seq: end.seq };
}
