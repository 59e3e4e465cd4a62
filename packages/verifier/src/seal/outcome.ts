/**
 * How opening ends: one of four ways, and nothing in between.
 *
 *   is it from the named sender?  ──no──►  not_from_sender
 *        │yes
 *   is it for me, and whole?      ──no──►  not_for_me          (one answer, whatever was wrong)
 *        │yes
 *   was it opened before?         ──yes─►  seen_before
 *        │no
 *     Opened
 *
 * Everything that goes wrong once a private key is used is one and the same outcome: who could tell a wrong key from a wrong
 * padding from a wrong tag by the answer could decrypt by asking (RFC 7516 §11.5).
 */

export const DISCARDED = {
  not_from_sender: "Discarded: not from the named sender.",
  not_for_me: "Discarded: not for me or altered.",
  seen_before: "Discarded: seen before.",
} as const;

export type DiscardCode = keyof typeof DISCARDED;

/** What can be said about a text that is not the sender's, before any secret is used. */
export const NOT_FROM_SENDER = {
  not_readable: "It is none that can be read: nothing, something else, or cut off.",
  other_key: "It is signed by a key that is not the named sender's.",
  wrong_signature: "Its signature does not hold: it was altered, or is a forgery.",
  other_author: "The named sender has put a signature around what another one wrote.",
} as const;

export type NotFromSender = keyof typeof NOT_FROM_SENDER;

/** What can be said about a receipt that does not count. No secret is used to check one, so nothing is given away. */
export const NOT_ACKNOWLEDGED = {
  other_envelope: "It acknowledges another envelope.",
  other_recipient: "The envelope was sealed for somebody else than who acknowledges it.",
  not_opened: "Its proof does not hold: who signed it has not opened the envelope.",
  other_sender: "The envelope that it was compared with is not one that its addressee sealed.",
} as const;

export type NotAcknowledged = keyof typeof NOT_ACKNOWLEDGED;

/** A definite no; `message` is for people, `code` for programs. */
export interface Discarded {
  readonly ok: false;
  readonly code: DiscardCode;
  readonly message: string;
  /** With `not_from_sender`, and of a receipt; null where more must not be said. */
  readonly why: NotFromSender | NotAcknowledged | null;
}

export function notAcknowledged(why: NotAcknowledged): Discarded {
  return { ok: false, code: "not_for_me", message: `${DISCARDED.not_for_me} ${NOT_ACKNOWLEDGED[why]}`, why };
}

export function notFromSender(why: NotFromSender): Discarded {
  return { ok: false, code: "not_from_sender", message: `${DISCARDED.not_from_sender} ${NOT_FROM_SENDER[why]}`, why };
}

export const NOT_FOR_ME: Discarded = Object.freeze({
  ok: false,
  code: "not_for_me",
  message: DISCARDED.not_for_me,
  why: null,
});

export const SEEN_BEFORE: Discarded = Object.freeze({
  ok: false,
  code: "seen_before",
  message: DISCARDED.seen_before,
  why: null,
});
