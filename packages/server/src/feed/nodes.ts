/**
 * What the feed asks of storage where several nodes serve one log: who else may have given leases, and what they say of
 * their verifiers. Each node has a row of its own that only nodes can write; what wakes them is a hint, and may be lost.
 */
import type { NodeId } from "../prelude/ids.ts";
import type { Position } from "../revocation/entry.ts";
import type { Tally } from "./confirm.ts";

/** What a node says of its own verifiers. */
export interface Word {
  /** Up to here none of them can accept what was taken back: they applied it, or hold no lease of its any more. */
  readonly settled: Position;
  /** Who had acknowledged what when it last looked, and who had not. */
  readonly tally: Tally & { readonly position: Position };
}

export interface OtherNode {
  readonly id: NodeId;
  /** The longest lease that it gives, in milliseconds. */
  readonly leaseMs: number;
  /** Leases that it gave may be running: it read the head less than the longest of them ago. */
  readonly counts: boolean;
  /** `null`: it never said anything. */
  readonly word: Word | null;
}

export interface Nodes {
  /** A failover of the store may undo what it has committed: who follows it is not waited for. */
  readonly undoable: boolean;
  /** Before the first lease of this length is given. @param leaseMs milliseconds */
  declare(leaseMs: number): Promise<void>;
  /**
   * Every other node, read now or later. Who is not named, or comes back under another name, gives leases only on heads that
   * have everything that was committed before this was called.
   */
  roll(): Promise<readonly OtherNode[]>;
  /** Asks all others to say so once their verifiers have a position. */
  ask(position: Position): Promise<void>;
  onAsked(listener: (position: Position) => void): void;
  say(word: Word): Promise<void>;
  /** Called when one of them has said something. */
  onWord(listener: () => void): void;
  /** Leases given here may run when this process is gone: its row stays until they have ended. */
  keep(): void;
}
