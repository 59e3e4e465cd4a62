/**
 * The rotation of a refresh token, seen from the client: pure steps from a document and an event to the next document.
 *
 *        ┌───────────────── outage: nothing changes; later the same token with the same key ─────────────┐
 *        ▼                                                                                              │
 *   stored (token n, key n) ──read──► sent ──► lost, 5xx, 429, a proxy's page, a crash, a full disk ──────┘
 *                                      ├────► 200: store (token n+1, a new key n+1) in one write
 *                                      └────► 401 with our problem: the session is over, and this is why
 *
 * Why it never logs an honest user out. The key is made when the token is stored, in the same write, long before either
 * is sent; and what is sent is always read from the storage. So each token has exactly one key, whoever sends it and
 * however often: a second tab, the same program after a crash, a retry a week later. The server keeps the hash of the key
 * that moved it from n to n+1; whoever presents n with that key gets the same n+1 again, as long as n+1 was never used.
 * And n+1 is used only after it has been stored, by somebody who read it there, who can then no longer present n. Losing
 * the reply, the process or the write of the reply are therefore one and the same case, and it is harmless.
 *
 * Locks only save requests. Where they are missing (Node before 24, old browsers), two tabs that refresh at once send the
 * same token with the same key and get the same successor.
 */
import type { Answer } from "./answer.ts";
import {
  type Credential,
  type Document,
  END_REASONS,
  type EndReason,
  hasId,
  type Session,
  type SignedOut,
} from "./document.ts";

export interface Renewed {
  readonly kind: "renewed";
  readonly accessToken: string;
  readonly lifetimeMs: number;
  /** `null`: the present one stays (RFC 6749 §6), or it is a cookie. */
  readonly refreshToken: string | null;
  readonly session: Session | null;
}

export type RefreshOutcome =
  | Renewed
  /** A definite "no" to the token: the session is over. */
  | { readonly kind: "refused"; readonly code: SignedOut["code"]; readonly reason: EndReason }
  /** A definite "no" to this request only, such as an audience that the user may not have. */
  | { readonly kind: "rejected"; readonly status: number; readonly code: string }
  /** No word from the server about the token. An outage is not a logout. */
  | { readonly kind: "outage"; readonly answer: Answer };

const REFUSALS: Readonly<Record<SignedOut["code"], EndReason>> = {
  session_ended: "unknown",
  refresh_token_replayed: "replayed",
  invalid_refresh_token: "unknown",
};

function isRefusal(code: string): code is SignedOut["code"] {
  return Object.hasOwn(REFUSALS, code);
}

function endReason(value: unknown): EndReason | null {
  return END_REASONS.find((reason) => reason === value) ?? null;
}

/** 4xx answers that say "not now" rather than "no" (RFC 9110 §15.5.9, RFC 8470 §5.2, RFC 6585 §4). */
const NOT_NOW = new Set([408, 425, 429]);

/** Whether an answer is the server's own definite "no" (the 401 of a token aside, which each caller reads for itself). */
export function isDefinite({ status, problem }: Answer): boolean {
  return problem !== null && status >= 400 && status < 500 && !NOT_NOW.has(status);
}

/** The token members of a sign-in or a refresh (RFC 6749 §5.1); `null` where they are not what they should be. */
export function readTokens(body: Readonly<Record<string, unknown>>): Renewed | null {
  const { access_token: accessToken, token_type: type, expires_in: expiresIn, refresh_token: refreshToken } = body;
  if (typeof accessToken !== "string" || accessToken === "") return null;
  if (typeof type !== "string" || type.toLowerCase() !== "bearer") return null;
  if (typeof expiresIn !== "number" || !Number.isFinite(expiresIn) || expiresIn <= 0) return null;
  if (refreshToken !== undefined && (typeof refreshToken !== "string" || refreshToken === "")) return null;
  const session = hasId(body.session) ? body.session : null;
  return { kind: "renewed", accessToken, lifetimeMs: expiresIn * 1000, refreshToken: refreshToken ?? null, session };
}

/** What an answer to a refresh means. Whatever is not clearly the server's own word is an outage. */
export function readRefresh(answer: Answer): RefreshOutcome {
  const { status, body, problem } = answer;
  const renewed = status === 200 && body !== null ? readTokens(body) : null;
  if (renewed !== null) return renewed;
  if (problem !== null && status === 401 && isRefusal(problem.code)) {
    return { kind: "refused", code: problem.code, reason: endReason(problem.reason) ?? REFUSALS[problem.code] };
  }
  if (problem !== null && status !== 401 && isDefinite(answer)) {
    return { kind: "rejected", status, code: problem.code };
  }
  return { kind: "outage", answer };
}

/**
 * The document after an outcome of the rotation that was tried with `key`. Where the document has moved on meanwhile
 * (another tab stored the successor, somebody signed out or in), the key is no longer in it and nothing changes: what
 * was stored first counts, and a refusal of a token that nobody holds any more says nothing about the one that is held.
 */
export function settle(document: Document, key: string, outcome: RefreshOutcome, nextKey: string): Document {
  const { held, leaving } = document;
  if (outcome.kind === "renewed") {
    const next = <T extends Credential>(slot: T): T => (slot.key === key ? renew(slot, outcome, nextKey) : slot);
    const session = outcome.session?.id === held?.session.id ? outcome.session : null;
    return {
      ...document,
      held: held === null ? null : { ...next(held), session: session ?? held.session },
      leaving: leaving.map(next),
    };
  }
  if (outcome.kind === "refused") {
    if (held?.key !== key) return { ...document, leaving: leaving.filter((slot) => slot.key !== key) };
    return { ...document, held: null, ended: { session: held.session.id, code: outcome.code, reason: outcome.reason } };
  }
  return document;
}

function renew<T extends Credential>(slot: T, outcome: Renewed, nextKey: string): T {
  if (slot.refreshToken === null) return { ...slot, key: nextKey };
  // A token that did not rotate will be rotated by the same intention, so its key stays too.
  if (outcome.refreshToken === null || outcome.refreshToken === slot.refreshToken) return slot;
  return { ...slot, refreshToken: outcome.refreshToken, key: nextKey };
}

const BACKOFF = { firstMs: 500, mostMs: 30_000, longestWishMs: 300_000 };

/**
 * Milliseconds until the next attempt after `failures` in a row (1 or more): doubling, half of it random, so that a
 * thousand clients that lost the server together do not come back together. The server's own wish counts as the least,
 * up to five minutes.
 */
export function backoffMs(failures: number, retryAfterMs: number | null, fraction: number): number {
  const ceiling = Math.min(BACKOFF.mostMs, BACKOFF.firstMs * 2 ** Math.min(failures - 1, 16));
  const spread = ceiling / 2 + (ceiling / 2) * fraction;
  return retryAfterMs === null ? spread : Math.min(retryAfterMs, BACKOFF.longestWishMs) + spread;
}
