/** What the audit log asks of storage. */
import type { Page, PageRequest } from "../prelude/page.ts";
import type { AuditDraft, AuditEvent, AuditEventName } from "./event.ts";

export interface AuditFilter {
  readonly user?: string;
  readonly name?: AuditEventName;
}

export interface AuditStore {
  /** Writes events that no other transition carries (e.g. a refused log-in). */
  append(events: readonly AuditDraft[]): Promise<void>;
  /** Newest first. */
  list(filter: AuditFilter, page: PageRequest): Promise<Page<AuditEvent>>;
  /** Removes events older than a time (Unix milliseconds); returns how many. */
  prune(before: number): Promise<number>;
}
