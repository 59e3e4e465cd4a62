/**
 * What came back from the server, read once and without trust: anything between here and there may have answered instead
 * (a proxy's HTML, a hotel's sign-in page with status 200, nothing at all).
 */
export function noAnswer(cause) {
    return { status: 0, body: null, problem: null, retryAfterMs: null, cause };
}
function isProblem(value) {
    return typeof value.code === "string";
}
function parseObject(text) {
    try {
        const value = JSON.parse(text);
        return typeof value === "object" && value !== null && !Array.isArray(value)
            ? Object.fromEntries(Object.entries(value))
            : null;
    }
    catch {
        return null;
    }
}
/** `Retry-After` is a number of seconds or an HTTP date (RFC 9110 §10.2.3). */
export function parseRetryAfter(value, now) {
    if (value === null)
        return null;
    if (/^\d{1,9}$/.test(value))
        return Number(value) * 1000;
    const date = Date.parse(value);
    return Number.isNaN(date) ? null : Math.max(0, date - now);
}
/** Reads a response to its end. A body that breaks off is no answer. `now` is the wall clock, for a date in `Retry-After`. */
export async function readAnswer(response, now) {
    const type = (response.headers.get("content-type") ?? "").split(";", 1)[0]?.trim().toLowerCase();
    const retryAfterMs = parseRetryAfter(response.headers.get("retry-after"), now);
    let object;
    try {
        object = parseObject(await response.text());
    }
    catch (cause) {
        return noAnswer(cause);
    }
    return {
        status: response.status,
        body: type === "application/json" ? object : null,
        problem: type === "application/problem+json" && object !== null && isProblem(object) ? object : null,
        retryAfterMs,
    };
}
