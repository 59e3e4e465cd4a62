/** What the feed needs of the rest of the server: a signature over a position, and a log line for what it notices. */

import { parseJws, signJws } from "@mapae/verifier/jose";
import { CHECKPOINT_TYP, checkpointClaims } from "@mapae/verifier/revocation";
import type { Logger } from "pino";
import type { FeedNotice } from "./feed/feed.ts";
import type { IsSigned, SignCheckpoint } from "./feed/frames.ts";
import type { Keyring } from "./keys/keyring.ts";
import type { Clock } from "./prelude/world.ts";

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
