/**
 * Writes that wait for replicas: what is acknowledged after them is still there when the primary dies.
 *
 *   write ┐
 *   write ├─► one connection of its own: the writes, then one WAIT for all of them ──► enough replicas? ──► answered
 *   write ┘                                                                                └ no: 503, and taken back
 *
 * WAIT holds up its connection, and counts what that connection wrote: hence an own one, and a group for each WAIT.
 */
import { Unavailable } from "../../prelude/fault.ts";
import type { Connection, Script, Value } from "./connection.ts";

/** How long replicas may take, in milliseconds. */
export const WAIT_MS = 1000;

interface Pending {
  readonly script: Script;
  readonly args: readonly Value[];
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

export class ReplicatedWrites {
  readonly #connection: Pick<Connection, "run" | "ask">;
  readonly #replicas: number;
  #waiting: Pending[] = [];
  #running = false;

  /** @param connection used for nothing else */
  constructor(connection: Pick<Connection, "run" | "ask">, replicas: number) {
    this.#connection = connection;
    this.#replicas = replicas;
  }

  run(script: Script, args: readonly Value[]): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ script, args, resolve, reject });
      if (!this.#running) void this.#work();
    });
  }

  async #work(): Promise<void> {
    this.#running = true;
    while (this.#waiting.length > 0) {
      const group = this.#waiting;
      this.#waiting = [];
      const results = await Promise.allSettled(group.map(({ script, args }) => this.#connection.run(script, args)));
      const fault = await this.#confirm();
      for (const [index, { resolve, reject }] of group.entries()) {
        const result = results[index];
        if (result?.status !== "fulfilled") reject(result?.reason);
        else if (fault !== null) reject(fault);
        else resolve(result.value);
      }
    }
    this.#running = false;
  }

  /** Why the group must not be acknowledged; `null` where it may. */
  async #confirm(): Promise<unknown> {
    try {
      const replicas = Number(await this.#connection.ask("WAIT", this.#replicas, WAIT_MS));
      if (replicas >= this.#replicas) return null;
      return new Unavailable(
        `the live store has ${replicas} of the ${this.#replicas} replicas that a log-in waits for`,
      );
    } catch (error) {
      return error;
    }
  }
}
