/**
 * Rows to values and back, by hand, for every table that holds an entity. The order of a table's columns is written
 * once, as its list; `…Of(row, at)` reads them from position `at`, `…Row(value)` gives them for binding.
 */
import type { AuditDraft, AuditEvent, AuditEventName, Cause } from "../../audit/event.ts";
import type { Client, ClientKind } from "../../clients/client.ts";
import type { PublishedKeys } from "../../clients/published-keys.ts";
import type { Grant, GrantPolicy } from "../../grants/grant.ts";
import type { KeyState, SigningKeyRecord } from "../../keys/signing-key.ts";
import { asId, type GrantId } from "../../prelude/ids.ts";
import type { EndReason, RevocationEntry, RevocationKind } from "../../revocation/entry.ts";
import type { DeviceClass, Session } from "../../sessions/session.ts";
import type { User, UserState } from "../../users/user.ts";
import type { DataKeyPurpose, WrappedKey } from "../../vault/store.ts";
import type { Ended } from "../rows.ts";
import { bytes, bytesOrNull, integer, integerOrNull, list, type Row, text, textOrNull, type Value } from "./columns.ts";

/** The columns of a table, for `SELECT` and `INSERT`. */
function columns(...names: readonly string[]) {
  return {
    count: names.length,
    names: names.join(", "),
    of: (alias: string) => names.map((name) => `${alias}.${name}`).join(", "),
    places: names.map(() => "?").join(", "),
  };
}

function endedOf(row: Row, at: number): Ended | null {
  const ended = integerOrNull(row, at);
  return ended === null ? null : { at: ended, reason: text(row, at + 1) as EndReason };
}

export const GRANT = columns(
  ...["secret_id", "id", "session", "client", "scope", "rotates", "replay_ends", "generation", "mac_key", "rotated_at"],
  ...["proof", "used_at", "idle_expires_at", "created_at", "ended_at", "end_reason"],
);

export function grantOf(row: Row, at = 0): Grant {
  return {
    secretId: bytes(row, at),
    id: asId("grant", text(row, at + 1)),
    session: asId("session", text(row, at + 2)),
    client: asId("client", text(row, at + 3)),
    scope: list(row, at + 4),
    policy: {
      rotates: integer(row, at + 5) === 1,
      replayEnds: text(row, at + 6) as GrantPolicy["replayEnds"],
    },
    generation: integer(row, at + 7),
    macKey: integer(row, at + 8),
    rotatedAt: integer(row, at + 9),
    proof: bytesOrNull(row, at + 10),
    usedAt: integer(row, at + 11),
    idleExpiresAt: integer(row, at + 12),
    createdAt: integer(row, at + 13),
    ended: endedOf(row, at + 14),
  };
}

export function grantRow(grant: Grant): Value[] {
  return [
    grant.secretId,
    grant.id,
    grant.session,
    grant.client,
    JSON.stringify(grant.scope),
    grant.policy.rotates ? 1 : 0,
    grant.policy.replayEnds,
    grant.generation,
    grant.macKey,
    grant.rotatedAt,
    grant.proof,
    grant.usedAt,
    grant.idleExpiresAt,
    grant.createdAt,
    grant.ended?.at ?? null,
    grant.ended?.reason ?? null,
  ];
}

export const SESSION = columns(
  ...[
    "id",
    '"user"',
    "client",
    "device_id",
    "device_name",
    "device_class",
    "address",
    "amr",
    "created_at",
    "expires_at",
  ],
  ...["ended_at", "end_reason"],
);
/** What follows a session's columns when its grants are looked at: when one was last used, and until when one may be. */
export const SEEN = `
  coalesce((SELECT max(used_at) FROM grants WHERE session = s.id), 0),
  coalesce((SELECT max(idle_expires_at) FROM grants WHERE session = s.id), 0)`;

/** Reads a session and, behind its columns, its last use. */
export function sessionOf(row: Row, at = 0): Session {
  return {
    id: asId("session", text(row, at)),
    user: asId("user", text(row, at + 1)),
    client: asId("client", text(row, at + 2)),
    device: {
      id: asId("device", text(row, at + 3)),
      name: text(row, at + 4),
      class: text(row, at + 5) as DeviceClass,
    },
    address: textOrNull(row, at + 6),
    amr: list(row, at + 7),
    createdAt: integer(row, at + 8),
    expiresAt: integer(row, at + 9),
    ended: endedOf(row, at + 10),
    lastSeenAt: integer(row, at + 12),
    idleExpiresAt: integer(row, at + 13),
  };
}

export function sessionRow(session: Session): Value[] {
  return [
    session.id,
    session.user,
    session.client,
    session.device.id,
    session.device.name,
    session.device.class,
    session.address,
    JSON.stringify(session.amr),
    session.createdAt,
    session.expiresAt,
    session.ended?.at ?? null,
    session.ended?.reason ?? null,
  ];
}

export const USER = columns(
  ...["id", "identifier", "identifier_key", "name", "state", "roles", "created_at", "updated_at", "password"],
  "credential_version",
);

export function userOf(row: Row, at = 0): User {
  return {
    id: asId("user", text(row, at)),
    identifier: textOrNull(row, at + 1),
    identifierKey: textOrNull(row, at + 2),
    name: textOrNull(row, at + 3),
    state: text(row, at + 4) as UserState,
    roles: list(row, at + 5),
    createdAt: integer(row, at + 6),
    updatedAt: integer(row, at + 7),
    password: bytesOrNull(row, at + 8),
    credentialVersion: integer(row, at + 9),
  };
}

export function userRow(user: User): Value[] {
  return [
    user.id,
    user.identifier,
    user.identifierKey,
    user.name,
    user.state,
    JSON.stringify(user.roles),
    user.createdAt,
    user.updatedAt,
    user.password,
    user.credentialVersion,
  ];
}

export const CLIENT = columns("id", "kind", "name", "secret_hash", "scope", "audience", "created_at", "jwks");

export function clientOf(row: Row): Client {
  const jwks = textOrNull(row, 7);
  return {
    id: asId("client", text(row, 0)),
    kind: text(row, 1) as ClientKind,
    name: text(row, 2),
    secretHash: bytesOrNull(row, 3),
    scope: list(row, 4),
    audience: textOrNull(row, 5),
    createdAt: integer(row, 6),
    jwks: jwks === null ? null : (JSON.parse(jwks) as PublishedKeys),
  };
}

export function clientRow(client: Client): Value[] {
  const { id, kind, name, secretHash, scope, audience, createdAt, jwks } = client;
  const keys = jwks === null ? null : JSON.stringify(jwks);
  return [id, kind, name, secretHash, JSON.stringify(scope), audience, createdAt, keys];
}

export const DATA_KEY = columns("id", "purpose", "wrapped", "wrapped_by", "created_at");

export function dataKeyOf(row: Row): WrappedKey {
  return {
    id: integer(row, 0),
    purpose: text(row, 1) as DataKeyPurpose,
    wrapped: bytes(row, 2),
    wrappedBy: text(row, 3),
    createdAt: integer(row, 4),
  };
}

export function dataKeyRow(key: WrappedKey): Value[] {
  return [key.id, key.purpose, key.wrapped, key.wrappedBy, key.createdAt];
}

export const SIGNING_KEY = columns(
  ...["kid", "alg", "state", "public_jwk", "sealed_private", "data_key", "created_at", "activated_at", "retired_at"],
  "highest_exp",
);

export function signingKeyOf(row: Row, at = 0): SigningKeyRecord {
  const jwk = textOrNull(row, at + 3);
  return {
    kid: text(row, at),
    alg: text(row, at + 1) as SigningKeyRecord["alg"],
    state: text(row, at + 2) as KeyState,
    publicJwk: jwk === null ? null : (JSON.parse(jwk) as Record<string, unknown>),
    sealedPrivate: bytesOrNull(row, at + 4),
    dataKey: integer(row, at + 5),
    createdAt: integer(row, at + 6),
    activatedAt: integerOrNull(row, at + 7),
    retiredAt: integerOrNull(row, at + 8),
    highestExp: integer(row, at + 9),
  };
}

export function signingKeyRow(key: SigningKeyRecord): Value[] {
  const { kid, alg, state, publicJwk, sealedPrivate, dataKey, createdAt, activatedAt, retiredAt, highestExp } = key;
  const jwk = publicJwk === null ? null : JSON.stringify(publicJwk);
  return [kid, alg, state, jwk, sealedPrivate, dataKey, createdAt, activatedAt, retiredAt, highestExp];
}

export const ENTRY = columns("epoch", "seq", "kind", "value", "reason", "at", "expires", "audience", '"grant"');

export function entryOf(row: Row): RevocationEntry {
  return {
    epoch: integer(row, 0),
    seq: integer(row, 1),
    kind: text(row, 2) as RevocationKind,
    value: text(row, 3),
    reason: text(row, 4) as EndReason,
    at: integer(row, 5),
    expires: integer(row, 6),
    audience: textOrNull(row, 7),
    grant: grantIdOrNull(row, 8),
  };
}

function grantIdOrNull(row: Row, at: number): GrantId | null {
  const id = textOrNull(row, at);
  return id === null ? null : asId("grant", id);
}

export function entryRow(entry: RevocationEntry): Value[] {
  const { epoch, seq, kind, value, reason, at, expires, audience, grant } = entry;
  return [epoch, seq, kind, value, reason, at, expires, audience, grant];
}

const EVENT_COLUMNS = ["at", "name", "cause", '"user"', "session", "client", "detail"] as const;
export const EVENT = columns("id", ...EVENT_COLUMNS);
/** The engine gives the id. */
export const NEW_EVENT = columns(...EVENT_COLUMNS);

export function eventOf(row: Row): AuditEvent {
  return {
    id: integer(row, 0),
    at: integer(row, 1),
    name: text(row, 2) as AuditEventName,
    cause: JSON.parse(text(row, 3)) as Cause,
    user: textOrNull(row, 4),
    session: textOrNull(row, 5),
    client: textOrNull(row, 6),
    detail: JSON.parse(text(row, 7)) as AuditEvent["detail"],
  };
}

export function eventRow(event: AuditDraft, at: number): Value[] {
  const { name, cause, user, session, client, detail } = event;
  return [at, name, JSON.stringify(cause), user, session, client, JSON.stringify(detail)];
}
