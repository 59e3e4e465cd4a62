/**
 * One connection that listens: hints of what other nodes committed, and the duty of doing what one node does for all
 * (webhooks, sweeps), which is a lock of this connection's session.
 *
 *   connect ──► LISTEN ──► looks after it: asks for the duty, sees that the connection still answers
 *      ▲                        │ silent, or ended
 *      └────(rests, longer each time)◄──┘ the duty is given up at once
 *
 * Hints may be lost; who needs to know looks by himself from time to time. The duty is not exclusive to the letter: a node
 * that lost its connection notices within seconds, and what it had begun then ends as it ends.
 */
import pg from "pg";
import type { Clock, SetAlarm } from "../../prelude/world.ts";
import { ADVISORY, advisoryKey } from "./locks.ts";
import { CHANNEL } from "./transaction.ts";

export interface ListenerParts {
  readonly client: pg.ClientConfig;
  readonly clock: Clock;
  readonly alarm: SetAlarm;
  /** `null`: anything may have happened while nobody listened. */
  readonly heard: (hint: string | null) => void;
  readonly duty: (held: boolean) => void;
}

const LOOK_MS = 1_000;
/** Without an answer for so long, the connection is taken for dead. */
const SILENCE_MS = 3_000;
const REST_MS = { first: 100, last: 5_000 };

/** The server lets go of a dead node's session, and its duty with it, after some ten seconds. */
const SESSION = `SELECT set_config('tcp_keepalives_idle', '5', false), set_config('tcp_keepalives_interval', '2', false),
  set_config('tcp_keepalives_count', '3', false), set_config('idle_session_timeout', '0', false),
  set_config('statement_timeout', '${SILENCE_MS}', false)`;
const LISTEN = `DO $$ BEGIN EXECUTE format('LISTEN %I', ${CHANNEL}); END $$`;
const TAKE = `SELECT pg_try_advisory_lock(${advisoryKey(ADVISORY.duty)})`;

export class Listener {
  readonly #parts: ListenerParts;
  #client: pg.Client | null = null;
  #held = false;
  #closed = false;
  #restMs = 0;
  #callOff: () => void = () => {};

  constructor(parts: ListenerParts) {
    this.#parts = parts;
  }

  /** Connects in the background. */
  start(): void {
    void this.#connect();
  }

  get held(): boolean {
    return this.#held;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#callOff();
    const client = this.#client;
    this.#lost(client);
    await client?.end().catch(() => {});
  }

  async #connect(): Promise<void> {
    const { client: config, heard } = this.#parts;
    const client = new pg.Client({
      ...config,
      keepAlive: true,
      connectionTimeoutMillis: SILENCE_MS,
      query_timeout: SILENCE_MS,
    });
    client.on("error", () => this.#lost(client));
    client.on("end", () => this.#lost(client));
    client.on("notification", ({ payload }) => heard(payload ?? null));
    this.#client = client;
    try {
      await client.connect();
      await client.query(SESSION);
      await client.query(LISTEN);
      heard(null);
      this.#restMs = 0;
      await this.#look(client);
    } catch {
      this.#lost(client);
      void client.end().catch(() => {});
    }
  }

  async #look(client: pg.Client): Promise<void> {
    try {
      if (this.#held) await client.query("SELECT 1");
      else {
        const { rows } = await client.query<{ pg_try_advisory_lock: boolean }>(TAKE);
        if (rows[0]?.pg_try_advisory_lock === true && this.#client === client) this.#hold(true);
      }
      if (this.#client === client) this.#callOff = this.#parts.alarm(LOOK_MS, () => void this.#look(client));
    } catch {
      this.#lost(client);
      void client.end().catch(() => {});
    }
  }

  #lost(client: pg.Client | null): void {
    if (client === null || this.#client !== client) return;
    this.#client = null;
    this.#callOff();
    this.#hold(false);
    if (this.#closed) return;
    this.#restMs = Math.min(REST_MS.last, Math.max(REST_MS.first, this.#restMs * 2));
    this.#callOff = this.#parts.alarm(this.#restMs, () => void this.#connect());
  }

  #hold(held: boolean): void {
    if (held === this.#held) return;
    this.#held = held;
    this.#parts.duty(held);
  }
}
