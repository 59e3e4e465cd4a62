/** Who may follow the feed: resource servers, by their id and secret, for as long as both stand. */
import { authenticates, type Client } from "../clients/client.ts";
import type { ClientStore } from "../clients/store.ts";
import { asId, type ClientId } from "../prelude/ids.ts";
import { sameBytes } from "../prelude/secret.ts";

export interface Verifier {
  readonly client: ClientId;
  /** What tokens for it carry as `aud`: all that it hears of single tokens. */
  readonly audience: string;
  /** The hash of the secret that it showed. */
  readonly secretHash: Buffer;
}

export interface Verifiers {
  /** `null` for anyone else; the same for an unknown id and a wrong secret. */
  authenticate(id: string, secret: string): Promise<Verifier | null>;
  /** Whether the credentials that it showed would be taken again. */
  stands(verifier: Verifier): Promise<boolean>;
}

/** @param audience the server's own, which a resource server has that names none */
export function createVerifiers(clients: ClientStore, audience: string): Verifiers {
  const verifierOf = (client: Client | undefined): Verifier | null =>
    client?.kind !== "resource_server" || client.secretHash === null
      ? null
      : { client: client.id, audience: client.audience ?? audience, secretHash: client.secretHash };
  return {
    authenticate: async (id, secret) => {
      const client = await clients.find(asId("client", id));
      return authenticates(client, secret) ? verifierOf(client) : null;
    },
    stands: async (verifier) => {
      const now = verifierOf(await clients.find(verifier.client));
      return now !== null && now.audience === verifier.audience && sameBytes(now.secretHash, verifier.secretHash);
    },
  };
}
