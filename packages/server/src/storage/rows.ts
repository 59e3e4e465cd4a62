/**
 * What the steps (steps.ts) and the ports (ports.ts) ask of an engine: plain rows, no decisions, answered at once. Maps and
 * SQLite are such engines; over a network a step is run again until no answer is missing (postgres/replay.ts).
 *
 *   port ──read──► Reads                       any thread that can see the data
 *   port ──write─► a step over Rows            inside one atomic step of the one writer
 */
import type { AuditDraft, AuditEvent } from "../audit/event.ts";
import type { AuditFilter } from "../audit/store.ts";
import type { Client } from "../clients/client.ts";
import type { Instance } from "../feed/registry.ts";
import type { Grant } from "../grants/grant.ts";
import type { SigningKeyRecord } from "../keys/signing-key.ts";
import type { ClientId, GrantId, SessionId, UserId, WebhookId } from "../prelude/ids.ts";
import type { EndReason, Position, RevocationEntry, RevocationKind } from "../revocation/entry.ts";
import type { Session } from "../sessions/session.ts";
import type { SessionFilter } from "../sessions/store.ts";
import type { InvalidSlot, Slot, SlotHolder, StatusList } from "../status/slot.ts";
import type { UserFilter } from "../users/store.ts";
import type { User } from "../users/user.ts";
import type { WrappedKey } from "../vault/store.ts";
import type { PastAttempt } from "../webhooks/attempt.ts";
import type { QueuedEntry, Webhook } from "../webhooks/webhook.ts";
import type { ReceiverReads, ReceiverRows } from "./receiver-rows.ts";
import type { SsfReads, SsfRows } from "./ssf-rows.ts";

/** The sort key after which a page begins. */
export interface After {
  readonly at: number;
  readonly id: string;
}

/** When and why something ended. */
export interface Ended {
  readonly at: number;
  readonly reason: EndReason;
}

/** A grant with what it hangs under. */
export interface Held {
  readonly grant: Grant;
  readonly session: Session;
  readonly user: User;
}

export interface Reads {
  dataKeys(): readonly WrappedKey[];
  /** Keys that are not gone, oldest first, and the version of the set. */
  keySet(): { readonly version: number; readonly keys: readonly SigningKeyRecord[] };
  user(id: UserId): User | undefined;
  userByKey(identifierKey: string): User | undefined;
  /** By creation, then id. */
  users(filter: UserFilter, after: After | null, limit: number): readonly User[];
  client(id: ClientId): Client | undefined;
  /** By creation, then id. */
  clients(after: After | null, limit: number): readonly Client[];
  /** The distinct audiences of resource servers. */
  audiences(): readonly string[];
  /** The resource servers that are meant by an audience. */
  clientsOf(audience: string): readonly Client[];
  session(id: SessionId): Session | undefined;
  /** The grant of a refresh token. */
  held(secretId: Buffer): Held | undefined;
  /** The grant of a public id. */
  heldById(id: GrantId): Held | undefined;
  /** The user's sessions that nothing has ended, newest first; their time may have run out. */
  unended(user: UserId): readonly Session[];
  /** Newest first, then by id downwards. */
  sessions(filter: SessionFilter, now: number, after: After | null, limit: number): readonly Session[];
  entries(after: Position, limit: number): readonly RevocationEntry[];
  entryCounts(): Partial<Record<RevocationKind, number>>;
  /** See FeedStore. */
  leaseMs(): number | null;
  unbound(): readonly Instance[];
  /** See ElsewhereStore. */
  installation(): string;
  sessionsUntil(): number;
  /** Newest first. */
  events(filter: AuditFilter, before: number | null, limit: number): readonly AuditEvent[];
  readonly webhooks: WebhookReads;
  readonly ssf: SsfReads;
  readonly receivers: ReceiverReads;
  readonly status: StatusReads;
}

export interface StatusReads {
  /** Oldest first. */
  lists(): readonly StatusList[];
  /** See StatusStore. */
  invalid(after: InvalidSlot, limit: number): readonly InvalidSlot[];
}

/** By what of its holder a slot is found. */
export type HolderKind = keyof SlotHolder;

export interface StatusRows extends StatusReads {
  any(): boolean;
  list(id: number): StatusList | undefined;
  /** With the highest number. */
  newest(): StatusList | undefined;
  putList(list: StatusList): void;
  /** The grant's slot in the newest of its lists, if it is not invalid. */
  slotOf(grant: GrantId): Slot | undefined;
  addSlot(slot: Slot, of: SlotHolder): void;
  /** Makes a slot invalid for an entry, if there is such a slot and it is not yet. */
  invalidateSlot(slot: Slot, by: Position): void;
  /** Makes invalid every slot of the grants of a session, a user, a client, or of one grant. */
  invalidateHeld(kind: HolderKind, id: string, by: Position): void;
  /** Makes all that there are void. */
  voidLists(): void;
  /** Removes up to `limit` slots of lists that were opened before a time, and the lists with their last; returns how many slots. */
  removeLists(openedBefore: number, limit: number): number;
}

export interface WebhookReads {
  /** Oldest first. */
  all(): readonly Webhook[];
  find(id: WebhookId): Webhook | undefined;
  /** Oldest first. */
  queued(after: Position, limit: number): readonly QueuedEntry[];
  /** Newest first. */
  attempts(id: WebhookId, limit: number): readonly PastAttempt[];
}

export interface WebhookRows extends WebhookReads {
  any(): boolean;
  put(webhook: Webhook): void;
  /** With its attempts. */
  remove(id: WebhookId): void;
  enqueue(entry: QueuedEntry): void;
  /** Empties the queue. */
  clear(): void;
  /** The oldest of the queue from before a time or up to a position. */
  outdated(before: number, upTo: Position, limit: number): readonly QueuedEntry[];
  /** Removes what is queued up to a position, itself included. */
  dequeue(upTo: Position): void;
  /** Remembers an attempt, and forgets all but the last `ATTEMPTS_KEPT` of the webhook. */
  addAttempt(id: WebhookId, attempt: Omit<PastAttempt, "id">): void;
}

export interface Rows extends Reads {
  readonly webhooks: WebhookRows;
  readonly ssf: SsfRows;
  readonly receivers: ReceiverRows;
  readonly status: StatusRows;
  /** Writes something that changes nothing. */
  touch(): void;
  /** The position of the last entry as this step sees it. */
  position(): Position;
  /** Every position from now on is of this epoch, from 0 on. */
  beginEpoch(epoch: number): void;
  /** Appends the entry at the next position; it is kept until then (Unix seconds, `entryKept`). */
  addEntry(entry: Omit<RevocationEntry, keyof Position>, keptUntil: number): void;
  raiseSessionsUntil(exp: number): void;
  isTokenRevoked(jti: string): boolean;
  /** How many entries of single tokens name a grant. */
  tokenEntriesOf(grant: GrantId): number;
  removeTokenEntriesOf(grant: GrantId): void;
  /** Whether there is such a grant, and it has ended by itself; not whether its session has. */
  isGrantEnded(grant: GrantId): boolean;
  /**
   * Removes up to `limit` entries that `isForgettable` (revocation/expiry.ts), or that the last entry for everyone covers
   * (`isCovered`); returns how many.
   */
  removeEntries(now: number, limit: number): number;
  /** The highest `exp` of any token that any key ever signed, in Unix seconds; 0 where none did. */
  highestExp(): number;
  addEvent(event: AuditDraft, at: number): void;
  /** Removes up to `limit` events from before a time; returns how many. */
  removeEvents(before: number, limit: number): number;

  setLeaseMs(ms: number): void;
  addUnbound(instance: Instance): void;
  removeUnbound(id: string): void;

  hasDataKey(id: number): boolean;
  putDataKey(key: WrappedKey): void;
  removeDataKey(id: number): void;
  putKey(key: SigningKeyRecord): void;
  /** Moves the version of the key set on by one. */
  bumpKeySet(): void;
  raiseMark(kid: string, exp: number): void;

  addUser(user: User): void;
  replaceUser(user: User): void;
  addClient(client: Client): void;
  replaceClient(client: Client): void;
  removeClient(id: ClientId): void;
  addSession(session: Session): void;
  /** Marks one session that nothing has ended yet. */
  endSession(id: SessionId, ended: Ended): void;
  /** Marks every session that nothing has ended: with `reason` what is live, as `expired` what is not. Returns how many. */
  endAllSessions(reason: EndReason, now: number): number;
  /** Up to `limit` sessions that nothing has ended and whose time may have run out: all of those whose time has. */
  dueSessions(now: number, limit: number): readonly Session[];
  /** A due session turned out to live: it is not due before its time as it is now. */
  postponeSession(session: Session): void;
  /** Removes up to `limit` sessions that ended before a time, with their grants; returns how many. */
  removeSessions(endedBefore: number, limit: number): number;
  addGrant(grant: Grant): void;
  /** Writes what a refresh changes of a grant. */
  replaceGrant(grant: Grant): void;
  /** Marks one grant; `false` where it had ended, or there is none. */
  endGrant(id: GrantId, ended: Ended): boolean;
  /** Marks a client's grants. */
  endGrantsOf(client: ClientId, ended: Ended): void;
}
