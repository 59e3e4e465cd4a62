/**
 * Security event tokens: a signal, or what a stream says of itself, as a signed text for one stream (RFC 8417, SSF 1.0 §4).
 *
 * Nothing of it is stored: an event is written and signed anew at each attempt, by the key that signs now, so that nothing
 * waits under a key that is gone. All but the signature is the same every time, `jti` and `iat` too.
 */
import { signJws } from "@mapae/verifier/jose";
import type { Keyring } from "../keys/keyring.ts";
import type { UserId } from "../prelude/ids.ts";
import type { Clock } from "../prelude/world.ts";
import type { UserStore } from "../users/store.ts";
import { CONTROL_TYPES, EVENT_TYPES, SET_TYPE } from "./event.ts";
import { controlName, signalName } from "./progress.ts";
import { reasonsOf, type Signal, type SignalFacts } from "./signal.ts";
import type { Control, Stream } from "./stream.ts";
import { emailFor, opaqueSubject, sessionSubject, tenantSubject, userSubject, type WrittenSubject } from "./subject.ts";

export interface SetClaims {
  readonly iss: string;
  readonly jti: string;
  /** Unix seconds. */
  readonly iat: number;
  readonly aud: string;
  readonly txn?: string;
  readonly sub_id: WrittenSubject;
  readonly events: Readonly<Record<string, unknown>>;
}

const seconds = (ms: number): number => Math.floor(ms / 1000);

function subjectOf({ user, session }: Signal, issuer: string, email: string | null): WrittenSubject {
  if (user === null) return session === null ? tenantSubject(issuer) : opaqueSubject(session);
  const named = userSubject(issuer, user, email);
  return session === null ? named : sessionSubject(named, session);
}

/** What an event says beside when, by whom and why (CAEP 1.0 §3). */
function membersOf(facts: SignalFacts): Readonly<Record<string, unknown>> {
  switch (facts.event) {
    case "session-revoked":
      return {};
    case "credential-change":
      return { credential_type: facts.credential, change_type: facts.change };
    case "token-claims-change":
      return { claims: { roles: [...facts.roles] } };
  }
}

/** @param email by which the stream may call the user; `null`: by the id */
export function signalClaims(stream: Stream, signal: Signal, issuer: string, email: string | null): SetClaims {
  const { facts, epoch, cause, at, initiator } = signal;
  const { admin, user } = reasonsOf(facts);
  const event = {
    event_timestamp: seconds(at),
    initiating_entity: initiator,
    reason_admin: { en: admin },
    reason_user: user,
    ...membersOf(facts),
  };
  return {
    iss: issuer,
    jti: signalName(stream, signal),
    iat: seconds(at),
    aud: stream.client,
    txn: `txn_${epoch}_${cause}`,
    sub_id: subjectOf(signal, issuer, email),
    events: { [EVENT_TYPES[facts.event]]: event },
  };
}

export function controlClaims(stream: Stream, control: Control, issuer: string): SetClaims {
  return {
    iss: issuer,
    jti: controlName(stream, control),
    iat: seconds(control.at),
    aud: stream.client,
    sub_id: opaqueSubject(stream.id),
    events: { [CONTROL_TYPES[control.name]]: control.facts },
  };
}

/** An event as it is sent. */
export interface NamedSet {
  readonly name: string;
  readonly set: string;
}

export interface SetMaker {
  ofSignal(stream: Stream, signal: Signal): Promise<NamedSet>;
  ofControl(stream: Stream, control: Control): Promise<NamedSet>;
}

export function createSetMaker(services: {
  readonly keyring: Keyring;
  readonly users: UserStore;
  readonly issuer: string;
  readonly clock: Clock;
}): SetMaker {
  const { keyring, users, issuer, clock } = services;
  const sign = async (claims: SetClaims): Promise<NamedSet> => {
    const key = await keyring.signer(seconds(clock.now()));
    return { name: claims.jti, set: signJws({ typ: SET_TYPE }, claims, key) };
  };
  const identifierOf = async (id: UserId): Promise<string | null> => (await users.find(id))?.identifier ?? null;
  return {
    ofSignal: async (stream, signal) => {
      const { user } = signal;
      const named = stream.naming === "email" && user !== null;
      const identifier = named ? (signal.identifier ?? (await identifierOf(user))) : null;
      return sign(signalClaims(stream, signal, issuer, emailFor(stream.naming, identifier)));
    },
    ofControl: async (stream, control) => sign(controlClaims(stream, control, issuer)),
  };
}
