/**
 * The five strategies: where log-ins live when there is more than one server. What varies is where a session is kept and
 * what the app carries; what a session is, how it is limited, ended and explained, does not.
 *
 *   memory       ┌S1┐ ┌S2┐ ┌S3┐      each server knows its own log-ins, and nobody else's
 *   sticky       ┌S1┐ ┌S2┐ ┌S3┐      the same; the load balancer brings each browser back to its server
 *   replicated   ┌S1┐═┌S2┐═┌S3┐      each server holds every log-in; changes travel over a stream
 *   central      └─────┬──────┘      the log-ins are on a session server, asked at each request
 *   token        └────(DB)────┘      the app carries a token that any server believes; the log-in is looked up at a refresh
 *
 * What each promises, and what it cannot, is data: `mapae strategies` prints it, the documentation shows it, and the lab
 * holds it against what it measures.
 */

/** What an app is given at a log-in (signin/log-in.ts). */
export type Carried = "session_token" | "tokens";

export interface Promises {
  /** Of N servers, any may get a request: the log-ins that the others know nothing of are refused. */
  readonly anyServer: "answers" | "knows its own log-ins only";
  /** One server of N is lost, for good. */
  readonly serverLost: "nothing is lost" | "its log-ins are lost";
  /** All servers are restarted, one after the other. */
  readonly rollingRestart: "nothing is lost" | "all log-ins are lost";
  /** The primary of the session store is lost and a replica takes over; of the revocations nothing is lost in any strategy. */
  readonly storeLost: "no session store" | "what no replica confirmed" | "as the database's replication";
  /** While the session store does not answer. */
  readonly storeAway: "goes on" | "reads go on, changes wait" | "503" | "verifying goes on, refresh 503";
  /** From a forced log-out to the refusal at the last server. */
  readonly endedWithin: "milliseconds, at most the lease";
  /** A session limit under log-ins at once at several servers. */
  readonly limit: "exact" | "exact, but across a failover" | "per server";
  /** Questions to another process per request with the log-in. */
  readonly asked: "0" | "1" | "0, 1 at a refresh";
  /** How often a session is held in the memory of the servers. */
  readonly copies: "once" | "once per server" | "never";
}

export interface Strategy {
  readonly sessionsIn: "one server's memory" | "every server's memory" | "a session server" | "the database";
  readonly carries: Carried;
  /** To which server the load balancer sends a browser. */
  readonly routing: "any" | "the one it logged in at";
  /** What it cannot run without, beside the database. */
  readonly needs: "nothing" | "a load balancer with affinity" | "Valkey or Redis";
  readonly says: string;
  readonly promises: Promises;
}

const ENDED = "milliseconds, at most the lease";

export const STRATEGIES = {
  memory: {
    sessionsIn: "one server's memory",
    carries: "session_token",
    routing: "any",
    needs: "nothing",
    says: "For one server. Behind a load balancer it shows the consistency problem: a log-in is known where it was made.",
    promises: {
      anyServer: "knows its own log-ins only",
      serverLost: "its log-ins are lost",
      rollingRestart: "all log-ins are lost",
      storeLost: "no session store",
      storeAway: "goes on",
      endedWithin: ENDED,
      limit: "per server",
      asked: "0",
      copies: "once",
    },
  },
  sticky: {
    sessionsIn: "one server's memory",
    carries: "session_token",
    routing: "the one it logged in at",
    needs: "a load balancer with affinity",
    says: "The load balancer brings each browser back to its server. A server that is lost takes its log-ins along.",
    promises: {
      anyServer: "knows its own log-ins only",
      serverLost: "its log-ins are lost",
      rollingRestart: "all log-ins are lost",
      storeLost: "no session store",
      storeAway: "goes on",
      endedWithin: ENDED,
      limit: "per server",
      asked: "0",
      copies: "once",
    },
  },
  replicated: {
    sessionsIn: "every server's memory",
    carries: "session_token",
    routing: "any",
    needs: "Valkey or Redis",
    says: "Session clustering: every server holds every log-in and hears of each change. Memory and traffic grow with the servers.",
    promises: {
      anyServer: "answers",
      serverLost: "nothing is lost",
      rollingRestart: "nothing is lost",
      storeLost: "what no replica confirmed",
      storeAway: "reads go on, changes wait",
      endedWithin: ENDED,
      limit: "exact, but across a failover",
      asked: "0",
      copies: "once per server",
    },
  },
  central: {
    sessionsIn: "a session server",
    carries: "session_token",
    routing: "any",
    needs: "nothing",
    says: "A separate session server is asked at each request: Valkey or Redis where one is configured, else the database. Its availability is everyone's.",
    promises: {
      anyServer: "answers",
      serverLost: "nothing is lost",
      rollingRestart: "nothing is lost",
      storeLost: "what no replica confirmed",
      storeAway: "503",
      endedWithin: ENDED,
      limit: "exact, but across a failover",
      asked: "1",
      copies: "never",
    },
  },
  token: {
    sessionsIn: "the database",
    carries: "tokens",
    routing: "any",
    needs: "nothing",
    says: "The app carries a signed token that any server believes by the key alone; the log-in is looked up when the token is renewed.",
    promises: {
      anyServer: "answers",
      serverLost: "nothing is lost",
      rollingRestart: "nothing is lost",
      storeLost: "as the database's replication",
      storeAway: "verifying goes on, refresh 503",
      endedWithin: ENDED,
      limit: "exact",
      asked: "0, 1 at a refresh",
      copies: "never",
    },
  },
} as const satisfies Record<string, Strategy>;

export type StrategyName = keyof typeof STRATEGIES;
export const STRATEGY_NAMES = Object.keys(STRATEGIES) as readonly StrategyName[];

export const CARRIED: Readonly<Record<Carried, string>> = {
  session_token: "one opaque session token",
  tokens: "an access and a refresh token",
};
export const ROUTED: Readonly<Record<Strategy["routing"], string>> = {
  any: "any server",
  "the one it logged in at": "the one it logged in at",
};

/** What the columns of the table of promises are called, for people. */
export const PROMISES: Readonly<Record<keyof Promises, string>> = {
  anyServer: "any server",
  serverLost: "a server is lost",
  rollingRestart: "all are restarted in turn",
  storeLost: "the store fails over",
  storeAway: "the store is away",
  endedWithin: "ended everywhere within",
  limit: "session limit",
  asked: "questions per request",
  copies: "copies in memory",
};
