/** Who may follow the feed: resource servers, by their id and secret or by a ticket, for as long as both stand. */
import type { Credentials, Ticket } from "@mapae/verifier/revocation";
import { authenticates, type Client } from "../clients/client.ts";
import type { ClientStore } from "../clients/store.ts";
import { asId, type ClientId } from "../prelude/ids.ts";
import { sameBytes } from "../prelude/secret.ts";

export interface Verifier {
  readonly client: ClientId;
  /** What tokens for it carry as `aud`: all that it hears of single tokens. */
  readonly audience: string;
  /** What it showed. */
  readonly shown: Shown;
}

export type Shown =
  | { readonly by: "secret"; readonly hash: Buffer }
  | { readonly by: "ticket"; readonly ticket: Ticket; readonly kid: string };

export interface Verifiers {
  /** `null` for anyone else; the same for an unknown id and a wrong secret. */
  authenticate(credentials: Credentials): Promise<Verifier | null>;
  /** Whether what it showed would be taken again. */
  stands(verifier: Verifier): Promise<boolean>;
}

/** Reads a ticket and judges it as it is now; `null` for what is none, or none any more. */
export interface TicketJudge {
  read(ticket: string): Promise<(Shown & { by: "ticket" }) | null>;
  stands(shown: Shown & { by: "ticket" }): boolean;
}

/**
 * @param audience the server's own, which a resource server has that names none
 * @param tickets `null`: none are taken
 */
export function createVerifiers(clients: ClientStore, audience: string, tickets: TicketJudge | null = null): Verifiers {
  const audienceOf = (client: Client): string => client.audience ?? audience;
  const isTheirs = (client: Client | undefined, { ticket }: Shown & { by: "ticket" }): client is Client =>
    client?.kind === "resource_server" &&
    client.secretHash !== null &&
    audienceOf(client) === ticket.audience &&
    // One of that id which was made later is another.
    client.createdAt < (ticket.iat + 1) * 1000;
  return {
    authenticate: async (credentials) => {
      if ("ticket" in credentials) {
        const shown = (await tickets?.read(credentials.ticket)) ?? null;
        const client = shown === null ? undefined : await clients.find(asId("client", shown.ticket.clientId));
        return shown !== null && isTheirs(client, shown)
          ? { client: client.id, audience: shown.ticket.audience, shown }
          : null;
      }
      const client = await clients.find(asId("client", credentials.clientId));
      if (!authenticates(client, credentials.clientSecret)) return null;
      if (client?.kind !== "resource_server" || client.secretHash === null) return null;
      return { client: client.id, audience: audienceOf(client), shown: { by: "secret", hash: client.secretHash } };
    },
    stands: async ({ client: id, audience: heard, shown }) => {
      const client = await clients.find(id);
      if (shown.by === "ticket") return isTheirs(client, shown) && (tickets?.stands(shown) ?? false);
      if (client?.kind !== "resource_server" || client.secretHash === null) return false;
      return audienceOf(client) === heard && sameBytes(client.secretHash, shown.hash);
    },
  };
}

/** Equal for those who showed the same. */
export function nameOfShown({ client, shown }: Verifier): string {
  return `${client} ${shown.by === "secret" ? shown.hash.toString("hex") : `${shown.ticket.id} ${shown.ticket.exp}`}`;
}

/** Whether its owner may let it accept without a lease for so long: with a ticket, no longer than the issuer was told. */
export function mayAccept({ shown }: Verifier, acceptMs: number): boolean {
  return shown.by === "secret" || acceptMs <= shown.ticket.acceptMs;
}

/** The id in its ticket, where the issuer remembers it by that for what it may accept without a lease. */
export function unboundTicket({ shown }: Verifier, acceptMs: number): { readonly ticket?: string } {
  return shown.by === "ticket" && acceptMs > 0 ? { ticket: shown.ticket.id } : {};
}
