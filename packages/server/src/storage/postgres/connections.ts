/**
 * Connections to the database: a pool of them, each with the settings that the promises rest on.
 *
 *   ask ───► any free connection, one statement, committed by itself
 *   use ───► one connection for a while: a transaction, its statements sent without waiting for one another
 *
 * When no connection can be made, the next attempts are spaced out, and whoever asks in between is told at once.
 */
import pg from "pg";
import { Unavailable } from "../../prelude/fault.ts";
import type { Clock, Random } from "../../prelude/world.ts";
import type { Row, Value } from "../sql/columns.ts";
import { breaks, faultOf } from "./faults.ts";
import type { Bound } from "./replay.ts";

export interface Result {
  readonly rows: readonly Row[];
  readonly count: number;
  /** What was done, in PostgreSQL's word: `COMMIT` answered by `ROLLBACK` has not committed. */
  readonly command: string;
}

export interface Connection {
  /** Sends a statement; does not wait for those before it. @param longMs answers may take so long instead of the usual time */
  send(bound: Bound, longMs?: number): Promise<Result>;
  /** A statement without values. */
  say(text: string): Promise<Result>;
}

export interface ConnectionSettings {
  readonly client: pg.ClientConfig;
  /** How many there are at most. */
  readonly most: number;
  /** A statement may take so long, in milliseconds; and a connection to stand, or to become free. */
  readonly statementMs: number;
}

/** A lock is waited for so long; an open transaction may stand still for so long, so that a frozen node holds nobody up. */
const LOCK_MS = 5_000;
const IDLE_IN_TRANSACTION_MS = 5_000;
/** The answer may be on its way this much longer than the database may work on it. */
const TRANSIT_MS = 2_000;
/** What an unused connection is kept for. */
const IDLE_MS = 60_000;
/** After a failed attempt to connect: the first rest, doubled with each further failure up to the last. */
const REST_MS = { first: 50, last: 2_000 };

const INT8 = 20;
const parsers: pg.CustomTypesConfig = {
  // Times and counters: all below 2^53.
  getTypeParser: ((oid: number, format: "text") =>
    oid === INT8 ? Number : pg.types.getTypeParser(oid, format)) as typeof pg.types.getTypeParser,
};

/** The server gave up waiting for the standby, having committed: what is acknowledged may not survive a failover. */
const GAVE_UP_WAITING = "SyncRepWaitForLSN";

/** A pooled client with what this driver knows of it. */
class Pooled implements Connection {
  readonly client: pg.PoolClient;
  broken = false;
  /** A commit of this connection was not replicated. */
  #unreplicated = false;

  constructor(client: pg.PoolClient) {
    this.client = client;
    client.on("notice", (notice) => {
      if (notice.routine === GAVE_UP_WAITING) this.#unreplicated = true;
    });
    client.on("error", () => {
      this.broken = true;
    });
  }

  send({ statement, values }: Bound, longMs?: number): Promise<Result> {
    return this.#query({
      name: statement.name,
      text: statement.text,
      values: values as Value[],
      rowMode: "array",
      ...(longMs !== undefined && { query_timeout: longMs }),
    });
  }

  say(text: string): Promise<Result> {
    return this.#query({ text, rowMode: "array" });
  }

  async #query(query: pg.QueryArrayConfig<Value[]>): Promise<Result> {
    try {
      const { rows, rowCount, command } = await this.client.query<Value[], Value[]>(query);
      if (this.#unreplicated) {
        this.#unreplicated = false;
        throw new Unavailable("the database's standby did not confirm a write in time");
      }
      return { rows, count: rowCount ?? 0, command };
    } catch (error) {
      if (breaks(error)) this.broken = true;
      throw error;
    }
  }
}

export class Connections {
  readonly #pool: pg.Pool;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #known = new WeakMap<pg.PoolClient, Pooled>();
  #restMs = 0;
  /** Why the last attempt failed. */
  #why: Error | null = null;
  #restsUntil = Number.NEGATIVE_INFINITY;

  constructor({ client, most, statementMs }: ConnectionSettings, clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
    this.#pool = new pg.Pool({
      ...client,
      max: most,
      types: parsers,
      pipeline: true,
      keepAlive: true,
      query_timeout: statementMs + TRANSIT_MS,
      connectionTimeoutMillis: statementMs,
      idleTimeoutMillis: IDLE_MS,
      // pg waits for it; its types say that it does not.
      onConnect: ((made: pg.ClientBase) => made.query(settingsOf(statementMs))) as (made: pg.ClientBase) => void,
    });
    // A connection that breaks while nobody uses it is replaced when it is needed.
    this.#pool.on("error", () => {});
  }

  /** One statement, committed by itself. Throws the engine's error. */
  ask(bound: Bound): Promise<Result> {
    return this.use((connection) => connection.send(bound));
  }

  /** Lends a connection. One that broke, or was left inside a transaction, is not used again. */
  async use<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
    const client = await this.#connect();
    let pooled = this.#known.get(client);
    if (pooled === undefined) {
      pooled = new Pooled(client);
      this.#known.set(client, pooled);
    }
    try {
      return await work(pooled);
    } finally {
      client.release(pooled.broken || client.getTransactionStatus() !== "I");
    }
  }

  async #connect(): Promise<pg.PoolClient> {
    const now = this.#clock.monotonic();
    if (now < this.#restsUntil) throw this.#why ?? new Unavailable("the database cannot be reached");
    try {
      const client = await this.#pool.connect();
      this.#restMs = 0;
      return client;
    } catch (error) {
      // With connections at work the pool is merely full.
      if (this.#pool.totalCount < this.#pool.options.max) {
        this.#restMs = Math.min(REST_MS.last, Math.max(REST_MS.first, this.#restMs * 2));
        this.#why = faultOf(error);
        const [jitter = 0] = this.#random.bytes(1);
        this.#restsUntil = this.#clock.monotonic() + this.#restMs * (0.5 + jitter / 512);
      }
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#pool.end();
  }
}

/** What a role or a database may have set otherwise, and the promises need. */
function settingsOf(statementMs: number): string {
  const settings: Readonly<Record<string, string>> = {
    statement_timeout: String(statementMs),
    lock_timeout: String(LOCK_MS),
    idle_in_transaction_session_timeout: String(IDLE_IN_TRANSACTION_MS),
    default_transaction_isolation: "read committed",
    // What is told of a commit that no standby confirmed comes as a warning.
    client_min_messages: "warning",
  };
  const set = Object.entries(settings).map(([name, value]) => `set_config('${name}', '${value}', false)`);
  // A commit is answered once it is on disk, and on the standby where there is one to wait for.
  const durable = `CASE WHEN current_setting('synchronous_commit') IN ('off', 'local')
    THEN set_config('synchronous_commit', 'on', false) END`;
  return `SELECT ${[...set, durable].join(", ")}`;
}

/** Runs something of the engine and throws what callers understand. */
export async function understood<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw faultOf(error);
  }
}
