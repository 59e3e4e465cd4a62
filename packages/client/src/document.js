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
    /** Somebody signed in here anew without signing out. */
    "replaced",
    /** The storage was emptied, or the session ended while this client was not looking. */
    "unknown",
];
export const emptyDocument = { version: 1, turn: 0, device: null, held: null, ended: null, leaving: [] };
/** What cannot be read is nothing: the user signs in again. */
export function readDocument(text) {
    if (text === null)
        return emptyDocument;
    try {
        const value = JSON.parse(text);
        return isDocument(value) ? value : emptyDocument;
    }
    catch {
        return emptyDocument;
    }
}
/**
 * The text of a changed document. `turn` follows the wall clock where that is ahead, so that it also grows over a storage
 * that somebody emptied.
 */
export function writeDocument(document, now) {
    return JSON.stringify({ ...document, turn: Math.max(document.turn + 1, Math.floor(now)) });
}
/** A sign-in succeeded. Whoever was signed in before is signed out, and the server will be told. */
export function opened(document, held, device) {
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
export function left(document, everywhere) {
    if (document.held === null)
        return document;
    return {
        ...document,
        held: null,
        ended: { session: document.held.session.id, code: "session_ended", reason: "logout" },
        leaving: [...document.leaving, farewellOf(document.held, everywhere)],
    };
}
/** The server has been told, or knows already. */
export function forgotten(document, session) {
    return { ...document, leaving: document.leaving.filter((leaving) => leaving.session !== session) };
}
/** The server's newer description of the one who is signed in. */
export function described(document, session, about) {
    if (document.held?.session.id !== session)
        return document;
    return { ...document, held: { ...document.held, ...about } };
}
function farewellOf(held, everywhere) {
    return { refreshToken: held.refreshToken, key: held.key, session: held.session.id, everywhere };
}
function isObject(value) {
    return typeof value === "object" && value !== null && !Array.isArray(value);
}
function isCredential(value) {
    return (isObject(value) &&
        typeof value.key === "string" &&
        (value.refreshToken === null || typeof value.refreshToken === "string"));
}
function isDocument(value) {
    return (isObject(value) &&
        value.version === 1 &&
        typeof value.turn === "number" &&
        (value.device === null || typeof value.device === "string") &&
        (value.held === null || (isCredential(value.held) && hasId(value.held.session) && hasId(value.held.user))) &&
        (value.ended === null || (isObject(value.ended) && typeof value.ended.session === "string")) &&
        Array.isArray(value.leaving) &&
        value.leaving.every((leaving) => isCredential(leaving) && typeof leaving.session === "string"));
}
/** Whether a value is an object with an id: all that this client asks of a session or a user. */
export function hasId(value) {
    return isObject(value) && typeof value.id === "string";
}
