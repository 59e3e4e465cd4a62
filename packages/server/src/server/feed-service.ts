/** What the feed needs of the rest of the server: the keys that sign and judge, and a log line for what it notices. */

import { checkSignature, decodePayload, parseJsonObject, parseJws, signJws } from "@mapae/verifier/jose";
import { CHECKPOINT_TYP, checkpointClaims, readCheckpoint, readTicket, TICKET_TYP } from "@mapae/verifier/revocation";
import type { Logger } from "pino";
import type { FeedNotice, FeedSigner } from "../feed/feed.ts";
import type { TailWatch } from "../feed/tail.ts";
import { isTicketGood } from "../feed/tickets.ts";
import type { TicketJudge } from "../feed/verifiers.ts";
import { isShared, type Keyring } from "../keys/keyring.ts";
import type { Clock } from "../prelude/world.ts";
import type { LiveSet } from "../revocation/live-set.ts";
import type { RevocationStore } from "../revocation/store.ts";

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

/**
 * What a checkpoint proves: that this server, under this name, once had a position, because a key that verifies signed it.
 * One that was revoked may be in other hands. With a shared secret every verifier can sign, and nothing is proven.
 */
export function createTailWatch(
  keyring: Keyring,
  issuer: string,
  log: RevocationStore,
  keepSessions: boolean,
): TailWatch {
  return {
    prove: (checkpoint) => {
      const jws = parseJws(checkpoint);
      if (!jws.ok || jws.header.mediaType !== CHECKPOINT_TYP) return null;
      const key = keyring.find(jws.header.kid);
      if (key === undefined || isShared(key.algorithm.name) || checkSignature(jws, key) !== null) return null;
      const octets = decodePayload(jws);
      const payload = octets === null ? null : parseJsonObject(octets);
      const signed = payload === null ? null : readCheckpoint(payload);
      return signed?.iss === issuer ? signed.position : null;
    },
    restart: async (lost) => {
      const begun = await log.restart(lost, keepSessions);
      // The keys of before were revoked with it, and others sign from now on.
      if (begun !== null) await keyring.tick();
      return begun;
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
        "a verifier claims a later position of the revocation log than this server has, and proves nothing: another server's, or the log lost its end",
      );
      return;
    }
    case "tail_lost": {
      const { client, lost, head, begun } = notice;
      logger.fatal(
        { client, lost, head, ...begun },
        "the database had lost the end of the revocation log: an older copy was put in its place. A new epoch has begun. Use mapae restore to restore backups",
      );
      return;
    }
    case "failed":
      logger.warn({ err: notice.error }, "the feed failed at something");
      return;
  }
}
