/** What the feed counts, for the metrics: closed sets, so that nobody outside can make new labels. */
import type { Closing } from "./connection.ts";
import type { Confirmation } from "./waiting.ts";

export class FeedTally {
  /** Connections ended by this side, by reason. */
  readonly closed: Partial<Record<Closing, number>> = {};
  readonly confirmations: Partial<Record<Confirmation["by"], number>> = {};
  heartbeats = 0;
  resyncs = 0;
  /** Head reads that failed: no heartbeat went out for them. */
  headsUnknown = 0;
  /** Of all confirmations together. */
  waitedMs = 0;
  polls = 0;
  snapshots = 0;

  count<Name extends string>(table: Partial<Record<Name, number>>, name: Name): void {
    table[name] = (table[name] ?? 0) + 1;
  }
}
