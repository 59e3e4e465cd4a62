/** What the feed needs of the rest of the server: a signature over a position, and a log line for what it notices. */

import { checkSignature, decodePayload, parseJws, signJws } from "@mapae/verifier/jose";
import { CHECKPOINT_TYP, checkpointClaims, readCheckpoint } from "@mapae/verifier/revocation";
import type { Logger } from "pino";
import type { FeedNotice } from "./feed/feed.ts";
import type { IsSigned, SignCheckpoint } from "./feed/frames.ts";
import type { TailWatch } from "./feed/tail.ts";
import { isShared, type Keyring } from "./keys/keyring.ts";
import type { Clock } from "./prelude/world.ts";
import type { RevocationStore } from "./revocation/store.ts";

/** Signs as tokens are signed, under a type of its own, so that neither can be taken for the other (RFC 8725 §3.11). */
export function createCheckpointSigner(keyring: Keyring, iss: string, clock: Clock): SignCheckpoint {
  return async (position, count, sha256) => {
    const iat = Math.floor(clock.now() / 1000);
    const key = await keyring.signer(iat);
    return signJws({ typ: CHECKPOINT_TYP }, checkpointClaims({ iss, position, count, sha256, iat }), key);
  };
}

/** Whether the key that signed is still one that verifies. */
export function signedBy(keyring: Keyring): IsSigned {
  return (checkpoint) => {
    const jws = parseJws(checkpoint);
    return jws.ok && keyring.find(jws.header.kid) !== undefined;
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
      // Ours, so that it is JSON.
      const payload = Buffer.from(decodePayload(jws) ?? []).toString();
      const signed = readCheckpoint(JSON.parse(payload) as Record<string, unknown>);
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
