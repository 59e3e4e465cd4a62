/**
 * The engines that `scale` measures, each with log-ins by the million in it: the driver's refresh on the one side, and on
 * the other the bare engine at the same statement (or script, or grouped commit), asked by its client library alone.
 *
 *   sqlite.ts    one file, one writer          the driver's two statements, grouped
 *   postgres.ts  ten connections               the driver's own UPDATE
 *   valkey.ts    one connection, pipelined     the driver's own script
 */
import { type Client, DEFAULT_CLIENT } from "../packages/server/src/clients/client.ts";
import type { Storage } from "../packages/server/src/storage/storage.ts";
import { closedLoop } from "./load.ts";

/** One log-in's grant as its app holds it. */
export interface Held {
  readonly secretId: Buffer;
  generation: number;
}

export interface Done {
  readonly count: number;
  readonly seconds: number;
}

export interface Engine {
  /** With its version. */
  readonly name: string;
  readonly storage: Storage;
  /** Adds log-ins, by the engine's own bulk commands, from one number up to before another. */
  fill(from: number, to: number): Promise<void>;
  /** The secret of the log-in of a number. */
  secretOf(index: number): Buffer;
  /** Rotates each of these, over and over, with nothing of ours around it. */
  bare(held: readonly Held[], seconds: number): Promise<Done>;
  /** CPU seconds that the engine's own processes have used; `null` where it has none, or nobody can say. */
  cpuSeconds(): Promise<number | null>;
  /** What the log-ins take, in bytes. */
  bytes(): Promise<number>;
  close(): Promise<void>;
}

/** So many refreshes are under way at a time. */
export const LANES = 256;
export const DAY_MS = 86_400_000;
export const SETTINGS = { graceMs: 10_000, idleMs: 14 * DAY_MS } as const;
export const SESSION_MS = 90 * DAY_MS;
const CAUSE = { actor: { kind: "anyone" }, address: "127.0.0.1", requestId: null } as const;
/** Log-ins of one user. */
export const PER_USER = 10;

export const CLIENT: Client["id"] = DEFAULT_CLIENT;

/** What a request to refresh presents, at the port of storage. */
export function presentedBy({ secretId, generation }: Held) {
  const nothing = { proof: null, device: null, requiredRole: null, listSeed: null };
  return { secretId, generation, client: CLIENT, macKey: 1, ...nothing };
}

/** Refreshes through the driver, each lane its own log-ins in turn. */
export async function driven({ storage }: Engine, held: readonly Held[], seconds: number): Promise<Done> {
  const steps = lanesOf(held, LANES).map((own) => {
    const next = inTurn(own);
    return async () => {
      const one = next();
      const outcome = await storage.grants.use(presentedBy(one), SETTINGS, CAUSE);
      if (!outcome.allow || outcome.how !== "rotated") throw new Error("a refresh that rotated nothing");
      one.generation += 1;
    };
  });
  const { done, seconds: took } = await closedLoop(steps, seconds);
  return { count: done, seconds: took };
}

export function lanesOf<T>(all: readonly T[], lanes: number): T[][] {
  return Array.from({ length: lanes }, (_, lane) => all.filter((_each, index) => index % lanes === lane));
}

export function inTurn<T>(all: readonly T[]): () => T {
  let at = -1;
  return () => {
    at = (at + 1) % all.length;
    const found = all[at];
    if (found === undefined) throw new Error("nothing to take turns");
    return found;
  };
}
