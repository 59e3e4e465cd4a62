/**
 * Whom an event of another provider means here: looks up what its subject names.
 *
 *   iss_sub with this server's issuer    the user, or the session, of that id
 *   email                                the user with that address, where the provider may name its domain
 *   opaque                               the user, or the session, of that id
 *   iss_sub with the provider's own      nobody: accounts are not linked to other providers'
 */
import { asId, type UserId } from "../prelude/ids.ts";
import type { Session } from "../sessions/session.ts";
import type { SessionStore } from "../sessions/store.ts";
import { parseIdentifier } from "../users/identifier.ts";
import type { UserStore } from "../users/store.ts";
import type { Measure } from "./measure.ts";
import type { Receiver } from "./receiver.ts";
import type { SimpleSubject } from "./subject.ts";

export type Aimed =
  /** All of the user's sessions, or the one. */
  | { readonly user: UserId; readonly session: Session | null }
  /** Nobody of that name is here. */
  | "unknown_subject"
  /** A session of theirs that is none here, ended by its own user. */
  | "not_ours"
  /** A user, and a session of somebody else. */
  | "contradictory";

export type Aim = (receiver: Receiver, measure: Exclude<Measure, { readonly asks: "nothing" }>) => Promise<Aimed>;

export function createAim(services: {
  readonly users: UserStore;
  readonly sessions: Pick<SessionStore, "find">;
  readonly issuer: string;
}): Aim {
  const { users, sessions, issuer } = services;

  const userOf = async (subject: SimpleSubject, receiver: Receiver): Promise<UserId | null> => {
    switch (subject.format) {
      case "iss_sub":
        return subject.iss === issuer ? ((await users.find(asId("user", subject.sub)))?.id ?? null) : null;
      case "opaque":
        return (await users.find(asId("user", subject.id)))?.id ?? null;
      case "email": {
        const parsed = parseIdentifier(subject.email);
        if (!parsed.ok || !mayName(receiver, parsed.key)) return null;
        return (await users.findByIdentifier(parsed.key))?.id ?? null;
      }
      case "aliases":
        return first(subject.identifiers, (one) => userOf(one, receiver));
      case "other":
        return null;
    }
  };

  const sessionOf = async (subject: SimpleSubject): Promise<Session | null> => {
    switch (subject.format) {
      case "iss_sub":
        return subject.iss === issuer ? ((await sessions.find(asId("session", subject.sub))) ?? null) : null;
      case "opaque":
        return (await sessions.find(asId("session", subject.id))) ?? null;
      case "aliases":
        return first(subject.identifiers, sessionOf);
      default:
        return null;
    }
  };

  return async (receiver, { user: named, session: of, widens }) => {
    const user = named === null ? null : await userOf(named, receiver);
    // A simple subject says not whether it names a user or a session.
    const session = await (of !== null ? sessionOf(of) : user === null && named !== null ? sessionOf(named) : null);
    if (session !== null) {
      return user !== null && user !== session.user ? "contradictory" : { user: session.user, session };
    }
    if (user === null) return "unknown_subject";
    return of !== null && !widens ? "not_ours" : { user, session: null };
  };
}

/** The first that is somebody. */
async function first<T, R>(all: readonly T[], of: (one: T) => Promise<R | null>): Promise<R | null> {
  for (const one of all) {
    const found = await of(one);
    if (found !== null) return found;
  }
  return null;
}

/** @param key a normalised identifier */
function mayName({ domains }: Receiver, key: string): boolean {
  const at = key.lastIndexOf("@");
  return at > 0 && (domains.length === 0 || domains.includes(key.slice(at + 1)));
}
