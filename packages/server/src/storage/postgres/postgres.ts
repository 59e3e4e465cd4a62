/**
 * The PostgreSQL driver: the same steps as everywhere, over a network, for as many nodes as one likes.
 *
 *   read  ──► one statement on any connection
 *   write ──► transaction.ts: locks, the step by replay.ts, the counter last, COMMIT ──► tail.ts ──► answered
 *             a refresh: refresh.ts, one statement, and the whole way only where that does not take it
 *
 * Time is the database's: nodes whose clocks differ agree about what has run out.
 */

import type { Secret } from "../../prelude/secret.ts";
import { type Clock, type SetAlarm, systemAlarm, type World } from "../../prelude/world.ts";
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
import { clockLine } from "./inspect.ts";
import { Listener } from "./listener.ts";
import { ServingNode } from "./node.ts";
import { patiently } from "./patience.ts";
import { prepare } from "./prepare.ts";
import { plainOutcome, plainRefresh } from "./refresh.ts";
import { type Bound, Missing, Replay } from "./replay.ts";
import { PostgresRows } from "./rows.ts";
import { LogTail } from "./tail.ts";
import { HEAD, headOf, Transactions, together, WORK } from "./transaction.ts";

export interface PostgresSettings {
  readonly url: string;
  readonly password: Secret | null;
  /** How many connections there are at most. */
  readonly connections: number;
  /** How long a statement may take, in milliseconds. */
  readonly timeoutMs: number;
  /** How long to wait for a database that cannot be reached yet, in milliseconds; left out: not at all. */
  readonly waitMs?: number;
  /** Told, a line each, what an operator should know of meanwhile. */
  readonly tell?: (line: string) => void;
  /** In the place of the database's clock: for tests that stop it. */
  readonly clock?: Clock;
  /** `false`: hears no hints, as if all were lost. */
  readonly listens?: boolean;
}

/** How often a node looks for what it was not told of. */
const POLL_MS = 500;
/** With every so many polls, a node gives a sign of life, and whoever has the duty looks for work that it was not told of. */
const CALL_POLLS = 20;

/** Opens a database, made ready where it is empty. Throws `StartRefused`. */
export async function openPostgres(
  settings: PostgresSettings,
  world: World,
  alarm: SetAlarm = systemAlarm,
): Promise<Storage> {
  const { client, says, warning } = readAddress(settings.url, settings.password);
  const time = settings.clock ?? null;
  const limits = { most: settings.connections, statementMs: settings.timeoutMs };
  const connections = new Connections({ client, ...limits }, world.clock, world.random);
  try {
    const { waitMs = 0, tell = () => {} } = settings;
    const warnings = await patiently(
      () => prepare(connections, says, time === null ? world.clock : null, time?.now() ?? null),
      { waitMs, clock: world.clock, alarm, tell },
    );
    const transactions = new Transactions(connections, time);
    const [keyListeners, callListeners] = [new Set<() => void>(), new Set<() => void>()];
    const call = (listeners: ReadonlySet<() => void>) => {
      for (const told of listeners) told();
    };
    const head = headOf(await connections.ask(HEAD));
    const tail = new LogTail(
      head,
      (bound) => connections.ask(bound),
      () => call(keyListeners),
    );
    const node = await ServingNode.join(connections, tail, world, alarm);
    await node.watchStandbys();

    let closed = false;
    /** Looks at the log and the keys. What cannot be had now is had by the next look. */
    const lookUp = (): void => {
      if (!closed) tail.catchUp().catch(() => {});
    };
    let callOff = (): void => {};
    let polls = 0;
    let minded = false;
    /** A clock that went wrong is told once, until it is right again. */
    const mind = (): void => {
      const line = node.aheadMs === null || time !== null ? null : clockLine(node.aheadMs);
      if (line !== null && !minded) tell(line);
      minded = line !== null;
    };
    /** A sign of life, also of a node that has no verifiers; and what whoever has the duty does besides. */
    const sign = (): void => {
      node.readHead().then(mind, () => {});
      node.watchStandbys().catch(() => {});
      if (!listener.held) return;
      node.bury().catch(() => {});
      call(callListeners);
    };
    const poll = (): void => {
      lookUp();
      polls += 1;
      if (polls % CALL_POLLS === 0) sign();
      callOff = alarm(POLL_MS, poll);
    };
    const listener = new Listener({
      ...{ client, clock: world.clock, alarm },
      heard: (hint) => {
        if (settings.listens === false) return;
        if (hint === WORK) call(callListeners);
        else if (hint === null || !node.hear(hint)) lookUp();
      },
      duty: () => call(callListeners),
    });
    listener.start();
    poll();

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
      nature: {
        says: `PostgreSQL at ${says}`,
        warnings: warning === null ? warnings : [warning, ...warnings],
        shared: true,
      },
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
      readHead: () => understood(node.readHead()),
      onCommit: (told) => tail.onCommit(told),
      onKeys: (told) => void keyListeners.add(told),
      duty: {
        get held() {
          return listener.held;
        },
        onCall: (told) => void callListeners.add(told),
      },
      nodes: node,
      backup: null,
      check: async () => {
        await understood(node.readHead());
      },
      close: async () => {
        closed = true;
        callOff();
        await listener.close();
        await node.leave().catch(() => {});
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
