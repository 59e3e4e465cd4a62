/**
 * Takes an event of another provider, however it came: read strictly (read-set.ts), judged by what it asks for
 * (measure.ts), applied to whom it names, and remembered, in one step.
 *
 *   text ──► verified ──► taken before? ──► verification, news of the stream ──► noted
 *                              │ yes: done           └► an event ──► user, session ──► ends, audit and name: one commit
 *
 * An event that names nobody known here is taken, audited, and does nothing: the provider need not know who has an account.
 */
import { createHash } from "node:crypto";
import { type Cause, draft } from "../audit/event.ts";
import type { ReceiverId, SessionId, UserId } from "../prelude/ids.ts";
import { sameBytes } from "../prelude/secret.ts";
import type { Clock } from "../prelude/world.ts";
import { audit, type Effect } from "../revocation/effects.ts";
import type { RevocationStore } from "../revocation/store.ts";
import { decideEnd } from "../sessions/end-rule.ts";
import type { UserStore } from "../users/store.ts";
import type { Aim, Aimed } from "./aim.ts";
import { CONTROL_TYPES } from "./event.ts";
import { measureOf, type NoMeasure } from "./measure.ts";
import type { ProviderKeys } from "./provider-keys.ts";
import { type ReceivedSet, readSet, type SetError } from "./read-set.ts";
import type { Receiver } from "./receiver.ts";
import type { ReceiverStore } from "./receiver-store.ts";

/** What became of an event that was good. */
export type Result = "session_ended" | "sessions_ended" | "account_disabled" | Exclude<Aimed, object> | NoMeasure;

export type Taken =
  /** It need not be sent again. */
  | { readonly ok: true }
  /** It will never be good. */
  | { readonly ok: false; readonly error: SetError; readonly description: string }
  /** It could not be dealt with now: the keys cannot be had, or too much came at once. */
  | { readonly ok: false; readonly error: null; readonly retryAfter: number };

export interface Intake {
  take(receiver: Receiver, text: string, cause: Cause): Promise<Taken>;
  tally(): { readonly taken: number; readonly rejected: number };
}

/** Seconds after which keys that could not be had are worth another try. */
const KEYS_RETRY_SECONDS = 30;

export function stateHash(state: string): Buffer {
  return createHash("sha256").update(state).digest();
}

export function createIntake(services: {
  readonly receivers: ReceiverStore;
  readonly revocation: Pick<RevocationStore, "apply">;
  readonly users: UserStore;
  readonly keys: ProviderKeys;
  readonly aim: Aim;
  /** Whether one more may take effect now; otherwise after how many seconds. */
  readonly admit: (id: ReceiverId) => Promise<number | null>;
  readonly clock: Clock;
}): Intake {
  const { receivers, revocation, users, keys, aim, admit, clock } = services;
  let taken = 0;
  let rejected = 0;

  const take = async (receiver: Receiver, text: string, cause: Cause): Promise<Taken> => {
    const expected = { issuer: receiver.issuer, audience: receiver.stream.audience };
    const read = await readSet(text, expected, keys.of(receiver), Math.floor(clock.now() / 1000));
    if (!read.ok && read.error === null) return { ok: false, error: null, retryAfter: KEYS_RETRY_SECONDS };
    if (!read.ok) return reject(receiver, read.error, read.description);
    const { set } = read;
    if (await receivers.hasTaken(receiver.id, set.jti)) return { ok: true };
    if (set.type === CONTROL_TYPES.verification) return verification(receiver, set);
    if (set.type === CONTROL_TYPES["stream-updated"]) return streamUpdated(receiver, set);
    return event(receiver, set, cause);
  };

  const reject = async (receiver: Receiver, error: SetError, description: string): Promise<Taken> => {
    rejected += 1;
    await receivers.note(receiver.id, { note: "rejected", failure: error }, []);
    return { ok: false, error, description };
  };

  /** Remembered, without anything that it did. */
  const remember = ({ id }: Receiver, { jti }: ReceivedSet) => {
    return revocation.apply([{ effect: "take_event", receiver: id, jti }]);
  };

  const isOfStream = ({ stream }: Receiver, { subject }: ReceivedSet): boolean =>
    subject.format === "opaque" && subject.id === stream.id;

  const verification = async (receiver: Receiver, set: ReceivedSet): Promise<Taken> => {
    if (!isOfStream(receiver, set)) return reject(receiver, "invalid_request", "It verifies another stream.");
    const { state } = set.members;
    const { asked } = receiver;
    // SSF 1.0 §8.1.4.1: one that nobody asked for has no state.
    if (state === undefined) await receivers.note(receiver.id, { note: "heard" }, []);
    else if (typeof state === "string" && asked !== null && sameBytes(stateHash(state), asked.stateHash)) {
      await receivers.note(receiver.id, { note: "verified" }, []);
    } else return reject(receiver, "invalid_state", "Its state is not the one that was asked for.");
    await remember(receiver, set);
    return { ok: true };
  };

  const streamUpdated = async (receiver: Receiver, set: ReceivedSet): Promise<Taken> => {
    const { status } = set.members;
    if (!isOfStream(receiver, set) || !["enabled", "paused", "disabled"].includes(String(status))) {
      return reject(receiver, "invalid_request", "It tells of another stream, or no status.");
    }
    await receivers.note(receiver.id, { note: "status", status: String(status) }, []);
    await remember(receiver, set);
    return { ok: true };
  };

  const event = async (receiver: Receiver, set: ReceivedSet, cause: Cause): Promise<Taken> => {
    const measure = measureOf(set, receiver.facts.criticalMembers);
    if (measure === null) return reject(receiver, "invalid_request", "Its event is not as its type has it.");
    const told = (
      result: Result,
      about: { user?: UserId | null; session?: SessionId | null } = {},
    ): readonly Effect[] => [
      audit(draft("ssf.event_received", cause, about, { receiver: receiver.id, event: set.type, result })),
      { effect: "take_event", receiver: receiver.id, jti: set.jti },
    ];
    const done = async (...effects: readonly Effect[]): Promise<Taken> => {
      await revocation.apply(effects);
      taken += 1;
      return { ok: true };
    };
    if (measure.asks === "nothing") return done(...told(measure.why));
    const aimed = await aim(receiver, measure);
    if (typeof aimed === "string") return done(...told(aimed));
    const wait = await admit(receiver.id);
    if (wait !== null) return { ok: false, error: null, retryAfter: wait };
    const { user, session } = aimed;
    if (session !== null) {
      const ends = decideEnd({ session: session.id }, session, "reported", cause);
      return done(...ends, ...told("session_ended", { user, session: session.id }));
    }
    if (measure.asks === "disable" && receiver.disables) {
      // Ends everything too. Where this process dies behind it, the event comes again and finds it done.
      await users.change(user, { kind: "disable" }, cause);
      return done(...told("account_disabled", { user }));
    }
    return done(...decideEnd({ user }, undefined, "reported", cause), ...told("sessions_ended", { user }));
  };

  return { take, tally: () => ({ taken, rejected }) };
}
