/** Making and deleting clients: what the admin API and the command line share. */
import type { Jwk } from "@mapae/verifier";
import { type Cause, draft } from "../audit/event.ts";
import {
  ACCOUNT_SCOPE,
  CLIENT_KINDS,
  type Client,
  type ClientKind,
  DEFAULT_CLIENT,
  newClientSecret,
} from "../clients/client.ts";
import { admitKeys } from "../clients/published-keys.ts";
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
  /** `null`: nothing is encrypted for it. */
  readonly jwks: readonly Jwk[] | null;
}

export type ClientCreated =
  | { readonly ok: true; readonly client: Client; readonly secret: Secret | null }
  | { readonly ok: false; readonly code: "client_id_taken" }
  | Invalid;

type Invalid = {
  readonly ok: false;
  readonly code: "validation_failed";
  readonly fault: { readonly pointer: string; readonly detail: string };
};

export type KeysPublished =
  | { readonly ok: true; readonly client: Client }
  | { readonly ok: false; readonly code: "not_found" }
  | Invalid;

export interface ClientAction {
  create(wish: NewClient, cause: Cause): Promise<ClientCreated>;
  /** Registers a resource server's keys, or forgets them with `null`; tokens that are out stay as they are. */
  publish(id: ClientId, jwks: readonly Jwk[] | null, cause: Cause): Promise<KeysPublished>;
  delete(id: ClientId, cause: Cause): Promise<"not_found" | "conflict" | null>;
}

const ALONE = "needs an audience that no other resource server has: a token is encrypted for one of them";

function refused(pointer: string, detail: string): Invalid {
  return { ok: false, code: "validation_failed", fault: { pointer, detail } };
}

/** @param own the audiences of this server itself: the ordinary one, and the admin API's */
export function createClientAction(
  clients: ClientStore,
  own: { readonly audience: string; readonly adminAudience: string },
  world: World,
): ClientAction {
  return {
    create: async (wish, cause) => {
      const kind = CLIENT_KINDS[wish.kind];
      if (wish.audience !== null && kind.signsIn) return refused("/audience", "is for resource servers only");
      // DESIGN: tokens of the admin audience are never sent to a resource server, so none may claim to be it.
      if (wish.audience === own.adminAudience) return refused("/audience", "is the admin API's own");
      // What every resource server may be sent cannot be encrypted for one of them.
      if (wish.jwks !== null && (wish.audience === null || wish.audience === own.audience)) {
        return refused("/jwks", "needs an audience of its own");
      }
      const admitted = wish.jwks === null ? null : await admitKeys(wish.jwks);
      if (admitted !== null && !admitted.ok) return refused("/jwks", admitted.detail);
      const issued = kind.public ? null : newClientSecret(world.random);
      const client: Client = {
        id: wish.id === null ? newId("client", world.random) : asId("client", wish.id),
        kind: wish.kind,
        name: wish.name,
        secretHash: issued?.hash ?? null,
        scope: wish.scope ?? (kind.signsIn ? [ACCOUNT_SCOPE] : []),
        audience: wish.audience,
        jwks: admitted?.keys ?? null,
        createdAt: world.clock.now(),
      };
      const effect = audit(draft("client.created", cause, { client: client.id }, { kind: client.kind }));
      const created = await clients.create(client, [effect]);
      if (created === "id_taken") return { ok: false, code: "client_id_taken" };
      if (created === "audience_encrypted") return refused(wish.jwks === null ? "/audience" : "/jwks", ALONE);
      return { ok: true, client, secret: issued?.secret ?? null };
    },
    publish: async (id, jwks, cause) => {
      const client = await clients.find(id);
      if (client === undefined) return { ok: false, code: "not_found" };
      if (jwks !== null && (client.audience === null || client.audience === own.audience)) {
        return refused("/jwks", "needs an audience of its own");
      }
      const admitted = jwks === null ? null : await admitKeys(jwks);
      if (admitted !== null && !admitted.ok) return refused("/jwks", admitted.detail);
      const keys = admitted?.keys ?? null;
      if (keys === null && client.jwks === null) return { ok: true, client };
      const detail = { keys: keys?.length ?? 0, kids: keys?.map(({ kid = "" }) => kid).join(" ") ?? "" };
      const effect = audit(draft("client.keys_changed", cause, { client: id }, detail));
      const outcome = await clients.publish(id, keys, [effect]);
      if (outcome === "not_found") return { ok: false, code: "not_found" };
      if (outcome !== "done") return refused("/jwks", ALONE);
      return { ok: true, client: { ...client, jwks: keys } };
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
