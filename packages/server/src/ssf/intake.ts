/**
 * Takes an event of another provider, however it came: read strictly (read-set.ts), judged by what it asks for
 * (measure.ts), applied to whom it names, and remembered, in one step.
 *
 *   text ──► verified ──► taken before? ──► verification, news of the stream ──► noted
 *                              │ yes: done           └► an event ──► user, session ──► ends, audit and name: one commit
 *
 * An event that names nobody known here is taken, audited, and does nothing: the provider need not know who has an account.
 * What is no good is counted and limited, so that a provider gone mad costs nobody more than itself.
 */
import { createHash } from "node:crypto";
import { type Cause, draft } from "../audit/event.ts";
import type { SessionId, UserId } from "../prelude/ids.ts";
import { sameBytes } from "../prelude/secret.ts";
import type { Clock } from "../prelude/world.ts";
import { audit, type Effect, type TakeEvent } from "../revocation/effects.ts";
import type { RevocationStore } from "../revocation/store.ts";
import { decideEnd } from "../sessions/end-rule.ts";
import type { Throttle } from "../throttle/throttle.ts";
import type { UserStore } from "../users/store.ts";
import type { Aim } from "./aim.ts";
import { CONTROL_TYPES } from "./event.ts";
import { measureOf } from "./measure.ts";
import type { ProviderKeys } from "./provider-keys.ts";
import { type ReceivedSet, readSet, SET_ERRORS, type SetError } from "./read-set.ts";
import type { Receiver } from "./receiver.ts";
import type { ReceiverStore } from "./receiver-store.ts";

/** What became of an event that was good: what it did, or why it did nothing. */
export const RESULTS = [
  "session_ended",
  "sessions_ended",
  "account_disabled",
  "tokens_refused",
  "unknown_subject",
  "not_ours",
  "contradictory",
  "not_acted_on",
  "too_wide",
  "not_understood",
] as const;
export type Result = (typeof RESULTS)[number];

export type Taken =
  /** It need not be sent again. `repeated`: it had been taken before. */
  | { readonly ok: true; readonly repeated: boolean }
  /** It will never be good. */
  | { readonly ok: false; readonly error: SetError; readonly description: string }
  /** It could not be dealt with now: the keys cannot be had, or too much came at once. After so many seconds. */
  | { readonly ok: false; readonly error: null; readonly retryAfter: number };

export interface IntakeTally {
  /** Events that were taken, by what became of them. */
  readonly taken: Readonly<Record<Result, number>>;
  /** Events that were no good, by the name of the error. */
  readonly rejected: Readonly<Record<SetError, number>>;
  /** Events that were put off. */
  readonly delayed: number;
}

export interface Intake {
  take(receiver: Receiver, text: string, cause: Cause): Promise<Taken>;
  tally(): IntakeTally;
}

/** Seconds after which keys that could not be had are worth another try. */
const KEYS_RETRY_SECONDS = 30;

export function stateHash(state: string): Buffer {
  return createHash("sha256").update(state).digest();
}

function zeros<Name extends string>(names: readonly Name[]): Record<Name, number> {
  return Object.fromEntries(names.map((name) => [name, 0])) as Record<Name, number>;
}

export function createIntake(services: {
  readonly receivers: ReceiverStore;
  readonly revocation: Pick<RevocationStore, "apply">;
  readonly users: UserStore;
  readonly keys: ProviderKeys;
  readonly aim: Aim;
  readonly admit: Throttle["admit"];
  /** An event was no good. */
  readonly onRejected: (receiver: Receiver, error: SetError, description: string) => void;
  readonly clock: Clock;
}): Intake {
  const { receivers, revocation, users, keys, aim, admit, onRejected, clock } = services;
  const taken = zeros(RESULTS);
  const rejected = zeros(SET_ERRORS);
  let delayed = 0;

  const take = async (receiver: Receiver, text: string, cause: Cause): Promise<Taken> => {
    // One unit is taken before anything is read, so that many at once cannot slip through; a good event gives it back.
    const admission = await admit("bad_events_of_provider", receiver.id);
    if (!admission.allowed) return delay(admission.retryAfter);
    let outcome: Taken | undefined;
    try {
      outcome = await judge(receiver, text, cause);
      return outcome;
    } finally {
      if (outcome?.ok === false && outcome.error !== null) admission.permit.keep();
      else await admission.permit.giveBack();
    }
  };

  const judge = async (receiver: Receiver, text: string, cause: Cause): Promise<Taken> => {
    const expected = { issuer: receiver.issuer, audience: receiver.stream.audience };
    const read = await readSet(text, expected, keys.of(receiver), Math.floor(clock.now() / 1000));
    if (!read.ok && read.error === null) return delay(KEYS_RETRY_SECONDS);
    if (!read.ok) return reject(receiver, read.error, read.description);
    const { set } = read;
    if (await receivers.hasTaken(receiver.id, set.jti)) return { ok: true, repeated: true };
    if (set.type === CONTROL_TYPES.verification) return verification(receiver, set);
    if (set.type === CONTROL_TYPES["stream-updated"]) return streamUpdated(receiver, set);
    return event(receiver, set, cause);
  };

  const delay = (retryAfter: number): Taken => {
    delayed += 1;
    return { ok: false, error: null, retryAfter };
  };

  const reject = async (receiver: Receiver, error: SetError, description: string): Promise<Taken> => {
    rejected[error] += 1;
    onRejected(receiver, error, description);
    await receivers.note(receiver.id, { note: "rejected", failure: error }, []);
    return { ok: false, error, description };
  };

  const named = ({ id }: Receiver, { jti }: ReceivedSet, as: TakeEvent["as"]): TakeEvent => {
    return { effect: "take_event", receiver: id, jti, as };
  };

  const isOfStream = ({ stream }: Receiver, { subject }: ReceivedSet): boolean =>
    subject.format === "opaque" && subject.id === stream.id;

  const verification = async (receiver: Receiver, set: ReceivedSet): Promise<Taken> => {
    if (!isOfStream(receiver, set)) return reject(receiver, "invalid_request", "It verifies another stream.");
    const { state } = set.members;
    const { asked } = receiver;
    const answers = typeof state === "string" && asked !== null && sameBytes(stateHash(state), asked.stateHash);
    // SSF 1.0 §8.1.4.1: one that nobody asked for has no state.
    if (!answers && state !== undefined) {
      return reject(receiver, "invalid_state", "Its state is not the one that was asked for.");
    }
    await receivers.note(receiver.id, { note: answers ? "verified" : "heard" }, [named(receiver, set, "control")]);
    return { ok: true, repeated: false };
  };

  const streamUpdated = async (receiver: Receiver, set: ReceivedSet): Promise<Taken> => {
    const { status } = set.members;
    if (!isOfStream(receiver, set) || !["enabled", "paused", "disabled"].includes(String(status))) {
      return reject(receiver, "invalid_request", "It tells of another stream, or no status.");
    }
    await receivers.note(receiver.id, { note: "status", status: String(status) }, [named(receiver, set, "control")]);
    return { ok: true, repeated: false };
  };

  const event = async (receiver: Receiver, set: ReceivedSet, cause: Cause): Promise<Taken> => {
    const measure = measureOf(set, receiver.facts.criticalMembers);
    if (measure === null) return reject(receiver, "invalid_request", "Its event is not as its type has it.");
    type About = { readonly user?: UserId; readonly session?: SessionId };
    /** What it did, that it was taken, and that this is audited: one commit. */
    const done = async (result: Result, about: About, effects: readonly Effect[]): Promise<Taken> => {
      const detail = { receiver: receiver.id, event: set.type, result };
      const told = audit(draft("ssf.event_received", cause, about, detail));
      const as = result === "unknown_subject" ? "unmatched" : "event";
      await revocation.apply([...effects, told, named(receiver, set, as)]);
      taken[result] += 1;
      return { ok: true, repeated: false };
    };
    if (measure.asks === "nothing") return done(measure.why, {}, []);
    const aimed = await aim(receiver, measure);
    if (typeof aimed === "string") return done(aimed, {}, []);
    const admission = await admit("ends_by_provider", receiver.id);
    if (!admission.allowed) return delay(admission.retryAfter);
    admission.permit.keep();
    const { user, session } = aimed;
    if (measure.asks === "renew") {
      // As where roles change here (users/user.ts): the next refresh brings a token with what holds now.
      return done("tokens_refused", { user }, [
        { effect: "revoke", kind: "user", value: user, reason: "roles_changed" },
      ]);
    }
    if (session !== null) {
      const about = { user, session: session.id };
      return done("session_ended", about, decideEnd({ session: session.id }, session, "reported", cause));
    }
    if (measure.asks === "disable" && receiver.disables) {
      // Ends everything too. Where this process dies behind it, the event comes again and finds it done.
      await users.change(user, { kind: "disable" }, cause);
      return done("account_disabled", { user }, []);
    }
    return done("sessions_ended", { user }, decideEnd({ user }, undefined, "reported", cause));
  };

  return { take, tally: () => ({ taken: { ...taken }, rejected: { ...rejected }, delayed }) };
}
