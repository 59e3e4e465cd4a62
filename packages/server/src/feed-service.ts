/** What the feed needs of the rest of the server: the keys that sign and judge, and a log line for what it notices. */

import { checkSignature, decodePayload, parseJsonObject, parseJws, signJws } from "@mapae/verifier/jose";
import { CHECKPOINT_TYP, checkpointClaims, readTicket, TICKET_TYP } from "@mapae/verifier/revocation";
import type { Logger } from "pino";
import type { FeedNotice, FeedSigner } from "./feed/feed.ts";
import { isTicketGood } from "./feed/tickets.ts";
import type { TicketJudge } from "./feed/verifiers.ts";
import type { Keyring } from "./keys/keyring.ts";
import type { Clock } from "./prelude/world.ts";
import type { LiveSet } from "./revocation/live-set.ts";

/** Signs as tokens are signed, under types of their own, so that none can be taken for another (RFC 8725 §3.11). */
export function createFeedSigner(keyring: Keyring, iss: string): FeedSigner {
  return {
    checkpoint: async (statement) => {
      const key = await keyring.signer(statement.iat);
      return signJws({ typ: CHECKPOINT_TYP }, checkpointClaims({ iss, ...statement }), key);
    },
    ticket: async (claims, exp) => signJws({ typ: TICKET_TYP }, claims, await keyring.signer(exp)),
    // Whether the key that signed is still one that verifies.
    holds: (checkpoint) => {
      const jws = parseJws(checkpoint);
      return jws.ok && keyring.find(jws.header.kid) !== undefined;
    },
  };
}

/** Judges tickets where they were signed: by the keyring and the log in memory. */
export function createTicketJudge(
  { keyring, live, clock }: { readonly keyring: Keyring; readonly live: LiveSet; readonly clock: Clock },
  issuer: string,
): TicketJudge {
  const stands: TicketJudge["stands"] = ({ ticket, kid }) =>
    keyring.find(kid) !== undefined &&
    isTicketGood(ticket, kid, issuer, clock.now() / 1000, (kind, value) => live.last(kind, value));
  return {
    stands,
    read: async (text) => {
      const jws = parseJws(text);
      const key = jws.ok ? keyring.find(jws.header.kid) : undefined;
      if (!jws.ok || key === undefined || jws.header.mediaType !== TICKET_TYP) return null;
      if (checkSignature(jws, key) !== null) return null;
      const octets = decodePayload(jws);
      const payload = octets === null ? null : parseJsonObject(octets);
      const ticket = payload === null ? null : readTicket(payload);
      const shown = ticket === null ? null : ({ by: "ticket", ticket, kid: jws.header.kid ?? "" } as const);
      return shown !== null && stands(shown) ? shown : null;
    },
  };
}

export function logNotice(logger: Logger, notice: FeedNotice): void {
  switch (notice.kind) {
    case "slow_verifiers": {
      const { by, waitedMs, acknowledged, outstanding, confirmed } = notice.confirmation;
      const silent = outstanding.map(({ client, instance }) => `${client} ${instance}`);
      const { position } = notice;
      logger.warn(
        { position, by, confirmed, ms: Math.round(waitedMs), acknowledged, silent },
        "verifiers did not acknowledge a revocation",
      );
      return;
    }
    case "position_ahead": {
      const { client, position, head } = notice;
      logger.error(
        { client, position, head },
        "a verifier knows a later position of the revocation log than this server: another server's, or the log lost its end",
      );
      return;
    }
    case "failed":
      logger.warn({ err: notice.error }, "the feed failed at something");
      return;
  }
}
