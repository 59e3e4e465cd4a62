/**
 * A ticket: what a resource server shows at a relay in place of its secret. The issuer signs it for a few minutes; a relay
 * checks it with the issuer's keys and the log alone, and can do nothing with it but what its owner asked for.
 *
 *   resource server ──secret──► issuer ──ticket──► resource server ──ticket──► relay
 *
 * It carries the position of the log at which it was made: deleting the resource server, or revoking the key that signed,
 * kills it as it kills tokens.
 */
import type { JsonObject } from "../jose/json.ts";
import { isCount, type Position } from "./position.ts";

/** `typ` of a ticket's header. */
export const TICKET_TYP = "revocation-ticket+jwt";
/** Where a resource server gets one, with its id and secret. */
export const TICKET_PATH = "/v1/revocations/tickets";

export interface Ticket {
  readonly iss: string;
  /** The resource server. */
  readonly clientId: string;
  /** Whose single tokens it hears of: what tokens for it carry as `aud`. */
  readonly audience: string;
  /** The verifier process that may accept without a lease, as the issuer counts it; else a number used once. */
  readonly id: string;
  /** For how long beyond its lease its owner lets it accept, in milliseconds, at most. */
  readonly acceptMs: number;
  /** The head of the log when it was made. */
  readonly position: Position;
  /** Seconds since 1970. */
  readonly iat: number;
  readonly exp: number;
}

/** The payload to sign, as JSON members. */
export function ticketClaims({ iss, clientId, audience, id, acceptMs, position, iat, exp }: Ticket): JsonObject {
  const rsq = [position.epoch, position.seq];
  return { iss, client_id: clientId, audience, jti: id, accept_ms: acceptMs, rsq, iat, exp };
}

/** Reads a payload whose signature held; null for what is no ticket. */
export function readTicket(payload: JsonObject): Ticket | null {
  const { iss, client_id: clientId, audience, jti: id, accept_ms: acceptMs, rsq, iat, exp } = payload;
  if (typeof iss !== "string" || typeof clientId !== "string" || typeof audience !== "string") return null;
  if (typeof id !== "string" || !isCount(acceptMs) || !isCount(iat) || !isCount(exp)) return null;
  const [epoch, seq, ...more]: readonly unknown[] = Array.isArray(rsq) ? rsq : [];
  if (!isCount(epoch) || !isCount(seq) || more.length > 0) return null;
  return { iss, clientId, audience, id, acceptMs, position: { epoch, seq }, iat, exp };
}
