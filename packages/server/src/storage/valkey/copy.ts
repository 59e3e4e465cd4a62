/**
 * Every log-in, in this server's memory: what the strategy `replicated` reads from. It holds what the store's programs say
 * of a grant and its session, as one text, and reads it when it is asked for, because most are not asked for between two
 * changes.
 *
 *   a change ──► put: newer than what is held? ──► by secret ◄── by session
 *
 * Changes may come twice, and some of them older than a snapshot that was read meanwhile: the grant's revision decides, and
 * what was ended stays so.
 */
import type { LiveGrant } from "../live/live-store.ts";
import { grantOf, sessionOf } from "./records.ts";

/** Where the programs put them (records.ts: six of the session, ten of the grant). */
const AT = { sessionFixed: 0, sessionEnded: 2, revision: 13, grantEnded: 14 } as const;
/** Between the values of a held text: what is JSON within has none, and the rest are numbers and words. */
const MARK = "\u0000";
/** Some ten milliseconds' worth. */
const LOOK_AT = 5000;

interface Summary {
  readonly revision: number;
  readonly over: boolean;
}

function summaryOf(reply: readonly string[]): Summary {
  const over = (reply[AT.sessionEnded] ?? "") !== "" || (reply[AT.grantEnded] ?? "") !== "";
  return { revision: Number(reply[AT.revision]), over };
}

/** Id and absolute expiry (Unix milliseconds) of the session. */
function sessionIn(reply: readonly string[]): { id: string; expiresAt: number } {
  const { session } = sessionOf(reply.slice(0, 6));
  return { id: session.id, expiresAt: session.expiresAt };
}

export class SessionCopy {
  /** The values of a grant with its session, as one text, without the quotes within quotes of JSON. */
  #bySecret = new Map<string, string>();
  #secretOfSession = new Map<string, string>();
  /** Where `forget` goes on. */
  #looking: MapIterator<string> | null = null;
  /** What this server changed itself, and has not heard of over the stream yet: nothing older is answered. */
  readonly #atLeast = new Map<string, number>();

  get size(): number {
    return this.#bySecret.size;
  }

  /** @param text a grant with its session, as the programs give it, as JSON */
  put(secret: string, text: string): void {
    const reply = JSON.parse(text) as readonly string[];
    const held = this.#bySecret.get(secret);
    const next = summaryOf(reply);
    if (held !== undefined) {
      const now = summaryOf(held.split(MARK));
      if (next.revision < now.revision || (now.over && !next.over)) return;
    } else this.#secretOfSession.set(sessionIn(reply).id, secret);
    this.#bySecret.set(secret, reply.join(MARK));
    if (next.revision >= (this.#atLeast.get(secret) ?? Number.POSITIVE_INFINITY)) this.#atLeast.delete(secret);
  }

  removeSession(session: string): void {
    const secret = this.#secretOfSession.get(session);
    if (secret === undefined) return;
    this.#bySecret.delete(secret);
    this.#secretOfSession.delete(session);
    this.#atLeast.delete(secret);
  }

  /** This server has made it so: until it is heard of, the grant counts as not held. */
  expect(secret: string, revision: number): void {
    const held = this.#bySecret.get(secret)?.split(MARK);
    if (held !== undefined && summaryOf(held).revision < revision) this.#atLeast.set(secret, revision);
  }

  grant(secret: string): LiveGrant | undefined {
    const held = this.#bySecret.get(secret)?.split(MARK);
    if (held === undefined || summaryOf(held).revision < (this.#atLeast.get(secret) ?? 0)) return undefined;
    return grantOf(Buffer.from(secret, "base64url"), held);
  }

  ofSession(id: string): LiveGrant | undefined {
    const secret = this.#secretOfSession.get(id);
    return secret === undefined ? undefined : this.grant(secret);
  }

  /**
   * Forgets log-ins whose absolute time ended before a time: Unix milliseconds. Looks at some, and at the next ones when
   * asked again, so that it holds nobody up.
   */
  forget(before: number): void {
    this.#looking ??= this.#bySecret.values();
    for (let looked = 0; looked < LOOK_AT; looked += 1) {
      const { value: held, done } = this.#looking.next();
      if (done === true) {
        this.#looking = null;
        return;
      }
      const { id, expiresAt } = sessionIn(held.split(MARK));
      if (expiresAt < before) this.removeSession(id);
    }
  }

  /** Becomes another copy: of a snapshot that was read apart from what is in use meanwhile. */
  become(other: SessionCopy): void {
    this.#bySecret = other.#bySecret;
    this.#looking = null;
    this.#secretOfSession = other.#secretOfSession;
  }
}
