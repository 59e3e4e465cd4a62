/**
 * Tickets for relays, at the login server: a resource server asks with its secret and shows the ticket where it follows the
 * feed (`Ticket` in @mapae/verifier/revocation). Who may accept without a lease is remembered before the ticket is given,
 * so that a confirmation names it whatever relay it follows.
 */
import { type Ticket, ticketClaims } from "@mapae/verifier/revocation";
import { newId } from "../prelude/ids.ts";
import type { World } from "../prelude/world.ts";
import { isBefore, type Position, type RevocationKind } from "../revocation/entry.ts";
import { type Leases, TICKET_LIFE_MS } from "./leases.ts";
import type { Verifier } from "./verifiers.ts";

/** Signs as tokens are signed, under a type of its own. */
export type SignTicket = (claims: ReturnType<typeof ticketClaims>, exp: number) => Promise<string>;

export interface TicketWish {
  readonly verifier: Verifier;
  /** How long beyond its lease it may accept, in milliseconds. */
  readonly acceptMs: number;
  /** The id of its ticket before. */
  readonly instance: string | null;
}

export interface IssuedTicket {
  readonly ticket: string;
  readonly instance: string;
  readonly expiresIn: number;
  /** Milliseconds since 1970. */
  readonly serverTime: number;
}

export interface TicketParts {
  readonly issuer: string;
  readonly leases: Pick<Leases, "announce">;
  readonly head: () => Position;
  readonly sign: SignTicket;
  readonly world: World;
}

export async function issueTicket(
  { issuer: iss, leases, head, sign, world }: TicketParts,
  { verifier, acceptMs, instance }: TicketWish,
): Promise<IssuedTicket> {
  const { client, audience } = verifier;
  const made = newId("ticket", world.random);
  const id = acceptMs === 0 ? made : await leases.announce(instance, { id: made, client, acceptMs }, TICKET_LIFE_MS);
  // Read behind everything above: what a client's deletion kills was given before it.
  const position = head();
  const serverTime = world.clock.now();
  const iat = Math.floor(serverTime / 1000);
  const exp = iat + TICKET_LIFE_MS / 1000;
  const claims = ticketClaims({ iss, clientId: client, audience, id, acceptMs, position, iat, exp });
  return { ticket: await sign(claims, exp), instance: id, expiresIn: TICKET_LIFE_MS / 1000, serverTime };
}

/** How far the issuer's time may be off where a ticket is judged, in seconds: it may seem to be of the future, but not to be over. */
const TOLERANCE_SECONDS = 60;

/** The last entry of a kind and a value; undefined for none. */
export type LastEntry = (kind: RevocationKind, value: string) => Position | undefined;

/**
 * Whether a ticket whose signature held is good.
 * @param kid the key that verified it @param now the issuer's time, in Unix seconds
 */
export function isTicketGood(ticket: Ticket, kid: string, issuer: string, now: number, last: LastEntry): boolean {
  const { iss, clientId, exp, iat, position } = ticket;
  if (iss !== issuer || exp <= now || iat - TOLERANCE_SECONDS > now) return false;
  // A key is no key any more whenever that was said. An entry for everyone is about users, and no resource server is one.
  if (last("key", kid) !== undefined) return false;
  const deleted = last("client", clientId);
  return deleted === undefined || !isBefore(position, deleted);
}
