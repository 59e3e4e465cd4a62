/**
 * The PostgreSQL driver: the same steps as everywhere, over a network, for as many nodes as one likes.
 *
 *   read  ──► one statement on any connection
 *   write ──► transaction.ts: locks, the step by replay.ts, the counter last, COMMIT ──► tail.ts ──► answered
 *             a refresh: refresh.ts, one statement, and the whole way only where that does not take it
 *
 * Time is the database's: nodes whose clocks differ agree about what has run out.
 */

import { newId } from "../../prelude/ids.ts";
import type { Secret } from "../../prelude/secret.ts";
import type { Clock, World } from "../../prelude/world.ts";
import type { Position } from "../../revocation/entry.ts";
import { copy } from "../copy.ts";
import { portsOver } from "../ports.ts";
import type { Reads } from "../rows.ts";
import { integer } from "../sql/columns.ts";
import { SqlReads } from "../sql/reads.ts";
import { runStep, type StepArguments, type StepName, type StepResult } from "../steps.ts";
import type { Storage } from "../storage.ts";
import { readAddress } from "./address.ts";
import { aheadOf } from "./ahead.ts";
import { Connections, understood } from "./connections.ts";
import { prepare } from "./prepare.ts";
import { plainOutcome, plainRefresh } from "./refresh.ts";
import { type Bound, Missing, Replay } from "./replay.ts";
import { PostgresRows } from "./rows.ts";
import { MIGRATIONS } from "./schema.ts";
import { prepared } from "./sql.ts";
import { LogTail } from "./tail.ts";
import { HEAD, headOf, Transactions, together } from "./transaction.ts";

export interface PostgresSettings {
  readonly url: string;
  readonly password: Secret | null;
  /** How many connections there are at most. */
  readonly connections: number;
  /** How long a statement may take, in milliseconds. */
  readonly timeoutMs: number;
  /** In the place of the database's clock: for tests that stop it. */
  readonly clock?: Clock;
}

const JOIN = prepared("INSERT INTO nodes (id, schema, beat, seen_at) VALUES (?, ?, 0, 0)");
const LEAVE = prepared("DELETE FROM nodes WHERE id = ?");
/** A write, so that a primary that was deposed cannot complete it. */
const BEAT = prepared("UPDATE nodes SET beat = beat + 1 WHERE id = ?");

/** Opens a database, made ready where it is empty. Throws `StartRefused`. */
export async function openPostgres(settings: PostgresSettings, world: World): Promise<Storage> {
  const { client, says, warning } = readAddress(settings.url, settings.password);
  const time = settings.clock ?? null;
  const limits = { most: settings.connections, statementMs: settings.timeoutMs };
  const connections = new Connections({ client, ...limits }, world.clock, world.random);
  try {
    await prepare(connections, says, time?.now() ?? null);
    const transactions = new Transactions(connections, time);
    const tail = new LogTail(headOf(await connections.ask(HEAD)), (bound) => connections.ask(bound));
    const node = newId("node", world.random);
    await connections.ask({ statement: JOIN, values: [node, MIGRATIONS.length] });

    const readHead = async (): Promise<Position> => {
      const beat = await connections.ask({ statement: BEAT, values: [node] });
      if (beat.count === 0) throw new Error("this node is not registered any more");
      return tail.catchUp();
    };

    /** A refresh: in one statement, or by a look that finds nothing to write, or as a step. */
    const use = async (...args: StepArguments<"use">): Promise<StepResult<"use">> => {
      const plain = plainRefresh(args[0], args[1], time?.now() ?? null);
      const row = plain === null ? undefined : (await connections.ask(plain)).rows[0];
      if (row !== undefined) return plainOutcome(row);
      const looked = await look(connections, time, aheadOf("use", args), (rows, now) =>
        runStep("use", rows, now, args),
      );
      return looked === null ? run("use", args) : looked.result;
    };
    const run = async <Name extends StepName>(name: Name, args: StepArguments<Name>): Promise<StepResult<Name>> => {
      const { result, entries } = await transactions.run(name, args);
      await tail.committed(entries);
      return result;
    };

    return portsOver({
      nature: { says: `PostgreSQL at ${says}`, warnings: warning === null ? [] : [warning], shared: true },
      clock: world.clock,
      read: (query) => understood(answered(connections, query)),
      write: <Name extends StepName>(name: Name, ...args: StepArguments<Name>) => {
        // Whoever asks may do with his own what he likes while this is on its way.
        const own = copy(args);
        return understood(
          name === "use"
            ? (use(...(own as unknown as StepArguments<"use">)) as Promise<StepResult<Name>>)
            : run(name, own),
        );
      },
      head: () => tail.head,
      readHead: () => understood(readHead()),
      onCommit: (listener) => tail.onCommit(listener),
      backup: null,
      check: async () => {
        await understood(readHead());
      },
      close: async () => {
        await connections.ask({ statement: LEAVE, values: [node] }).catch(() => {});
        await connections.close();
      },
    });
  } catch (error) {
    await connections.close();
    throw error;
  }
}

/** Answers a question of the ports: each of its statements from a snapshot of its own. */
async function answered<T>(connections: Connections, query: (reads: Reads) => T): Promise<T> {
  const replay = new Replay({ seen: { epoch: 0, seq: 0 }, issues: false });
  const reads = new SqlReads(replay);
  for (;;) {
    replay.rewind();
    try {
      return query(reads);
    } catch (error) {
      if (!(error instanceof Missing)) throw error;
      replay.answer(error, await connections.ask(error.bound));
    }
  }
}

/** Runs a step without a transaction; `null` where it has something to write. Position and time are read before the rest. */
async function look<T>(
  connections: Connections,
  clock: Clock | null,
  ahead: readonly Bound[],
  step: (rows: PostgresRows, now: number) => T,
): Promise<{ readonly result: T } | null> {
  return connections.use(async (connection) => {
    const [head, ...answers] = await together(connection, undefined, HEAD, ...ahead);
    if (head === undefined) throw new Error("a question was not answered");
    const replay = new Replay({ seen: headOf(head), issues: true });
    for (const [index, answer] of answers.entries()) replay.expect(ahead[index] as Bound, answer);
    const rows = new PostgresRows(replay);
    const now = clock?.now() ?? integer(head.rows[0] ?? [], 2);
    for (;;) {
      replay.rewind();
      try {
        const result = step(rows, now);
        return replay.writes ? null : { result };
      } catch (error) {
        if (!(error instanceof Missing)) throw error;
        if (error.changes) return null;
        replay.answer(error, await connection.send(error.bound));
      }
    }
  });
}
