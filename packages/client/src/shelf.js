/**
 * The shelf: the access tokens of the present session, in memory and nowhere else, one per audience ("" is the server's
 * default). What others offer is taken only where it is for this session, lives longer than what is here, and has not
 * just been refused.
 */
import { freshness, remainingMs } from "./lifetime.js";
import { instant } from "./world.js";
export function emptyShelf(clock) {
    const tokens = new Map();
    let session = null;
    let refused = "";
    return {
        get: (audience) => {
            const token = tokens.get(audience);
            return token === undefined ? null : { token: token.token, state: freshness(token, clock) };
        },
        put: (audience, token) => {
            if (token.session !== session || token.token === refused)
                return false;
            const present = tokens.get(audience);
            if (present !== undefined && remainingMs(present, clock) >= remainingMs(token, clock))
                return false;
            tokens.set(audience, token);
            return true;
        },
        share: (audience) => {
            const token = tokens.get(audience);
            if (token === undefined || freshness(token, clock) !== "fresh")
                return null;
            const { sentAt: _, ...rest } = token;
            return { ...rest, remainingMs: remainingMs(token, clock), wall: clock.now() };
        },
        refuse: (token) => {
            refused = token;
            for (const [audience, held] of tokens)
                if (held.token === token)
                    tokens.delete(audience);
        },
        become: (next) => {
            const last = tokens.get("") ?? null;
            tokens.clear();
            session = next;
            return last;
        },
    };
}
/** A token from another tab. One that was frozen reads its letters late: what was left then is not what is left now. */
export function received({ token, session, lifetimeMs, remainingMs: left, wall }, clock) {
    const now = instant(clock);
    const spentMs = lifetimeMs - left + Math.max(0, now.wall - wall);
    return { token, session, lifetimeMs, sentAt: { wall: now.wall - spentMs, monotonic: now.monotonic - spentMs } };
}
