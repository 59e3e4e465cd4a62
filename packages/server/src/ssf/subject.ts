/**
 * Subjects: whom an event is about, written (RFC 9493, SSF 1.0 §3) and read.
 *
 *   simple     { "format": "iss_sub", "iss": "https://login.example.com", "sub": "usr_…" }
 *   complex    { "format": "complex", "user": <simple>, "session": { "format": "opaque", "id": "ses_…" } }
 *
 * What is read was written by somebody else: anything may come, and what is of no format known here is `other`.
 */
import type { Naming } from "./stream.ts";

/** Whom a simple subject names, as far as this server could know anybody by it. */
export type SimpleSubject =
  | { readonly format: "iss_sub"; readonly iss: string; readonly sub: string }
  | { readonly format: "email"; readonly email: string }
  | { readonly format: "opaque"; readonly id: string }
  | { readonly format: "aliases"; readonly identifiers: readonly SimpleSubject[] }
  | { readonly format: "other" };

export type Subject =
  | SimpleSubject
  /** By the names of its members: `user`, `session`, `tenant` and others. */
  | { readonly format: "complex"; readonly members: ReadonlyMap<string, SimpleSubject> };

/** Longest text of a subject, in UTF-16 units; more names nobody. */
const LONGEST = 1000;
const MOST_MEMBERS = 20;

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const isText = (value: unknown): value is string =>
  typeof value === "string" && value !== "" && value.length <= LONGEST;

/** Reads a simple subject; `null` where it is none. Never throws. */
function readSimple(value: unknown, nested: boolean): SimpleSubject | null {
  if (!isObject(value) || !isText(value.format)) return null;
  switch (value.format) {
    case "iss_sub":
      return isText(value.iss) && isText(value.sub) ? { format: "iss_sub", iss: value.iss, sub: value.sub } : null;
    case "email":
      return isText(value.email) ? { format: "email", email: value.email } : null;
    case "opaque":
      return isText(value.id) ? { format: "opaque", id: value.id } : null;
    case "aliases": {
      // RFC 9493 §3.2.8: not inside another.
      const { identifiers } = value;
      if (nested || !Array.isArray(identifiers) || identifiers.length === 0) return null;
      if (identifiers.length > MOST_MEMBERS) return null;
      const read = identifiers.map((identifier) => readSimple(identifier, true));
      return read.every((identifier) => identifier !== null) ? { format: "aliases", identifiers: read } : null;
    }
    case "complex":
      return null;
    default:
      return { format: "other" };
  }
}

/** Reads any subject; `null` where it is none. Never throws. */
export function readSubject(value: unknown): Subject | null {
  if (!isObject(value) || value.format !== "complex") return readSimple(value, false);
  const names = Object.keys(value).filter((name) => name !== "format");
  if (names.length === 0 || names.length > MOST_MEMBERS) return null;
  const members = new Map<string, SimpleSubject>();
  for (const name of names) {
    const member = readSimple(value[name], false);
    if (member === null) return null;
    members.set(name, member);
  }
  return { format: "complex", members };
}

/** A subject as it stands in an event. */
export type WrittenSubject = Readonly<Record<string, unknown>>;

/** @param email where the user is to be called by one and has one */
export function userSubject(issuer: string, user: string, email: string | null): WrittenSubject {
  return email === null ? { format: "iss_sub", iss: issuer, sub: user } : { format: "email", email };
}

export function sessionSubject(user: WrittenSubject, session: string): WrittenSubject {
  return { format: "complex", user, session: { format: "opaque", id: session } };
}

/** Everyone: whoever is of this server. */
export function tenantSubject(issuer: string): WrittenSubject {
  return { format: "complex", tenant: { format: "opaque", id: issuer } };
}

/** A stream, or a session of which nobody could say whose it was. */
export function opaqueSubject(id: string): WrittenSubject {
  return { format: "opaque", id };
}

/** The email address by which a stream may call a user; `null`: only the id. */
export function emailFor(naming: Naming, identifier: string | null): string | null {
  return naming === "email" && identifier?.includes("@") === true ? identifier : null;
}
