/**
 * How large a token may be. Both are far above what a token needs, and below what makes parsing worth an attacker's while.
 */

/** Longest token in characters: a larger one does not fit the header fields that servers accept anyway. */
export const TOKEN_MAX = 8192;

/** Longest header in characters of base64url: 1 KiB of JSON. */
export const HEADER_TEXT_MAX = 1366;
