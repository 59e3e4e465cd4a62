/**
 * The main thread's side of the writer: collects the steps of one turn of the event loop into a group, and those that
 * come while a commit is under way into the next.
 *
 *   write ┐
 *   write ├─► waiting ──(end of turn, or the answer before)──► worker: one commit ──► listeners, then each promise
 *   write ┘
 *
 * A worker that dies takes no acknowledged write with it: what it had not answered is answered `Unavailable`, and the
 * next write starts another one. The process lives on, because verifying and reading need no writer.
 */
import { Worker } from "node:worker_threads";
import { Unavailable } from "../../prelude/fault.ts";
import type { Clock } from "../../prelude/world.ts";
import type { RevocationEntry } from "../../revocation/entry.ts";
import type { StepArguments, StepName, StepResult } from "../steps.ts";
import type { Reply } from "./commit.ts";
import { faultOf } from "./faults.ts";
import { codecOf, type Sent } from "./wire.ts";
import type { ToWriter } from "./writer.ts";

/** Above this many waiting writes the disk is not keeping up, and another one is told so at once. */
const MOST_WAITING = 10_000;
/** How long a writer that died is left dead, in milliseconds: one that cannot run must not be started in a loop. */
const REST_MS = 1000;

interface Pending {
  readonly name: StepName;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
}

export interface QueueOptions {
  readonly file: string;
  readonly clock: Clock;
  /** The module that runs as the writer: writer.ts. */
  readonly writer: URL;
  /** Told of each commit's entries before the writes that made them are answered. */
  readonly onEntries: (entries: readonly RevocationEntry[]) => void;
  /** Called when a writer has started again: entries may have been committed and not told. */
  readonly onRestart: () => void;
}

export class WriteQueue {
  readonly #options: QueueOptions;
  #worker: Worker | null = null;
  #ready = false;
  #group: Sent[] = [];
  #waiting: Pending[] = [];
  #underWay: Pending[] | null = null;
  #scheduled = false;
  #closing: (() => void) | null = null;
  /** What took the last writer down, where it was an error. */
  #cause: Error | null = null;
  #diedAt = Number.NEGATIVE_INFINITY;

  constructor(options: QueueOptions) {
    this.#options = options;
  }

  /** Starts the writer. Writes may be asked for at once: they wait for it. */
  start(): void {
    this.#spawn(() => {});
  }

  write<Name extends StepName>(name: Name, args: StepArguments<Name>): Promise<StepResult<Name>> {
    if (this.#closing !== null) return Promise.reject(new Unavailable("the database is closing"));
    if (this.#waiting.length >= MOST_WAITING)
      return Promise.reject(new Unavailable("too many writes wait for the disk"));
    if (this.#worker === null && !this.#revive())
      return Promise.reject(new Unavailable("the database's writer is down"));
    const codec = codecOf(name);
    this.#group.push([name, this.#options.clock.now(), codec.sendArguments(args)]);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ name, resolve: (result) => resolve(codec.receiveResult(result)), reject });
      this.#schedule();
    });
  }

  /** Commits what waits, folds the log back and ends the writer. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#worker === null) return resolve();
      this.#closing = resolve;
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#scheduled || this.#underWay !== null || !this.#ready) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#send();
    });
  }

  #send(): void {
    if (this.#worker === null || this.#underWay !== null || !this.#ready) return;
    if (this.#waiting.length > 0) {
      this.#underWay = this.#waiting;
      this.#post(this.#worker, this.#group);
      this.#waiting = [];
      this.#group = [];
    } else if (this.#closing !== null) {
      this.#ready = false;
      this.#post(this.#worker, null);
    }
  }

  #post(worker: Worker, message: ToWriter): void {
    worker.postMessage(message);
  }

  #answer({ results, faults, entries }: Reply): void {
    const answered = this.#underWay ?? [];
    this.#underWay = null;
    // The next group is on its way before this one is answered: the disk does not wait for us.
    this.#send();
    this.#options.onEntries(entries);
    for (const [index, pending] of answered.entries()) {
      const fault = faults?.get(index);
      if (fault === undefined) pending.resolve(results[index]);
      else pending.reject(faultOf(fault));
    }
    if (this.#closing !== null) this.#schedule();
  }

  #spawn(started: () => void): void {
    const worker = new Worker(this.#options.writer, { workerData: this.#options.file });
    this.#worker = worker;
    worker.on("message", (reply: Reply | null) => {
      if (reply !== null) return this.#answer(reply);
      this.#ready = true;
      started();
      if (this.#waiting.length > 0 || this.#closing !== null) this.#schedule();
    });
    worker.once("error", (error) => {
      this.#cause = error instanceof Error ? error : new Error(String(error));
    });
    worker.once("exit", () => this.#died());
  }

  #revive(): boolean {
    if (this.#options.clock.monotonic() - this.#diedAt < REST_MS) return false;
    this.#spawn(this.#options.onRestart);
    return true;
  }

  #died(): void {
    this.#worker = null;
    this.#ready = false;
    this.#diedAt = this.#options.clock.monotonic();
    const unanswered = [...(this.#underWay ?? []), ...this.#waiting];
    this.#underWay = null;
    this.#waiting = [];
    this.#group = [];
    const options = this.#cause === null ? {} : { cause: this.#cause };
    for (const { reject } of unanswered) reject(new Unavailable("the database's writer stopped", options));
    this.#closing?.();
  }
}
