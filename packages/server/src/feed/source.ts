/**
 * Where what is served comes from. There are two: the login server's own log (feed.ts), and a relay's upstream
 * (relay/relay.ts). Everything that faces verifiers stands on this and does not know which it is.
 */
import type { Position } from "../revocation/entry.ts";
import type { LogMirror } from "./mirror.ts";
import type { FeedSnapshot } from "./snapshots.ts";

/** A head of the log, and for how long a lease may be given on it. */
export interface Head {
  readonly position: Position;
  /** Milliseconds, from any moment before this was asked for. */
  readonly leaseMs: number;
  /** By how many milliseconds what is known may be older than that moment: more than 0 at a relay alone. */
  readonly ageMs?: number;
}

export interface FeedSource {
  /** What is told. A relay has another one after each snapshot that it had to load. */
  readonly mirror: LogMirror;
  readonly feedKey: Uint8Array;
  /** N, in milliseconds. */
  readonly leaseMs: number;
  /** The relays from here to the issuer, this one first; none at the login server. */
  readonly relays: readonly string[];
  /** Resolves once the mirror holds the log. */
  loaded(): Promise<void>;
  /**
   * Every entry committed before this was called is in the mirror when it resolves, or `leaseMs` is so much shorter that
   * no lease on it outlasts what is missing. Rejects with `Unavailable` where that is not certain.
   */
  head(): Promise<Head>;
  /** The mirror stands at a position by then, if the log does. Rejects as `head` does. */
  reach(position: Position): Promise<void>;
  /** A recent signed position that is not ahead of what was sent; `null` where there is none. */
  checkpoint(sent: Position, audience: string): string | null;
  /** Rejects with `Unavailable` where there is none now. */
  snapshot(audience: string): Promise<FeedSnapshot>;
}
