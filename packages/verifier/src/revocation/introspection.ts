/**
 * Asks the issuer about a single token (RFC 7662), for the time in which the copy cannot be trusted. It must not make an
 * outage worse, so it is bounded in every direction:
 *
 *   token ──► answered a moment ago? ──► being asked? join ──► breaker open? too many? unknown ──► POST ──► active, inactive
 *
 * A positive answer is good until N after its question was *sent*, as a lease is: the issuer looked after that. And as of a
 * lease the issuer must know of it, or it would confirm a revocation that we still go against: the question says for how
 * long its answer will count (`lease_ms`), and the answer for how long it may.
 */
import { exchange } from "../exchange.ts";
import { parseJsonObject } from "../jose/json.ts";
import { elapsed, type Moment } from "./lease.ts";
import type { FeedWorld } from "./world.ts";

export type Introspected = "active" | "inactive" | "unknown";

export interface IntrospectionOptions {
  readonly url: string;
  readonly authorization: string;
  /** N in milliseconds, as it is in force. */
  readonly leaseMs: () => number;
}

export interface Introspection {
  /** Never rejects. */
  ask(token: string): Promise<Introspected>;
  close(): void;
}

const AT_ONCE_MAX = 32;
const REMEMBERED_MAX = 2_000;
const TIMEOUT_MS = 2_000;
const ANSWER_MAX = 64 * 1024;
/** Failures in a row after which nobody is asked for a while. */
const FAILURES_MAX = 5;
const PAUSE_FIRST_MS = 1_000;
const PAUSE_LONGEST_MS = 30_000;

interface Remembered {
  readonly sent: Moment;
  /** For how long a yes counts, in milliseconds. */
  readonly ms: number;
  readonly active: boolean;
}

export function createIntrospection(options: IntrospectionOptions, world: FeedWorld): Introspection {
  const { url, authorization, leaseMs } = options;
  const stop = new AbortController();
  const answers = new Map<string, Remembered>();
  const asking = new Map<string, Promise<Introspected>>();
  let failures = 0;
  let pausedUntil = Number.NEGATIVE_INFINITY;

  const now = (): Moment => ({ mono: world.mono(), wall: world.now() });

  function remembered(token: string): Introspected | null {
    const answer = answers.get(token);
    if (answer === undefined) return null;
    // What was revoked stays revoked; what was active may have been revoked since.
    if (!answer.active) return "inactive";
    if (elapsed(answer.sent, now()) < answer.ms) return "active";
    answers.delete(token);
    return null;
  }

  function failed(): "unknown" {
    failures += 1;
    if (failures >= FAILURES_MAX) {
      const pause = Math.min(PAUSE_FIRST_MS * 2 ** (failures - FAILURES_MAX), PAUSE_LONGEST_MS);
      pausedUntil = world.mono() + pause * (0.5 + world.chance() / 2);
    }
    return "unknown";
  }

  async function question(token: string): Promise<Introspected> {
    const sent = now();
    const wanted = Math.ceil(leaseMs());
    const body = new URLSearchParams({
      token,
      token_type_hint: "access_token",
      lease_ms: String(wanted),
    }).toString();
    const headers = {
      accept: "application/json",
      authorization,
      "content-type": "application/x-www-form-urlencoded",
    };
    const answer = await exchange({ url, body, headers, most: ANSWER_MAX, timeout: TIMEOUT_MS }, world, stop.signal);
    const { active, lease_ms: lent } = (answer.ok && parseJsonObject(answer.octets)) || {};
    if (typeof active !== "boolean") return failed();
    failures = 0;
    if (answers.size >= REMEMBERED_MAX) answers.clear();
    const ms = typeof lent === "number" ? Math.min(wanted, lent) : wanted;
    answers.set(token, { sent, ms, active });
    // A yes that took N to come says nothing of the present any more.
    return remembered(token) ?? "unknown";
  }

  return {
    async ask(token) {
      const known = remembered(token);
      if (known !== null) return known;
      const joined = asking.get(token);
      if (joined !== undefined) return joined;
      // After a pause one question goes first, and the others wait for what comes of it.
      const most = failures >= FAILURES_MAX ? 1 : AT_ONCE_MAX;
      if (stop.signal.aborted || world.mono() < pausedUntil || asking.size >= most) return "unknown";
      const mine = question(token)
        .catch(failed)
        .finally(() => asking.delete(token));
      asking.set(token, mine);
      return mine;
    },
    close() {
      stop.abort();
      answers.clear();
    },
  };
}
