/**
 * The client: the only place that puts the pieces together.
 *
 *   account (sign up, sign in, …)   farewell (sign out)   fetch
 *               └───────────────────────┼──────────────────┘
 *                                     keeper ── shelf (access tokens, memory)
 *                                       │   └── storage (refresh token and its key)   tabs (lock, channel)
 *                                      wire ── the login server
 */
import { createAccount } from "./account.js";
import { createFarewell } from "./farewell.js";
import { ClientFault } from "./faults.js";
import { fetchWithToken } from "./fetch.js";
import { createKeeper } from "./keeper.js";
import { watchOutage } from "./outage.js";
import { browserStorage, memoryStorage } from "./storage.js";
import { createWire, isSecure, serverUrl } from "./wire.js";
import { systemClock, systemRandom } from "./world.js";
function originOf(address) {
    const url = new URL(address);
    if (!isSecure(url))
        throw new ClientFault("insecure_server");
    return url.origin;
}
export function createClient(options) {
    const { mode = "tokens", clientId = null, clock = systemClock, random = systemRandom, patienceMs = 30_000 } = options;
    const { storage = mode === "cookie" ? browserStorage() : memoryStorage(), timeoutMs = 10_000 } = options;
    const server = serverUrl(options.server);
    // Looked up at each call: `fetch` may be replaced after this client was made, and must be called without a `this`.
    const send = options.fetch ?? ((input, init) => fetch(input, init));
    const wire = createWire({ server, mode, clientId, fetch: send, clock, timeoutMs });
    const outage = watchOutage(clock, random, patienceMs);
    const listeners = {
        signedIn: new Set(),
        signedOut: new Set(),
    };
    function tell(name, event) {
        // A listener's error is the app's, to be seen as such, and must not stop the sign-out on its way.
        for (const listener of listeners[name])
            queueMicrotask(() => listener(event));
    }
    if (options.onSignedOut !== undefined)
        listeners.signedOut.add(options.onSignedOut);
    const keeper = createKeeper({
        wire,
        storage,
        name: clientId === null ? server.href : `${server.href}#${clientId}`,
        clock,
        random,
        outage,
        signedIn: ({ session, user }) => tell("signedIn", { session, user }),
        signedOut: (ended) => tell("signedOut", ended),
    });
    const source = {
        token: async (signal) => {
            const access = await keeper.access("", signal);
            if (!access.ok)
                throw new ClientFault("signed_out");
            return access.token;
        },
        refused: keeper.refused,
    };
    const authorized = fetchWithToken(send, new Set([server.origin]), source);
    const account = createAccount({ wire, keeper, outage, clock, random, clientId, authorized });
    const farewell = createFarewell({ wire, keeper, outage, clock });
    /** Goodbyes that an outage left over. What fails stays noted; a broken storage speaks up at the first real call. */
    const partInBackground = () => {
        farewell.partAll().catch(() => { });
    };
    partInBackground();
    return {
        ...account,
        async signIn(form) {
            const result = await account.signIn(form);
            if (result.ok)
                partInBackground();
            return result;
        },
        signOut: ({ everywhere = false } = {}) => farewell.signOut(everywhere),
        async session() {
            const { held } = await keeper.look();
            return held === null ? null : { session: held.session, user: held.user };
        },
        accessToken: ({ audience = "", signal } = {}) => keeper.access(audience, signal),
        fetch: fetchWithToken(send, new Set((options.allowedOrigins ?? [server.origin]).map(originOf)), source),
        on(name, listener) {
            listeners[name].add(listener);
            return () => void listeners[name].delete(listener);
        },
        close: keeper.close,
    };
}
