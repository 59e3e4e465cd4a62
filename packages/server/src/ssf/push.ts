/**
 * Pushing (RFC 8935): one event at a time to each stream that wants it so, in order, over the rounds and calls that serve
 * webhooks too (delivery/).
 *
 *   what waits? ──► what the stream says of itself, then the oldest signal ──► sign ──► POST ──► settle (push-rule.ts)
 *
 * What is under way when the process dies has acknowledged nothing, so the next process sends it again.
 */
import { isGivenUp } from "../delivery/backoff.ts";
import type { Called, Caller } from "../delivery/call.ts";
import { startRounds } from "../delivery/rounds.ts";
import type { SetAlarm, World } from "../prelude/world.ts";
import type { Vault } from "../vault/vault.ts";
import { openCredential } from "./credential.ts";
import { SET_TYPE } from "./event.ts";
import { PUSH_OUTCOMES, type PushAttempt, type PushOutcome } from "./push-rule.ts";
import type { NamedSet, SetMaker } from "./set.ts";
import type { Signal } from "./signal.ts";
import type { StreamStore } from "./store.ts";
import type { Stream } from "./stream.ts";

const COLLECT_MS = 10;
/** What wakes nobody, since it wrote nothing into the log or was another process's, is found by looking. */
const LOOK_MS = 1_000;
const TIMEOUT_MS = 10_000;
/** An error of RFC 8935 is a few words. */
const MOST_ANSWER_BYTES = 8_192;
const ERROR_NAME = /^[a-z_]{1,50}$/;

export interface PushTally {
  readonly attempts: Readonly<Record<PushOutcome, number>>;
  readonly failing: number;
}

export interface Pushes {
  /** There may be something to tell. Returns at once. */
  wake(): void;
  tally(): PushTally;
  stop(): Promise<void>;
}

export interface PushParts {
  readonly streams: StreamStore;
  readonly sets: SetMaker;
  readonly vault: Vault;
  readonly caller: Caller;
  readonly world: World;
  readonly alarm: SetAlarm;
  readonly fault: (error: unknown) => void;
  /** Whether it is this process that delivers, of those that serve the same data. */
  readonly mine: () => boolean;
}

export function startPushes(parts: PushParts): Pushes {
  const { streams, sets, vault, caller, world, alarm, fault, mine } = parts;
  const { clock } = world;
  const outcomes = Object.keys(PUSH_OUTCOMES) as PushOutcome[];
  const attempts = Object.fromEntries(outcomes.map((outcome) => [outcome, 0])) as Record<PushOutcome, number>;
  let failing = 0;

  async function due(): Promise<readonly Stream[]> {
    const pushed = (await streams.list()).filter(({ delivery }) => delivery.method === "push");
    failing = pushed.filter(({ failures }) => failures > 0).length;
    const now = clock.now();
    return pushed.filter(
      (stream) => stream.status === "enabled" || (stream.controls.length > 0 && !isGivenUp(stream, now)),
    );
  }

  /** The event whose turn it is: what the stream says of itself goes first. */
  async function next(stream: Stream, [signal]: readonly Signal[]): Promise<NamedSet | null> {
    const [control] = stream.controls;
    if (control !== undefined) return sets.ofControl(stream, control);
    return signal === undefined ? null : sets.ofSignal(stream, signal);
  }

  async function work({ id }: Stream, signal: AbortSignal): Promise<boolean> {
    const waits = await streams.due(id, 1);
    if (waits === undefined) return false;
    const { stream, signals, behind } = waits;
    const { delivery } = stream;
    if (delivery.method !== "push") return false;
    const event = await next(stream, signals);
    if (event === null) {
      if (behind) await streams.passOver(id);
      return behind;
    }
    const { name, set } = event;
    const credential = openCredential(id, delivery.authorization, vault);
    const called = await caller.call(
      {
        method: "POST",
        url: delivery.url,
        headers: {
          "content-type": `application/${SET_TYPE}`,
          accept: "application/json",
          ...(credential === null ? {} : { authorization: credential.reveal() }),
        },
        body: set,
        most: MOST_ANSWER_BYTES,
        timeoutMs: TIMEOUT_MS,
      },
      signal,
    );
    if (called === null) return false;
    const attempt = attemptOf(name, called);
    attempts[attempt.outcome] += 1;
    await streams.settle(id, attempt, world.random.bytes(4).readUInt32BE() / 2 ** 32);
    return true;
  }

  const rounds = startRounds({ mine, due, work, collectMs: COLLECT_MS, everyMs: LOOK_MS, clock, alarm, fault });
  return {
    wake: rounds.wake,
    tally: () => ({ attempts: { ...attempts }, failing }),
    stop: async () => {
      await rounds.stop();
      caller.close();
    },
  };
}

function attemptOf(name: string, called: Called): PushAttempt {
  if (!called.answered) return { name, outcome: called.fault, detail: null };
  const { status, body } = called;
  // RFC 8935 §2.2 says 202; who answers another success has taken it as well.
  if (status >= 200 && status < 300) return { name, outcome: "accepted", detail: null };
  const error = status === 400 ? errorIn(body) : null;
  return error === null
    ? { name, outcome: "rejected", detail: String(status) }
    : { name, outcome: "refused", detail: error };
}

/** The error's name (RFC 8935 §2.3); `null` where the answer is none of a receiver of events. */
function errorIn(body: Buffer | null): string | null {
  try {
    const answer: unknown = JSON.parse(body?.toString() ?? "");
    const err: unknown = typeof answer === "object" && answer !== null && "err" in answer ? answer.err : null;
    return typeof err === "string" && ERROR_NAME.test(err) ? err : null;
  } catch {
    return null;
  }
}
