/**
 * Who may follow a relay: resource servers of the audience that it hears of itself, by their tickets. The issuer's keys and
 * the log say whether a ticket is good, so nobody is asked, and no secret is ever shown here.
 */
import { type IssuerKeys, readTicket, TICKET_TYP } from "@mapae/verifier/revocation";
import { isTicketGood } from "../feed/tickets.ts";
import type { Shown, Verifier, Verifiers } from "../feed/verifiers.ts";
import { Unavailable } from "../prelude/fault.ts";
import { asId } from "../prelude/ids.ts";
import type { Begun } from "./log.ts";

export interface RelayVerifiersParts {
  readonly issuer: string;
  readonly keys: Pick<IssuerKeys, "read">;
  readonly log: { readonly current: Begun | null };
  /** The issuer's time as far as it is known here, in Unix milliseconds. */
  readonly issuerTime: () => number;
}

export function createRelayVerifiers({ issuer, keys, log, issuerTime }: RelayVerifiersParts): Verifiers {
  const isGood = ({ ticket, kid }: Shown & { by: "ticket" }): boolean => {
    const { current } = log;
    return (
      ticket.audience === current?.audience &&
      isTicketGood(ticket, kid, issuer, issuerTime() / 1000, (kind, value) => current.dismissals.last(kind, value))
    );
  };
  return {
    authenticate: async (credentials): Promise<Verifier | null> => {
      if (!("ticket" in credentials)) return null;
      const signed = await keys.read(credentials.ticket, TICKET_TYP);
      if (signed === "keys_unavailable") throw new Unavailable("the issuer's keys cannot be had");
      if (log.current === null) throw new Unavailable("this relay has no snapshot yet");
      const ticket = signed === "forged" ? null : readTicket(signed.payload);
      if (signed === "forged" || ticket === null || signed.kid === null) return null;
      const shown = { by: "ticket", ticket, kid: signed.kid } as const;
      return isGood(shown) ? { client: asId("client", ticket.clientId), audience: ticket.audience, shown } : null;
    },
    stands: async ({ shown }) => shown.by === "ticket" && isGood(shown),
  };
}
