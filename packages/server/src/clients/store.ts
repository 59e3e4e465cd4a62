/** What clients ask of storage. */
import type { ClientId } from "../prelude/ids.ts";
import type { Page, PageRequest } from "../prelude/page.ts";
import type { Effect } from "../revocation/effects.ts";
import type { EndReason } from "../revocation/entry.ts";
import type { Client } from "./client.ts";
import type { PublishedKeys } from "./published-keys.ts";

/** `audience_shared`: others are meant by its audience too. `no_audience`: it has none of its own. */
export type PublishOutcome = "done" | "not_found" | "no_audience" | "audience_shared";

export interface ClientStore {
  /** `audience_encrypted`: see `mayShare`. */
  create(client: Client, effects: readonly Effect[]): Promise<"created" | "id_taken" | "audience_encrypted">;
  find(id: ClientId): Promise<Client | undefined>;
  list(page: PageRequest): Promise<Page<Client>>;
  /** The audiences of all resource servers: what a token may be asked for. */
  audiences(): Promise<readonly string[]>;
  /** The keys that tokens for an audience are encrypted for; `undefined`: no resource server has this audience. */
  keysFor(audience: string): Promise<PublishedKeys | null | undefined>;
  /** Registers or forgets a client's keys. */
  publish(id: ClientId, keys: PublishedKeys | null, effects: readonly Effect[]): Promise<PublishOutcome>;
  /** Ends its grants and applies the effects; the client stays. `false` where there is none. */
  endGrants(id: ClientId, reason: EndReason, effects: readonly Effect[]): Promise<boolean>;
  /** Deletes the client, ends its grants, applies the effects. `false` where there is none. */
  delete(id: ClientId, effects: readonly Effect[]): Promise<boolean>;
}
