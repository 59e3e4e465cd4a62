/**
 * A connection to the live store: scripts run by their hash, faults of the network and of the server as `Unavailable`, and
 * nothing waits long. What cannot be sent now is refused now; what was sent and not answered is not sent again by itself,
 * since whoever asked decides whether asking twice is harmless.
 *
 *   connecting ──► admitted? (is it a primary, is it ours, does it keep what it has) ──► in use ──► lost ──► connecting …
 *                     └ no: let go, and tried again: the next one may be another server
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { Redis, type RedisOptions } from "ioredis";
import { StartRefused, Unavailable } from "../../prelude/fault.ts";
import type { SetAlarm } from "../../prelude/world.ts";
import type { ValkeyAddress } from "./address.ts";

/** A program that the store runs as one step. */
export interface Script {
  readonly lua: string;
  readonly sha: string;
}

export function script(lua: string): Script {
  return { lua, sha: createHash("sha1").update(lua).digest("hex") };
}

export type Value = string | number;
export type Ask = (command: string, ...args: readonly Value[]) => Promise<unknown>;

export interface ConnectionOptions {
  readonly name: string;
  /** How long an answer may take, in milliseconds. */
  readonly timeoutMs: number;
  /** Looks at the server before anything else is asked of it; what it returns is why the server cannot be used. */
  readonly admit: (ask: Ask) => Promise<string | null>;
  /** Told when the connection is lost, and when it stands again. */
  readonly changed?: (usable: boolean, why: string | null) => void;
  readonly alarm: SetAlarm;
}

/** Longest pause between two attempts to connect. */
const RETRY_MOST_MS = 1000;
const CONNECT_MS = 2000;
/** What a server says that passes: it is loading, full, deposed, without its replicas, without rights that were given before. */
const PASSING =
  /^(READONLY|LOADING|MASTERDOWN|MISCONF|OOM|NOREPLICAS|BUSY|TRYAGAIN|CLUSTERDOWN|NOAUTH|NOPERM|WRONGPASS|UNKILLABLE)\b/;

const RIGHTS = /\b(NOAUTH|WRONGPASS|NOPERM)\b.*/;

function tlsOf({ tls, ca }: ValkeyAddress): { tls?: { ca?: string } } {
  if (!tls) return {};
  if (ca === null) return { tls: {} };
  try {
    return { tls: { ca: readFileSync(ca, "utf8") } };
  } catch {
    throw new StartRefused(`MAPAE_VALKEY_URL: the file ${ca} (ca) cannot be read.`);
  }
}

function optionsOf(address: ValkeyAddress, { name, timeoutMs }: ConnectionOptions): RedisOptions {
  const { credentials, database, at } = address;
  const retryStrategy = (times: number) => Math.min(RETRY_MOST_MS, 25 * 2 ** Math.min(times, 6));
  const tls = tlsOf(address);
  const base: RedisOptions = {
    ...{ lazyConnect: true, connectionName: name, db: database, protocol: 2, disableClientInfo: true },
    ...{ commandTimeout: timeoutMs, socketTimeout: timeoutMs, connectTimeout: CONNECT_MS, retryStrategy },
    // The server is looked at by `admit`, which says so where it is still loading.
    enableReadyCheck: false,
    // Nothing is kept to be sent later, and nothing is sent twice.
    ...{ enableOfflineQueue: false, maxRetriesPerRequest: 0, autoResendUnfulfilledCommands: false },
    // A primary that was deposed: the Sentinels know the new one.
    reconnectOnError: (error) => error.message.startsWith("READONLY"),
    ...(credentials.user === null ? {} : { username: credentials.user }),
    ...(credentials.password === null ? {} : { password: credentials.password.reveal() }),
  };
  if ("server" in at) return { ...base, ...at.server, ...tls };
  const own = at.credentials;
  return {
    ...base,
    ...tls,
    ...(tls.tls === undefined ? {} : { enableTLSForSentinelMode: true, sentinelTLS: tls.tls }),
    ...(own.user === null ? {} : { sentinelUsername: own.user }),
    ...(own.password === null ? {} : { sentinelPassword: own.password.reveal() }),
    ...{ sentinels: [...at.sentinels], name: at.group, role: "master", failoverDetector: true },
    ...{ sentinelRetryStrategy: retryStrategy, sentinelCommandTimeout: timeoutMs },
  };
}

export class Connection {
  readonly #client: Redis;
  readonly #options: ConnectionOptions;
  readonly #says: string;
  #usable = false;
  /** Why it is not usable, in the words of whoever said so last. */
  #why: string | null = null;
  #waiting: (() => void)[] = [];
  /** Whoever refused it before it was ever used, stops the start. */
  #refused: string | null = null;
  /** How often it stood: what was asked of an earlier one says nothing of this one. */
  #stood = 0;
  #closed = false;

  constructor(address: ValkeyAddress, options: ConnectionOptions) {
    this.#options = options;
    this.#says = address.says;
    this.#client = new Redis({ ...optionsOf(address, options), replyMapping: "legacy" });
    this.#client.on("error", (error: Error) => {
      // A refused TLS handshake may fail twice, and the client listens for the first alone: the second would end the process.
      this.#client.stream?.on("error", () => {});
      this.#failed(error.message);
    });
    this.#client.on("ready", () => void this.#admit());
    this.#client.on("close", () => this.#became(false, this.#why));
    this.#client.on("end", () => this.#again());
  }

  get usable(): boolean {
    return this.#usable;
  }

  /** Connects. Throws `StartRefused` where the server cannot be used, or cannot be reached in so many milliseconds. */
  async open(withinMs: number): Promise<void> {
    this.#client.connect().catch(() => {}); // it goes on trying by itself
    if (!this.#usable && this.#refused === null) {
      await new Promise<void>((resolve) => {
        const off = this.#options.alarm(withinMs, resolve);
        this.#waiting.push(() => {
          off();
          resolve();
        });
      });
    }
    if (this.#usable) return;
    await this.close();
    if (this.#refused !== null) throw new StartRefused(`The live store at ${this.#says} ${this.#refused}.`);
    throw new StartRefused(`The live store at ${this.#says} cannot be reached: ${this.#why ?? "no answer"}.`);
  }

  async run({ lua, sha }: Script, args: readonly Value[]): Promise<unknown> {
    try {
      return await this.ask("EVALSHA", sha, 0, ...args);
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith("NOSCRIPT")) throw error;
      return this.ask("EVAL", lua, 0, ...args);
    }
  }

  /** One command. Throws `Unavailable` where it was not answered, or might be answered better later. */
  async ask(command: string, ...args: readonly Value[]): Promise<unknown> {
    if (!this.#usable) throw this.#unavailable(this.#why);
    return this.#ask(command, ...args);
  }

  /** Lets go of the server. What is under way is answered first. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#client.removeAllListeners("close");
    this.#usable = false;
    if (this.#client.status === "ready") await this.#client.quit().catch(() => {});
    this.#client.disconnect();
  }

  #ask = async (command: string, ...args: readonly Value[]): Promise<unknown> => {
    try {
      return await this.#client.call(command, ...args.map(String));
    } catch (error) {
      // The client's error carries the command with its arguments: only its words go on.
      const words = error instanceof Error ? error.message : String(error);
      const answered = error instanceof Error && error.name === "ReplyError";
      if (answered && !PASSING.test(words)) throw new Error(words);
      throw this.#unavailable(words);
    }
  };

  #unavailable(why: string | null): Unavailable {
    return new Unavailable(`the live store does not answer: ${why ?? "not connected"}`);
  }

  async #admit(): Promise<void> {
    this.#stood += 1;
    const stood = this.#stood;
    let refusal: string | null;
    try {
      refusal = await this.#options.admit(this.#ask);
    } catch (error) {
      if (stood !== this.#stood) return;
      this.#failed(error instanceof Error ? error.message : String(error));
      this.#client.disconnect(true);
      return;
    }
    if (stood !== this.#stood) return;
    if (refusal === null) return this.#became(true, null);
    this.#refused = refusal;
    this.#became(false, refusal);
    this.#client.disconnect(true);
  }

  /** The client gives up where it is let go while it connects: a connection that nobody closed is to go on. */
  #again(): void {
    if (this.#closed) return;
    this.#options.alarm(RETRY_MOST_MS, () => {
      if (!this.#closed && this.#client.status === "end") this.#client.connect().catch(() => {});
    });
  }

  /** A connection that failed: tried again, but for a start with credentials that are not the right ones. */
  #failed(why: string): void {
    const rights = RIGHTS.exec(why);
    if (rights !== null) this.#refused = `does not let Mapae in: ${rights[0]}`;
    this.#became(false, why);
  }

  #became(usable: boolean, why: string | null): void {
    const before = this.#usable;
    this.#usable = usable;
    this.#why = why;
    if (usable || this.#refused !== null) for (const wake of this.#waiting.splice(0)) wake();
    if (usable) this.#refused = null;
    if (usable !== before) this.#options.changed?.(usable, why);
  }
}
