/** What users ask of storage. */
import type { Cause } from "../audit/event.ts";
import type { UserId } from "../prelude/ids.ts";
import type { Page, PageRequest } from "../prelude/page.ts";
import type { Effect } from "../revocation/effects.ts";
import type { ChangeRefusal, User, UserChange, UserState } from "./user.ts";

export interface UserFilter {
  readonly state?: UserState;
  /** Matches users whose normalised identifier begins with this. */
  readonly startsWith?: string;
}

export interface UserStore {
  /** Adds a user. Of any number of parallel calls with one `identifierKey`, one succeeds. */
  create(user: User, effects: readonly Effect[]): Promise<"created" | "identifier_taken">;
  find(id: UserId): Promise<User | undefined>;
  findByIdentifier(identifierKey: string): Promise<User | undefined>;
  /** Reads the user, decides (user.ts), writes user and effects: one atomic step. */
  change(
    id: UserId,
    wish: UserChange,
    cause: Cause,
  ): Promise<{ ok: true; user: User } | { ok: false; refusal: ChangeRefusal }>;
  /** Oldest first, deleted ones only where the filter asks for them. */
  list(filter: UserFilter, page: PageRequest): Promise<Page<User>>;
}
