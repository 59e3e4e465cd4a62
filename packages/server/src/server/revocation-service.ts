/** Puts revocation together: who judges a token, the feed that tells of it, who waits for it, and OAuth's two doors to it. */
import type { Logger } from "pino";
import { createRevocationAction, type RevocationAction } from "../admin/revocations.ts";
import { type Confirming, createConfirming } from "../feed/confirming.ts";
import { type Feed, openFeed } from "../feed/feed.ts";
import { createVerifiers, type Verifiers } from "../feed/verifiers.ts";
import { isShared, type Keyring } from "../keys/keyring.ts";
import { createIntrospect, type Introspect } from "../oauth/introspect.ts";
import { createJudge, type Judge } from "../oauth/judge.ts";
import { createRevokeToken, type RevokeToken } from "../oauth/revoke.ts";
import type { SetAlarm, World } from "../prelude/world.ts";
import type { LiveSet } from "../revocation/live-set.ts";
import type { Config } from "../settings/config.ts";
import type { Storage } from "../storage/storage.ts";
import type { Vault } from "../vault/vault.ts";
import { createFeedSigner, createTailWatch, createTicketJudge, logNotice } from "./feed-service.ts";

export interface Revocation {
  readonly judge: Judge;
  readonly verifiers: Verifiers;
  readonly feed: Feed;
  readonly confirming: Confirming;
  readonly revoke: RevocationAction;
  readonly introspect: Introspect;
  readonly revokeToken: RevokeToken;
}

export interface RevocationParts {
  readonly storage: Storage;
  readonly vault: Vault;
  readonly keyring: Keyring;
  readonly live: LiveSet;
  readonly config: Config;
  readonly logger: Logger;
}

export async function openRevocation(
  { storage, vault, keyring, live, config, logger }: RevocationParts,
  names: { readonly issuer: string; readonly audience: string; readonly adminAudience: string },
  world: World,
  alarm: SetAlarm,
): Promise<Revocation> {
  const { issuer, audience } = names;
  const { clock } = world;
  const { revocation: log, sessions, grants, clients } = storage;
  const judge = createJudge({ keyring, vault, live, sessions, clock }, isShared(config.signingAlg));
  const verifiers = createVerifiers(clients, audience, createTicketJudge({ keyring, live, clock }, issuer));
  const feed = await openFeed({
    log,
    store: storage.feed,
    verifiers,
    feedKey: vault.current("feed").key,
    sign: createFeedSigner(keyring, issuer),
    issuer,
    leaseMs: config.revocationLease,
    nodes: storage.nodes,
    maxConnections: config.feedConnections,
    tail: createTailWatch(keyring, issuer, log, config.lostTail === "keep_sessions"),
    world,
    alarm,
    notice: (notice) => logNotice(logger, notice),
  });
  const lastExpiry = () => Math.max(...keyring.records().map(({ highestExp }) => highestExp));
  return {
    judge,
    verifiers,
    feed,
    confirming: createConfirming({ feed, log, clock, nodes: storage.nodes }, lastExpiry),
    revoke: createRevocationAction({ ...storage, keyring }),
    introspect: createIntrospect({ judge, log, feed, grants, vault, clock }, issuer),
    revokeToken: createRevokeToken({ judge, log, grants, clients, vault }, names),
  };
}
