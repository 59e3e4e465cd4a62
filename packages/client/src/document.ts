/**
 * The document: all that one client keeps between reloads, and the pure steps that change it.
 *
 *   held ──sign out / sign in again──► leaving ──the server was told──► gone
 *    │  ▲
 *    │  └── renewed: the next refresh token and the key it will be renewed with
 *    └───── refused by the server ──► ended (why)
 *
 * The document is the truth; what tabs tell each other is a hint to look at it. `turn` grows with every change, so that
 * a reader who looks late knows that what it sees is older than what it has seen.
 */
/** A session as the server describes it (`GET /v1/sessions`); its members are the server's, times are RFC 3339 UTC. */
export interface Session {
  readonly id: string;
  readonly [member: string]: unknown;
}

/** A user as the server describes it (`GET /v1/me`). */
export interface User {
  readonly id: string;
  readonly [member: string]: unknown;
}

/** The server's reasons for an end (`reason` of `session_ended`), and this client's own two at the end. */
export const END_REASONS = [
  "logout",
  "evicted",
  "replayed",
  "admin",
  "password_changed",
  "user_disabled",
  "expired",
  "client_deleted",
  "key_revoked",
  "restored",
  "reported",
  /** Somebody signed in here anew without signing out. */
  "replaced",
  /** The storage was emptied, or the session ended while this client was not looking. */
  "unknown",
] as const;
export type EndReason = (typeof END_REASONS)[number];

/** *Signed out, because …* */
export interface SignedOut {
  /** The id of the session that ended. */
  readonly session: string;
  readonly code: "session_ended" | "invalid_refresh_token" | "refresh_token_replayed";
  readonly reason: EndReason;
}

/** A refresh token and the `Idempotency-Key` of the one rotation that it will be used for. */
export interface Credential {
  /** `null` in cookie mode: the browser holds it where no script reaches. */
  readonly refreshToken: string | null;
  readonly key: string;
}

export interface Held extends Credential {
  readonly session: Session;
  readonly user: User;
}

/** A session that is over here and of which the server has yet to be told. */
export interface Leaving extends Credential {
  readonly session: string;
  readonly everywhere: boolean;
}

export interface Document {
  readonly version: 1;
  readonly turn: number;
  /** Makes this device known to the login throttle; it outlives sessions. */
  readonly device: string | null;
  readonly held: Held | null;
  /** How the last session ended. */
  readonly ended: SignedOut | null;
  readonly leaving: readonly Leaving[];
}

export const emptyDocument: Document = { version: 1, turn: 0, device: null, held: null, ended: null, leaving: [] };

/** What cannot be read is nothing: the user signs in again. */
export function readDocument(text: string | null): Document {
  if (text === null) return emptyDocument;
  try {
    const value: unknown = JSON.parse(text);
    return isDocument(value) ? value : emptyDocument;
  } catch {
    return emptyDocument;
  }
}

/**
 * The text of a changed document. `turn` follows the wall clock where that is ahead, so that it also grows over a storage
 * that somebody emptied.
 */
export function writeDocument(document: Document, now: number): string {
  return JSON.stringify({ ...document, turn: Math.max(document.turn + 1, Math.floor(now)) });
}

/** A sign-in succeeded. Whoever was signed in before is signed out, and the server will be told. */
export function opened(document: Document, held: Held, device: string | null): Document {
  const before = document.held;
  return {
    ...document,
    device: device ?? document.device,
    held,
    ended: before === null ? null : { session: before.session.id, code: "session_ended", reason: "replaced" },
    leaving: before === null ? document.leaving : [...document.leaving, farewellOf(before, false)],
  };
}

/** The user signed out here. */
export function left(document: Document, everywhere: boolean): Document {
  if (document.held === null) return document;
  return {
    ...document,
    held: null,
    ended: { session: document.held.session.id, code: "session_ended", reason: "logout" },
    leaving: [...document.leaving, farewellOf(document.held, everywhere)],
  };
}

/** The server has been told, or knows already. */
export function forgotten(document: Document, session: string): Document {
  return { ...document, leaving: document.leaving.filter((leaving) => leaving.session !== session) };
}

/** The server's newer description of the one who is signed in. */
export function described(
  document: Document,
  session: string,
  about: Partial<Pick<Held, "user" | "session">>,
): Document {
  if (document.held?.session.id !== session) return document;
  return { ...document, held: { ...document.held, ...about } };
}

function farewellOf(held: Held, everywhere: boolean): Leaving {
  return { refreshToken: held.refreshToken, key: held.key, session: held.session.id, everywhere };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCredential(value: unknown): value is Record<string, unknown> {
  return (
    isObject(value) &&
    typeof value.key === "string" &&
    (value.refreshToken === null || typeof value.refreshToken === "string")
  );
}

function isDocument(value: unknown): value is Document {
  return (
    isObject(value) &&
    value.version === 1 &&
    typeof value.turn === "number" &&
    (value.device === null || typeof value.device === "string") &&
    (value.held === null || (isCredential(value.held) && hasId(value.held.session) && hasId(value.held.user))) &&
    (value.ended === null || (isObject(value.ended) && typeof value.ended.session === "string")) &&
    Array.isArray(value.leaving) &&
    value.leaving.every((leaving) => isCredential(leaving) && typeof leaving.session === "string")
  );
}

/** Whether a value is an object with an id: all that this client asks of a session or a user. */
export function hasId(value: unknown): value is { readonly id: string; readonly [member: string]: unknown } {
  return isObject(value) && typeof value.id === "string";
}
