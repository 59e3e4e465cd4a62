/**
 * A step as one transaction.
 *
 *   BEGIN ─ locks ─ time, head ──►  ┐  sent together
 *   what the step still lacks  ◄──► │  replay.ts, one round trip each
 *   its writes, then the counter ─► ┘  the counter last (locks.ts): numbers are in the order of commits
 *   the log, the counter ─ COMMIT
 *
 * A transaction that another one undid, or that lost a race for a key, runs again: nothing of it was committed.
 */
import type { Clock } from "../../prelude/world.ts";
import type { Position, RevocationEntry } from "../../revocation/entry.ts";
import { integer } from "../sql/columns.ts";
import { runStep, type StepArguments, type StepName, type StepResult } from "../steps.ts";
import { aheadOf } from "./ahead.ts";
import type { Connection, Connections, Result } from "./connections.ts";
import { isRace } from "./faults.ts";
import { holdsCounterFirst, locksOf } from "./locks.ts";
import { type Bound, Diverged, Missing, Replay } from "./replay.ts";
import { PostgresRows } from "./rows.ts";
import { prepared } from "./sql.ts";

export interface Done<Name extends StepName> {
  readonly result: StepResult<Name>;
  readonly entries: readonly RevocationEntry[];
}

/** How often a transaction that lost is run again. */
const ATTEMPTS = 8;
/** Steps over all rows of a table may take so long. */
const LONG_MS = 600_000;
const LONG: ReadonlySet<StepName> = new Set<StepName>([
  "deleteClient",
  "endGrantsOfClient",
  "applyEffects",
  "restartLog",
]);

function isLong(name: StepName, [target]: readonly unknown[]): boolean {
  return (
    LONG.has(name) || (name === "endSessions" && typeof target === "object" && target !== null && "everyone" in target)
  );
}

/** Milliseconds since 1970, by the database's clock, and where the log stands. */
export const NOW = "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)";
export const HEAD: Bound = { statement: prepared(`SELECT epoch, seq, ${NOW} FROM state`), values: [] };
const COUNTER: Bound = {
  statement: prepared(`SELECT epoch, seq, ${NOW} FROM state FOR NO KEY UPDATE`),
  values: [],
};
const MOVE = prepared("UPDATE state SET seq = ?");
/** Other nodes look at the log when they hear of this; it is a hint, and may be lost. */
export const CHANNEL = "'mapae_' || current_schema()";
export const TELL = prepared(`SELECT pg_notify(${CHANNEL}, ?)`);
/** There is something to do for the node that has the duty. */
export const WORK = "work";
/** Steps after which every node looks at its keys, and those after which one looks for work. */
const HINTS: { readonly [Name in StepName]?: string } = {
  replaceKeys: "keys",
  raiseMark: "keys",
  addDataKeys: "keys",
  removeDataKeys: "keys",
  createWebhook: WORK,
  changeWebhook: WORK,
  createStream: WORK,
  changeStream: WORK,
};

export function headOf({ rows: [row] }: Result): Position {
  if (row === undefined) throw new Error("the database has no state row");
  return { epoch: integer(row, 0), seq: integer(row, 1) };
}

/** Sends statements together; throws the first error in their order, once all have been answered. */
export async function together(
  connection: Connection,
  longMs: number | undefined,
  ...all: readonly (Bound | string)[]
): Promise<readonly Result[]> {
  const answers = await Promise.allSettled(
    all.map((each) => (typeof each === "string" ? connection.say(each) : connection.send(each, longMs))),
  );
  return answers.map((answer) => {
    if (answer.status === "rejected") throw answer.reason;
    return answer.value;
  });
}

/** A transaction under way. */
interface Work {
  readonly connection: Connection;
  readonly replay: Replay;
  readonly longMs: number | undefined;
  readonly hint: string | undefined;
}

export class Transactions {
  readonly #connections: Connections;
  readonly #clock: Clock | null;

  /** @param clock in the place of the database's: for tests that stop it */
  constructor(connections: Connections, clock: Clock | null) {
    this.#connections = connections;
    this.#clock = clock;
  }

  async run<Name extends StepName>(name: Name, args: StepArguments<Name>): Promise<Done<Name>> {
    let first = holdsCounterFirst(name);
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#connections.use((connection) => this.#attempt(connection, name, args, first));
      } catch (error) {
        const diverged = error instanceof Diverged && !first;
        if (!(diverged || isRace(error)) || attempt === ATTEMPTS) throw error;
        first ||= diverged;
      }
    }
  }

  async #attempt<Name extends StepName>(
    connection: Connection,
    name: Name,
    args: StepArguments<Name>,
    first: boolean,
  ): Promise<Done<Name>> {
    try {
      const ahead = aheadOf(name, args);
      const longMs = isLong(name, args) ? LONG_MS : undefined;
      const patience = longMs === undefined ? [] : [`SET LOCAL statement_timeout = ${longMs}`];
      const opening = await together(
        connection,
        longMs,
        ...["BEGIN", ...patience, ...locksOf(name, args)],
        first ? COUNTER : HEAD,
        ...ahead,
      );
      const head = opening[opening.length - ahead.length - 1] as Result;
      const replay = new Replay({ seen: headOf(head), issues: name === "open" || name === "use" });
      if (first) replay.hold(headOf(head));
      for (const [index, bound] of ahead.entries()) {
        replay.expect(bound, opening[opening.length - ahead.length + index] as Result);
      }
      const now = this.#clock?.now() ?? integer(head.rows[0] ?? [], 2);
      const work: Work = { connection, replay, longMs, hint: HINTS[name] };
      const result = await this.#replay(work, (rows) => runStep(name, rows, now, args));
      await this.#commit(work);
      return { result, entries: replay.entries };
    } catch (error) {
      await connection.say("ROLLBACK").catch(() => {}); // where that fails too, the connection is given up
      throw error;
    }
  }

  async #replay<T>(work: Work, step: (rows: PostgresRows) => T): Promise<T> {
    const { replay } = work;
    const rows = new PostgresRows(replay);
    for (;;) {
      replay.rewind();
      try {
        const result = step(rows);
        if (!replay.needsCounter) return result;
        await this.#takeCounter(work);
      } catch (error) {
        if (!(error instanceof Missing)) throw error;
        await this.#supply(work, error);
      }
    }
  }

  async #supply(work: Work, missing: Missing): Promise<void> {
    const { connection, replay, longMs } = work;
    const { bound } = missing;
    const sees = replay.sees(bound);
    if (sees && replay.needsCounter) {
      await this.#takeCounter(work);
      return;
    }
    const before = sees ? replay.take() : [];
    const answers = await together(connection, longMs, ...before, bound);
    replay.answer(missing, answers.at(-1) as Result);
  }

  async #takeCounter({ connection, replay, longMs }: Work): Promise<void> {
    const writes = replay.take();
    const again = replay.doubtful();
    const answers = await together(connection, longMs, ...writes, COUNTER, ...again);
    replay.hold(headOf(answers[writes.length] as Result));
    replay.correct(answers.slice(writes.length + 1));
  }

  async #commit({ connection, replay, longMs, hint }: Work): Promise<void> {
    const last = replay.entries.at(-1);
    const closing: Bound[] =
      last === undefined
        ? []
        : [
            { statement: MOVE, values: [last.seq] },
            { statement: TELL, values: [`log ${last.epoch}.${last.seq}`] },
          ];
    if (hint !== undefined) closing.push({ statement: TELL, values: [hint] });
    const answers = await together(connection, longMs, ...replay.take(), ...closing, "COMMIT");
    if (answers.at(-1)?.command !== "COMMIT") throw new Error("a transaction was not committed");
  }
}
