/**
 * A storage driver: every port of the capabilities, over one engine. The contract suite (storage/contract/) says what
 * each must do, and runs on every driver.
 */
import type { AuditStore } from "../audit/store.ts";
import type { ClientStore } from "../clients/store.ts";
import type { Nodes } from "../feed/nodes.ts";
import type { FeedStore } from "../feed/store.ts";
import type { ElsewhereStore } from "../grants/elsewhere.ts";
import type { GrantStore } from "../grants/store.ts";
import type { KeyStore } from "../keys/store.ts";
import type { RevocationStore } from "../revocation/store.ts";
import type { SessionStore } from "../sessions/store.ts";
import type { ReceiverStore } from "../ssf/receiver-store.ts";
import type { StreamStore } from "../ssf/store.ts";
import type { StatusStore } from "../status/store.ts";
import type { ThrottleStore } from "../throttle/store.ts";
import type { UserStore } from "../users/store.ts";
import type { VaultStore } from "../vault/store.ts";
import type { WebhookStore } from "../webhooks/store.ts";

/** Told how many of how many bytes are written. */
export type BackupProgress = (done: number, total: number) => void;

/** Writes a consistent copy, without the secrets, to a file that must not exist yet. */
export type Backup = (
  to: string,
  progress?: BackupProgress,
) => Promise<
  | { readonly ok: true; readonly bytes: number }
  | { readonly ok: false; readonly refusal: "exists" | "failed" /** One line. */; readonly message: string }
>;

/** What an operator reads at the start. */
export interface Nature {
  /** Where the data is, without a password. */
  readonly says: string;
  /** What is weaker there than one might think, one line each. */
  readonly warnings: readonly string[];
  /** Whether other processes may serve the same data. */
  readonly shared: boolean;
}

/** What one process does for all that serve the same data: deliver webhooks, forget what is over. */
export interface Duty {
  /** Whether it is this process's now. */
  readonly held: boolean;
  /** Called when there may be something to do: the duty came or went, or another process left work behind. */
  onCall(listener: () => void): void;
}

/** Where one process serves the data. */
export const ALONE: Duty = { held: true, onCall: () => {} };

export interface Storage {
  readonly nature: Nature;
  readonly vault: VaultStore;
  readonly keys: KeyStore;
  readonly revocation: RevocationStore;
  readonly feed: FeedStore;
  readonly status: StatusStore;
  readonly webhooks: WebhookStore;
  readonly streams: StreamStore;
  readonly receivers: ReceiverStore;
  readonly audit: AuditStore;
  readonly users: UserStore;
  readonly clients: ClientStore;
  readonly sessions: SessionStore;
  readonly grants: GrantStore;
  readonly elsewhere: ElsewhereStore;
  /** Called when a key of any kind was changed, by this process or another: what is held of them in memory is old. */
  onKeys(listener: () => void): void;
  readonly duty: Duty;
  /** Who else serves the same data; `null`: nobody can. */
  readonly nodes: Nodes | null;
  /** Counters of limits that all nodes share; `null`: each node counts for itself. */
  readonly throttle: ThrottleStore | null;
  /** Makes a copy while serving; `null` where there is nothing to copy or the engine has tools of its own. */
  readonly backup: Backup | null;
  /** Whether the engine answers now: a read and, where it can be had cheaply, a write. Throws `Unavailable`. */
  check(): Promise<void>;
  /** Waits for what is under way and lets go of the engine. */
  close(): Promise<void>;
}
