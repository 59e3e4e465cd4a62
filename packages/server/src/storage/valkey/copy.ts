/**
 * Every log-in, in this server's memory: what the strategy `replicated` reads from. It holds what the store's programs say
 * of a grant and its session, as the text it came in, and reads it when it is asked for, because most are not asked for
 * between two changes.
 *
 *   a change ──► put: newer than what is held? ──► by secret ──┬ by session
 *                                                              └ by grant
 *
 * Changes may come twice, and some of them older than a snapshot that was read meanwhile: the grant's revision decides, and
 * what was ended stays so.
 */
import type { LiveGrant } from "../live/live-store.ts";
import { grantOf, type Reply } from "./records.ts";

interface Held {
  readonly text: string;
  readonly revision: number;
  readonly over: boolean;
  readonly session: string;
  readonly grant: string;
  /** Absolute expiry of the session: Unix milliseconds. */
  readonly expiresAt: number;
}

/** Where the programs put them (records.ts: six of the session, ten of the grant). */
const AT = { sessionFixed: 0, sessionEnded: 2, grantFixed: 6, revision: 13, grantEnded: 14 } as const;

function heldFrom(text: string): Held {
  const reply = JSON.parse(text) as readonly string[];
  const { id: session, expiresAt } = JSON.parse(reply[AT.sessionFixed] ?? "") as { id: string; expiresAt: number };
  const { id: grant } = JSON.parse(reply[AT.grantFixed] ?? "") as { id: string };
  const over = (reply[AT.sessionEnded] ?? "") !== "" || (reply[AT.grantEnded] ?? "") !== "";
  return { text, revision: Number(reply[AT.revision]), over, session, grant, expiresAt };
}

export class SessionCopy {
  #bySecret = new Map<string, Held>();
  #secretOfSession = new Map<string, string>();
  #secretOfGrant = new Map<string, string>();
  /** What this server changed itself, and has not heard of over the stream yet: nothing older is answered. */
  readonly #atLeast = new Map<string, number>();

  get size(): number {
    return this.#bySecret.size;
  }

  /** @param text a grant with its session, as the programs give it, as JSON */
  put(secret: string, text: string): void {
    const next = heldFrom(text);
    const held = this.#bySecret.get(secret);
    if (held !== undefined && (next.revision < held.revision || (held.over && !next.over))) return;
    this.#bySecret.set(secret, next);
    if (next.revision >= (this.#atLeast.get(secret) ?? Number.POSITIVE_INFINITY)) this.#atLeast.delete(secret);
    this.#secretOfSession.set(next.session, secret);
    this.#secretOfGrant.set(next.grant, secret);
  }

  removeSession(session: string): void {
    const secret = this.#secretOfSession.get(session);
    const held = secret === undefined ? undefined : this.#bySecret.get(secret);
    if (secret === undefined || held === undefined) return;
    this.#bySecret.delete(secret);
    this.#secretOfSession.delete(session);
    this.#secretOfGrant.delete(held.grant);
    this.#atLeast.delete(secret);
  }

  /** This server has made it so: until it is heard of, the grant counts as not held. */
  expect(secret: string, revision: number): void {
    const held = this.#bySecret.get(secret);
    if (held !== undefined && held.revision < revision) this.#atLeast.set(secret, revision);
  }

  grant(secret: string): LiveGrant | undefined {
    const held = this.#bySecret.get(secret);
    if (held === undefined || held.revision < (this.#atLeast.get(secret) ?? 0)) return undefined;
    return grantOf(Buffer.from(secret, "base64url"), JSON.parse(held.text) as Reply);
  }

  grantById(id: string): LiveGrant | undefined {
    const secret = this.#secretOfGrant.get(id);
    return secret === undefined ? undefined : this.grant(secret);
  }

  ofSession(id: string): LiveGrant | undefined {
    const secret = this.#secretOfSession.get(id);
    return secret === undefined ? undefined : this.grant(secret);
  }

  /** Forgets log-ins whose absolute time ended before a time: Unix milliseconds. */
  forget(before: number): void {
    for (const { session, expiresAt } of this.#bySecret.values()) {
      if (expiresAt < before) this.removeSession(session);
    }
  }

  /** Becomes another copy: of a snapshot that was read apart from what is in use meanwhile. */
  become(other: SessionCopy): void {
    this.#bySecret = other.#bySecret;
    this.#secretOfSession = other.#secretOfSession;
    this.#secretOfGrant = other.#secretOfGrant;
  }
}
