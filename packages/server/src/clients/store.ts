/** What clients ask of storage. */
import type { ClientId } from "../prelude/ids.ts";
import type { Page, PageRequest } from "../prelude/page.ts";
import type { Effect } from "../revocation/effects.ts";
import type { EndReason } from "../revocation/entry.ts";
import type { Client } from "./client.ts";

export interface ClientStore {
  create(client: Client, effects: readonly Effect[]): Promise<"created" | "id_taken">;
  find(id: ClientId): Promise<Client | undefined>;
  list(page: PageRequest): Promise<Page<Client>>;
  /** The audiences of all resource servers: what a token may be asked for. */
  audiences(): Promise<readonly string[]>;
  /** Ends its grants and applies the effects; the client stays. `false` where there is none. */
  endGrants(id: ClientId, reason: EndReason, effects: readonly Effect[]): Promise<boolean>;
  /** Deletes the client, ends its grants, applies the effects. `false` where there is none. */
  delete(id: ClientId, effects: readonly Effect[]): Promise<boolean>;
}
