/**
 * Keeps this server's copy of every log-in (copy.ts) as the store has them: a snapshot, then the stream of changes from
 * where the stream was *before* the snapshot was read.
 *
 *   ┌─ snapshot ◄──────────────────────────────────────────────────────┐
 *   └──► changes from the last id ──► applied ──► … ──► connection lost ──► back: the same server, and nothing trimmed?
 *                  ▲                                                            └ yes
 *                  └────────────────────────────────────────────────────────────┘
 *
 * Another server after a failover may know less than the one before, and its stream may go backwards: then the snapshot
 * says what there is. So does a stream that was trimmed past where we were. While the store is away, what is held is good
 * for reading: what was ended meanwhile is in the revocation log, which every answer is held against.
 */
import { Unavailable } from "../../prelude/fault.ts";
import type { Sleep } from "../../prelude/world.ts";
import type { Ask, Script, Value } from "./connection.ts";
import { SessionCopy } from "./copy.ts";
import { parseInfo } from "./inspect.ts";
import { UPKEEP_SCRIPTS } from "./upkeep-scripts.ts";

/** How long one question for changes waits for some, in milliseconds; well under the connection's time for an answer. */
const BLOCK_MS = 400;
const BATCH = 1000;
const RETRY_MS = 100;
const LOOK_MS = 5;
const NOTHING = "0-0";

export interface FollowParts {
  readonly copy: SessionCopy;
  readonly prefix: string;
  readonly run: (script: Script, args: readonly Value[]) => Promise<unknown>;
  /** Over a connection of its own: it waits. */
  readonly ask: Ask;
  readonly sleep: Sleep;
  /** Told the store's clock less ours, in milliseconds, each time it was seen. */
  readonly drift: (storeNow: number) => void;
  readonly fault: (error: unknown) => void;
}

export interface Follow {
  /** How many snapshots were read so far. */
  readonly snapshots: number;
  /** Resolves once what the stream has now was applied here; after a second in any case. */
  caughtUp(): Promise<void>;
  stop(): Promise<void>;
}

/** Resolves once the first snapshot is held. Throws what the store says where it cannot be read. */
export async function startFollowing(parts: FollowParts): Promise<Follow> {
  const { copy, prefix, run, ask } = parts;
  const changes = `${prefix}changes`;
  let stopped = false;
  let snapshots = 0;
  let last = NOTHING;
  let server = "";

  /** Which server's history this is: another one after a failover. */
  const historyOf = async (): Promise<string> =>
    parseInfo(String(await ask("INFO", "replication"))).master_replid ?? "unknown";

  const snapshot = async (): Promise<void> => {
    // From now on the programs tell what they change. First where the stream is, then what there is: never the other way.
    await ask("SET", `${prefix}streams`, "1");
    const history = await historyOf();
    const from = lastOf(await ask("XREVRANGE", changes, "+", "-", "COUNT", 1)) ?? NOTHING;
    const next = new SessionCopy();
    let cursor = "0";
    do {
      const [now, after, found] = (await run(UPKEEP_SCRIPTS.snapshot, [prefix, "", cursor])) as [
        string,
        string,
        string[],
      ];
      parts.drift(Number(now));
      for (let at = 0; at + 1 < found.length; at += 2) next.put(found[at] ?? "", found[at + 1] ?? "");
      cursor = String(after);
    } while (cursor !== "0");
    copy.become(next);
    [last, server] = [from, history];
    snapshots += 1;
  };

  /** Whether changes can be taken up where they were left. */
  const continues = async (): Promise<boolean> => {
    if ((await historyOf()) !== server) return false;
    if (last === NOTHING) return true;
    // Trimmed by time or flushed: what is behind the first of it is gone.
    const first = firstOf(await ask("XRANGE", changes, "-", "+", "COUNT", 1));
    return first !== null && !isAfter(first, last);
  };

  const follow = async (): Promise<void> => {
    const read = await ask("XREAD", "COUNT", BATCH, "BLOCK", BLOCK_MS, "STREAMS", changes, last);
    for (const [id, fields] of entriesOf(read)) {
      const [kind, name, , text] = fields;
      if (kind === "k" && name !== undefined && text !== undefined) copy.put(name, text);
      else if (kind === "x" && name !== undefined) copy.removeSession(name);
      last = id;
    }
  };

  const go = async (): Promise<void> => {
    let whole = true;
    while (!stopped) {
      try {
        if (!whole && !(await continues())) await snapshot();
        whole = true;
        await follow();
      } catch (error) {
        whole = false;
        if (!(error instanceof Unavailable)) parts.fault(error);
        if (!stopped) await parts.sleep(RETRY_MS);
      }
    }
  };

  await snapshot();
  const going = go();
  return {
    get snapshots() {
      return snapshots;
    },
    caughtUp: async () => {
      const end = lastOf(await ask("XREVRANGE", changes, "+", "-", "COUNT", 1));
      for (let waited = 0; waited < 1000 && !stopped && end !== null && isAfter(end, last); waited += LOOK_MS) {
        await parts.sleep(LOOK_MS);
      }
    },
    stop: async () => {
      stopped = true;
      await going;
    },
  };
}

type Entry = readonly [id: string, fields: readonly string[]];

/** `XREAD`: of one stream, or nothing. */
function entriesOf(read: unknown): readonly Entry[] {
  if (!Array.isArray(read)) return [];
  const [stream] = read as readonly (readonly [string, readonly Entry[]])[];
  return stream?.[1] ?? [];
}

function firstOf(range: unknown): string | null {
  const [entry] = Array.isArray(range) ? (range as readonly Entry[]) : [];
  return entry?.[0] ?? null;
}

const lastOf = firstOf;

/** Ids of a stream are milliseconds and a number within them. */
function isAfter(one: string, other: string): boolean {
  const [a = 0, b = 0] = one.split("-").map(Number);
  const [c = 0, d = 0] = other.split("-").map(Number);
  return a > c || (a === c && b > d);
}
