/**
 * The log, the audit, and what the feed remembers, as lists: the part of the rows (maps.ts) that only grows and is swept.
 */
import type { AuditDraft, AuditEvent } from "../../audit/event.ts";
import type { AuditFilter } from "../../audit/store.ts";
import type { Instance } from "../../feed/registry.ts";
import type { GrantId } from "../../prelude/ids.ts";
import { isBefore, type Position, type RevocationEntry, type RevocationKind } from "../../revocation/entry.ts";
import { isCovered, isForgettable } from "../../revocation/expiry.ts";
import { ReceiverMaps } from "./receiver-maps.ts";
import { SessionMaps } from "./session-maps.ts";
import { SsfMaps } from "./ssf-maps.ts";
import { WebhookMaps } from "./webhook-maps.ts";

export abstract class LogMaps extends SessionMaps {
  readonly webhooks = new WebhookMaps();
  readonly ssf = new SsfMaps(() => this.#epoch);
  readonly receivers = new ReceiverMaps();
  #epoch: number;
  #seq = 0;
  #log: RevocationEntry[] = [];
  /** Until when, where that is later than the entry's own `expires`. */
  readonly #keptUntil = new Map<RevocationEntry, number>();
  #fresh: RevocationEntry[] = [];
  #events: AuditEvent[] = [];
  #eventId = 0;
  #leaseMs: number | null = null;
  #installation: string;
  #sessionsUntil = 0;
  readonly #unbound = new Map<string, Instance>();

  /**
   * @param epoch of the log that begins empty here
   * @param installation see ElsewhereStore
   */
  constructor(epoch: number, installation = "in memory") {
    super();
    this.#epoch = epoch;
    this.#installation = installation;
  }

  /** Whether a record of the key exists that is not gone. */
  protected abstract isKeyKnown(kid: string): boolean;

  /** Rows are replaced and never changed in place, so that sharing them is a copy. */
  protected copyLogFrom(other: LogMaps): void {
    this.#epoch = other.#epoch;
    this.#seq = other.#seq;
    this.#log = [...other.#log];
    for (const [entry, until] of other.#keptUntil) this.#keptUntil.set(entry, until);
    this.#events = [...other.#events];
    this.#eventId = other.#eventId;
    this.#leaseMs = other.#leaseMs;
    this.#installation = other.#installation;
    this.#sessionsUntil = other.#sessionsUntil;
    this.webhooks.copyFrom(other.webhooks);
    this.ssf.copyFrom(other.ssf);
    this.receivers.copyFrom(other.receivers);
    for (const [id, instance] of other.#unbound) this.#unbound.set(id, instance);
  }

  beginEpoch(epoch: number): void {
    this.#epoch = epoch;
    this.#seq = 0;
  }

  touch(): void {}

  /** The entries appended since the last call. */
  takeFresh(): readonly RevocationEntry[] {
    return this.#fresh.splice(0);
  }

  position(): Position {
    return { epoch: this.#epoch, seq: this.#seq };
  }

  addEntry(entry: Omit<RevocationEntry, keyof Position>, keptUntil: number): void {
    this.#seq += 1;
    const placed = { epoch: this.#epoch, seq: this.#seq, ...entry };
    this.#log.push(placed);
    if (keptUntil > entry.expires) this.#keptUntil.set(placed, keptUntil);
    this.#fresh.push(placed);
  }

  entries(after: Position, limit: number): readonly RevocationEntry[] {
    return this.#log.filter((entry) => isBefore(after, entry)).slice(0, limit);
  }

  entryCounts(): Partial<Record<RevocationKind, number>> {
    const counts: Partial<Record<RevocationKind, number>> = {};
    for (const { kind } of this.#log) counts[kind] = (counts[kind] ?? 0) + 1;
    return counts;
  }

  removeEntries(now: number, limit: number): number {
    const all = this.#log.findLast(({ kind }) => kind === "all") ?? null;
    const before = this.#log.length;
    let left = limit;
    this.#log = this.#log.filter((entry) => {
      const { kind, value, expires } = entry;
      const until = this.#keptUntil.get(entry) ?? expires;
      const goes = left > 0 && (isForgettable(kind, until, this.isKeyKnown(value), now) || isCovered(entry, all));
      if (!goes) return true;
      left -= 1;
      this.#keptUntil.delete(entry);
      return false;
    });
    return before - this.#log.length;
  }

  installation(): string {
    return this.#installation;
  }

  sessionsUntil(): number {
    return this.#sessionsUntil;
  }

  raiseSessionsUntil(exp: number): void {
    this.#sessionsUntil = Math.max(this.#sessionsUntil, exp);
  }

  isTokenRevoked(jti: string): boolean {
    return this.#log.some(({ kind, value }) => kind === "token" && value === jti);
  }

  tokenEntriesOf(grant: GrantId): number {
    return this.#log.filter((entry) => entry.grant === grant).length;
  }

  removeTokenEntriesOf(grant: GrantId): void {
    this.#log = this.#log.filter((entry) => entry.grant !== grant);
  }

  // The feed

  leaseMs(): number | null {
    return this.#leaseMs;
  }

  setLeaseMs(ms: number): void {
    this.#leaseMs = ms;
  }

  unbound(): readonly Instance[] {
    return [...this.#unbound.values()];
  }

  addUnbound(instance: Instance): void {
    this.#unbound.set(instance.id, instance);
  }

  removeUnbound(id: string): void {
    this.#unbound.delete(id);
  }

  addEvent(event: AuditDraft, at: number): void {
    this.#eventId += 1;
    this.#events.push({ ...event, id: this.#eventId, at });
  }

  events(filter: AuditFilter, before: number | null, limit: number): readonly AuditEvent[] {
    return this.#events
      .filter(
        (event) =>
          (before === null || event.id < before) &&
          (filter.user === undefined || event.user === filter.user) &&
          (filter.name === undefined || event.name === filter.name),
      )
      .slice(-limit)
      .reverse();
  }

  removeEvents(before: number, limit: number): number {
    const count = this.#events.length;
    let left = limit;
    this.#events = this.#events.filter(({ at }) => at >= before || left-- <= 0);
    return count - this.#events.length;
  }
}
