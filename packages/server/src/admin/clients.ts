/** Making and deleting clients: what the admin API and the command line share. */
import { type Cause, draft } from "../audit/event.ts";
import {
  ACCOUNT_SCOPE,
  CLIENT_KINDS,
  type Client,
  type ClientKind,
  DEFAULT_CLIENT,
  newClientSecret,
} from "../clients/client.ts";
import type { ClientStore } from "../clients/store.ts";
import { asId, type ClientId, newId } from "../prelude/ids.ts";
import type { Secret } from "../prelude/secret.ts";
import type { World } from "../prelude/world.ts";
import { audit } from "../revocation/effects.ts";

export interface NewClient {
  /** `null`: one is made. */
  readonly id: string | null;
  readonly kind: ClientKind;
  readonly name: string;
  /** `null`: the account scope for an app, none for a resource server. */
  readonly scope: readonly string[] | null;
  readonly audience: string | null;
}

export type ClientCreated =
  | { readonly ok: true; readonly client: Client; readonly secret: Secret | null }
  | { readonly ok: false; readonly code: "client_id_taken" }
  | { readonly ok: false; readonly code: "validation_failed"; readonly fault: { pointer: string; detail: string } };

export interface ClientAction {
  create(wish: NewClient, cause: Cause): Promise<ClientCreated>;
  delete(id: ClientId, cause: Cause): Promise<"not_found" | "conflict" | null>;
}

export function createClientAction(clients: ClientStore, adminAudience: string, world: World): ClientAction {
  return {
    create: async (wish, cause) => {
      const kind = CLIENT_KINDS[wish.kind];
      const refused = (pointer: string, detail: string): ClientCreated => ({
        ok: false,
        code: "validation_failed",
        fault: { pointer, detail },
      });
      if (wish.audience !== null && kind.signsIn) return refused("/audience", "is for resource servers only");
      // DESIGN: tokens of the admin audience are never sent to a resource server, so none may claim to be it.
      if (wish.audience === adminAudience) return refused("/audience", "is the admin API's own");
      const issued = kind.public ? null : newClientSecret(world.random);
      const client: Client = {
        id: wish.id === null ? newId("client", world.random) : asId("client", wish.id),
        kind: wish.kind,
        name: wish.name,
        secretHash: issued?.hash ?? null,
        scope: wish.scope ?? (kind.signsIn ? [ACCOUNT_SCOPE] : []),
        audience: wish.audience,
        createdAt: world.clock.now(),
      };
      const effect = audit(draft("client.created", cause, { client: client.id }, { kind: client.kind }));
      const created = await clients.create(client, [effect]);
      if (created === "id_taken") return { ok: false, code: "client_id_taken" };
      return { ok: true, client, secret: issued?.secret ?? null };
    },
    delete: async (id, cause) => {
      if (id === DEFAULT_CLIENT) return "conflict";
      const deleted = await clients.delete(id, [
        { effect: "revoke", kind: "client", value: id, reason: "client_deleted" },
        audit(draft("client.deleted", cause, { client: id })),
      ]);
      return deleted ? null : "not_found";
    },
  };
}
