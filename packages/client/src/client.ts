/**
 * The client: the only place that puts the pieces together.
 *
 *   account (sign up, sign in, …)   farewell (sign out)   fetch
 *               └───────────────────────┼──────────────────┘
 *                                     keeper ── shelf (access tokens, memory)
 *                                       │   └── storage (refresh token and its key)   tabs (lock, channel)
 *                                      wire ── the login server
 */
import { type Account, createAccount } from "./account.ts";
import type { Session, SignedOut, User } from "./document.ts";
import { createFarewell, type SignOutResult } from "./farewell.ts";
import { ClientFault } from "./faults.ts";
import { fetchWithToken } from "./fetch.ts";
import { type Access, createKeeper } from "./keeper.ts";
import { watchOutage } from "./outage.ts";
import { browserStorage, type ClientStorage, memoryStorage } from "./storage.ts";
import { createWire, type Fetch, isSecure, type Mode, serverUrl } from "./wire.ts";
import { type Clock, type Random, systemClock, systemRandom } from "./world.ts";

export interface ClientOptions {
  /** The login server's address, `https:`, or `http:` on this machine: `https://login.example.com`. */
  readonly server: string | URL;
  /**
   * Who carries the refresh token. `"tokens"` (default): this client, in `storage`. `"cookie"`: the browser, in HttpOnly
   * cookies that no script can read; for pages of the login server's own site.
   */
  readonly mode?: Mode;
  /** Where the session survives. Default: memory in `"tokens"` mode, IndexedDB (which then holds no secret) in `"cookie"` mode. */
  readonly storage?: ClientStorage;
  /** Origins that `fetch` sends the token to. Default: the login server's. */
  readonly allowedOrigins?: readonly string[];
  /** The OAuth client that this app is, where it is not the server's first-party one. */
  readonly clientId?: string;
  /** How long a call waits through an outage before it throws `unavailable`; milliseconds, default 30,000. */
  readonly patienceMs?: number;
  /** How long one request to the login server may take; milliseconds, default 10,000. */
  readonly timeoutMs?: number;
  readonly fetch?: Fetch;
  readonly clock?: Clock;
  readonly random?: Random;
  /** As `on("signedOut", …)`. */
  readonly onSignedOut?: (ended: SignedOut) => void;
}

export interface SignedIn {
  readonly session: Session;
  readonly user: User;
}

export interface ClientEvents {
  /** Someone signed in, in this tab or another. */
  signedIn: SignedIn;
  /** *Signed out, because …*: once for each session that ends, in every tab. */
  signedOut: SignedOut;
}

export interface Client extends Account {
  /** Ends the session: here and in all tabs at once, at the server as soon as it can be told. */
  signOut(options?: { readonly everywhere?: boolean }): Promise<SignOutResult>;
  /** Who is signed in, as kept here (no request); `null`: nobody. */
  session(): Promise<SignedIn | null>;
  /** An access token to carry elsewhere, such as a WebSocket. It dies within minutes: ask again, do not keep it. */
  accessToken(options?: { readonly audience?: string; readonly signal?: AbortSignal }): Promise<Access>;
  /** `fetch` that adds the token for allowed origins. Throws `signed_out` or `unavailable` where there is none to add. */
  readonly fetch: Fetch;
  /** Listens; the returned function stops it. */
  on<Name extends keyof ClientEvents>(name: Name, listener: (event: ClientEvents[Name]) => void): () => void;
  /** Lets go of tabs and memory. The session goes on, for the next client that opens the storage. */
  close(): void;
}

function originOf(address: string): string {
  const url = new URL(address);
  if (!isSecure(url)) throw new ClientFault("insecure_server");
  return url.origin;
}

export function createClient(options: ClientOptions): Client {
  const { mode = "tokens", clientId = null, clock = systemClock, random = systemRandom, patienceMs = 30_000 } = options;
  const { storage = mode === "cookie" ? browserStorage() : memoryStorage(), timeoutMs = 10_000 } = options;
  const server = serverUrl(options.server);
  // Looked up at each call: `fetch` may be replaced after this client was made, and must be called without a `this`.
  const send: Fetch = options.fetch ?? ((input, init) => fetch(input, init));
  const wire = createWire({ server, mode, clientId, fetch: send, clock, timeoutMs });
  const outage = watchOutage(clock, random, patienceMs);

  const listeners: { [Name in keyof ClientEvents]: Set<(event: ClientEvents[Name]) => void> } = {
    signedIn: new Set(),
    signedOut: new Set(),
  };
  function tell<Name extends keyof ClientEvents>(name: Name, event: ClientEvents[Name]): void {
    // A listener's error is the app's, to be seen as such, and must not stop the sign-out on its way.
    for (const listener of listeners[name]) queueMicrotask(() => listener(event));
  }
  if (options.onSignedOut !== undefined) listeners.signedOut.add(options.onSignedOut);

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
    token: async (signal?: AbortSignal) => {
      const access = await keeper.access("", signal);
      if (!access.ok) throw new ClientFault("signed_out");
      return access.token;
    },
    refused: keeper.refused,
  };
  const authorized = fetchWithToken(send, new Set([server.origin]), source);
  const account = createAccount({ wire, keeper, outage, clock, random, clientId, authorized });
  const farewell = createFarewell({ wire, keeper, outage, clock });

  /** Goodbyes that an outage left over. What fails stays noted; a broken storage speaks up at the first real call. */
  const partInBackground = () => {
    farewell.partAll().catch(() => {});
  };
  partInBackground();

  return {
    ...account,
    async signIn(form) {
      const result = await account.signIn(form);
      if (result.ok) partInBackground();
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
