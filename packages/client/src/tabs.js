/**
 * Tabs: how the clients that share one storage save each other work.
 *
 *   lock      one of them refreshes at a time               Web Locks, else turns within this process
 *   channel   "look again", "here is a token", "has anyone a token?"     BroadcastChannel
 *   presence  how many others there are to ask              a Web Lock that everyone holds under a name of its own
 *
 * Nothing here is needed for safety: a lost message, a lock that does not exist or a tab that sleeps costs one more
 * request, which the server answers with the same successor (see refresh.ts). So no wait here is without an end.
 *
 * The channel carries access tokens to scripts of the same origin, which could ask the client for them anyway.
 */
import { inTurn } from "./turns.js";
/** A tab that does not answer within this is asleep; going to the server ourselves costs one request. */
const ANSWER_MS = 250;
/** Nobody holds the lock longer than one attempt takes; one who does is suspended. */
const LOCK_MS = 20_000;
/** Who shares a storage within this process, for runtimes without Web Locks. */
const members = new Map();
function announce(name, id, locks) {
    if (locks === null) {
        const here = members.get(name) ?? new Set();
        members.set(name, here.add(id));
        return {
            others: async () => here.size - 1,
            leave: () => {
                here.delete(id);
                if (here.size === 0)
                    members.delete(name);
            },
        };
    }
    let leave = () => { };
    const present = new Promise((resolve) => {
        leave = resolve;
    });
    const prefix = `${name}#`;
    locks.request(prefix + id, { mode: "shared" }, () => present).catch(() => { });
    return {
        others: async () => {
            const { held = [] } = await locks.query();
            return held.filter((lock) => lock.name?.startsWith(prefix) && lock.name !== prefix + id).length;
        },
        leave,
    };
}
function webLocks() {
    // Absent outside secure contexts and before Node 24, whatever the types say.
    return typeof navigator === "object" && "locks" in navigator ? navigator.locks : null;
}
/** For a storage that belongs to one client: nobody to wait for, nobody to tell. */
export function aloneTabs(name) {
    return { exclusively: (work) => inTurn(name, work), post: () => { }, ask: async () => { }, close: () => { } };
}
/** Joins the tabs that share the storage called `name`. `id` is this client's own, `receive` gets what others post, and says
 * of a token whether it was taken. */
export function joinTabs(name, id, clock, receive) {
    const locks = webLocks();
    const channel = typeof BroadcastChannel === "function" ? new BroadcastChannel(name) : null;
    channel?.unref?.();
    const asked = new Map();
    async function read(data) {
        if (!isTabMessage(data))
            return;
        if (data.type === "none") {
            asked.get(data.id)?.answered(false);
            return;
        }
        const taken = await receive(data);
        if (data.type !== "token")
            return;
        for (const [id, question] of asked) {
            if (taken && question.audience === data.audience)
                question.answered(true);
            else if (data.answers === id)
                question.answered(false);
        }
    }
    // What cannot be read because the storage fails is found out by whoever next needs the storage.
    if (channel !== null)
        channel.onmessage = ({ data }) => void read(data).catch(() => { });
    const presence = announce(name, id, locks);
    const post = (message) => {
        try {
            channel?.postMessage(message);
        }
        catch {
            // Closed while a request was under way: nobody is left to tell.
        }
    };
    return {
        post,
        exclusively: async (work) => {
            if (locks === null)
                return inTurn(name, work);
            const patience = new AbortController();
            const granted = new AbortController();
            clock.sleep(LOCK_MS, granted.signal).then(() => patience.abort(), () => { });
            let started = false;
            try {
                return await locks.request(name, { signal: patience.signal }, () => {
                    started = true;
                    granted.abort();
                    return work();
                });
            }
            catch (error) {
                if (started || !patience.signal.aborted)
                    throw error;
                return work();
            }
            finally {
                granted.abort();
            }
        },
        ask: async (question) => {
            let missing = channel === null ? 0 : await presence.others();
            if (missing === 0)
                return;
            const enough = new AbortController();
            asked.set(question.id, {
                audience: question.audience,
                answered: (token) => {
                    missing -= 1;
                    if (token || missing === 0)
                        enough.abort();
                },
            });
            post({ type: "ask", ...question });
            await clock.sleep(ANSWER_MS, enough.signal).catch(() => { });
            asked.delete(question.id);
        },
        close: () => {
            presence.leave();
            channel?.close();
        },
    };
}
function isTabMessage(data) {
    if (typeof data !== "object" || data === null || !("type" in data))
        return false;
    const message = new Map(Object.entries(data));
    const text = (...names) => names.every((name) => typeof message.get(name) === "string");
    switch (data.type) {
        case "changed":
            return true;
        case "refused":
            return text("token");
        case "ask":
            return text("id", "audience", "session");
        case "none":
            return text("id");
        case "token":
            return (text("audience") && (message.get("answers") === null || text("answers")) && isSharedToken(message.get("token")));
        default:
            return false;
    }
}
function isSharedToken(value) {
    if (typeof value !== "object" || value === null)
        return false;
    const token = new Map(Object.entries(value));
    return (["token", "session"].every((name) => typeof token.get(name) === "string") &&
        ["lifetimeMs", "remainingMs", "wall"].every((name) => Number.isFinite(token.get(name))));
}
