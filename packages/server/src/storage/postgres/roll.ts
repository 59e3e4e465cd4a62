/**
 * The other nodes, as their rows in `nodes` show them. Whether leases of one may be running is told by its beat: it counts
 * the node's reads of the head, and without one nobody gets a lease. How long it stands still is measured here, by this
 * process's monotonic clock: no clock of another machine is believed.
 *
 *   beat 7 ──► beat 8 seen here ──────── still 8, N later ──► every lease given on that head has ended
 */
import { z } from "zod";
import { outlast } from "../../feed/lease.ts";
import type { OtherNode, Word } from "../../feed/nodes.ts";
import { asId } from "../../prelude/ids.ts";
import { integer, text } from "../sql/columns.ts";
import type { Result } from "./connections.ts";
import type { Bound } from "./replay.ts";
import { prepared } from "./sql.ts";

const ROLL = prepared("SELECT id, beat, lease_ms, coalesce(word, '') FROM nodes WHERE id <> ?");
const FORGET = prepared("DELETE FROM nodes WHERE id = ? AND beat = ?");
/** A node that lives reads the head far more often; the row of one that died is of no use for longer. */
const DEAD_MS = 600_000;

const position = z.object({ epoch: z.number(), seq: z.number() });
const named = z
  .object({ instance: z.string(), client: z.string(), verifiers: z.number().optional() })
  .transform(({ instance, client, verifiers }) => ({
    instance: asId("instance", instance),
    client: asId("client", client),
    ...(verifiers !== undefined && { verifiers }),
  }));
const word = z.object({
  settled: position,
  tally: z.object({ position, acknowledged: z.number(), outstanding: z.array(named), unbound: z.array(named) }),
});

/** So many are named; an answer with thousands would help nobody. */
const NAMED = 50;

export function wordText({ settled, tally }: Word): string {
  const { outstanding, unbound } = tally;
  return JSON.stringify({
    settled,
    tally: { ...tally, outstanding: outstanding.slice(0, NAMED), unbound: unbound.slice(0, NAMED) },
  });
}

function wordOf(told: string): Word | null {
  if (told === "") return null;
  const read = word.safeParse(JSON.parse(told));
  // A later program's: what it says is not understood, and it counts as one that says nothing.
  return read.success ? read.data : null;
}

interface Seen {
  readonly beat: number;
  /** When that beat was first seen, by the monotonic clock. */
  readonly since: number;
}

export class Roll {
  #seen = new Map<string, Seen>();

  /** @param own the row that is this node's */
  question(own: string): Bound {
    return { statement: ROLL, values: [own] };
  }

  /** @param now when the answer had come, by the monotonic clock */
  take({ rows }: Result, now: number): readonly OtherNode[] {
    const seen = new Map<string, Seen>();
    const nodes = rows.map((row): OtherNode => {
      const [id, beat, leaseMs] = [asId("node", text(row, 0)), integer(row, 1), integer(row, 2)];
      const before = this.#seen.get(id);
      const { since } = before?.beat === beat ? before : { since: now };
      seen.set(id, { beat, since });
      // Before its first beat it has given none.
      const counts = beat > 0 && now - since < outlast(leaseMs);
      return { id, leaseMs, counts, word: wordOf(text(row, 3)) };
    });
    this.#seen = seen;
    return nodes;
  }

  /** What removes the rows of those that died, unless they come back meanwhile. */
  buryings(now: number): readonly Bound[] {
    return [...this.#seen]
      .filter(([, { since }]) => now - since >= DEAD_MS)
      .map(([id, { beat }]) => ({ statement: FORGET, values: [id, beat] }));
  }
}
