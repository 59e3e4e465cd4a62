/**
 * The options about revocation, and what an owner can choose for the time in which the verifier's knowledge is stale.
 */
import { addressFault } from "../address.ts";
import { record, refuseOthers, seconds } from "../option-checks.ts";
import type { SnapshotKeeper } from "./feed.ts";
import { SET_MAX } from "./set.ts";
import type { WebSocketMaker } from "./world.ts";

export const STALE_POLICIES = ["introspect", "reject", "accept"] as const;

/**
 * `reject`: 503, the token may be good. `introspect`: the issuer is asked about each token, and where it cannot be, as
 * `reject`. `accept`: as if nothing were revoked since, for `acceptFor`.
 */
export type StalePolicy = (typeof STALE_POLICIES)[number];

/** This resource server at the issuer. */
export interface FeedCredentials {
  readonly clientId: string;
  readonly clientSecret: string;
}

export interface RevocationOptions {
  /** When the copy may be out of date ("introspect"). */
  readonly onStale?: StalePolicy;
  /** For `accept`: seconds beyond the lease. Outside the guarantee; the server names such verifiers in its answers. */
  readonly acceptFor?: number;
  /** Longest lease in seconds, where it is to be shorter than the server's. */
  readonly maxStaleness?: number;
  /** Address of the feed, where that is a relay. Keys, tickets and introspection stay the issuer's. */
  readonly feed?: string;
  /** Entries that are held at most (4,000,000, some 125 MB). When there are more, the copy is not trusted. */
  readonly maxEntries?: number;
  /** A WebSocket for a runtime that has none (Node 20), or false to poll. */
  readonly webSocket?: WebSocketMaker | false;
  /** Keeps the last snapshot, so that a restart needs no new one. */
  readonly keep?: SnapshotKeeper;
}

export interface ResolvedRevocation {
  readonly issuerBase: string;
  readonly base: string;
  readonly introspectionUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly onStale: StalePolicy;
  /** Milliseconds. */
  readonly acceptMs: number;
  readonly maxStaleness: number;
  readonly maxEntries: number;
  readonly webSocket: WebSocketMaker | false | undefined;
  readonly keep: SnapshotKeeper | null;
}

const OPTIONS = ["onStale", "acceptFor", "maxStaleness", "feed", "maxEntries", "webSocket", "keep"] as const;
const ENTRIES_USUAL = 4_000_000;

/** @throws TypeError naming the option and what is wrong with it */
export function resolveRevocation(
  given: "none" | RevocationOptions | undefined,
  credentials: FeedCredentials | undefined,
  issuer: string,
): ResolvedRevocation | null {
  if (given === "none" || given === undefined) {
    if (credentials !== undefined) throw new TypeError("credentials are for the feed: say what revocation is to be.");
    return null;
  }
  if (!record(given)) throw new TypeError('revocation must be "none" or an object of options.');
  refuseOthers(given, OPTIONS, "revocation");
  if (!record(credentials)) throw new TypeError("revocation needs credentials: { clientId, clientSecret }.");
  refuseOthers(credentials, ["clientId", "clientSecret"], "credentials");
  const { clientId, clientSecret } = credentials;
  for (const text of [clientId, clientSecret]) {
    if (typeof text !== "string" || text === "" || text.length > 512) {
      throw new TypeError("credentials must have a clientId and a clientSecret, each of at most 512 characters.");
    }
  }
  const { onStale = "introspect", acceptFor, maxStaleness, feed = issuer, maxEntries = ENTRIES_USUAL } = given;
  const { webSocket, keep = null } = given;
  if (!STALE_POLICIES.includes(onStale)) {
    throw new TypeError(`revocation.onStale must be one of ${STALE_POLICIES.join(", ")}.`);
  }
  const acceptMs = seconds(acceptFor, 0, 0, "revocation.acceptFor");
  if (onStale === "accept" && acceptMs === 0) {
    throw new TypeError('revocation.onStale "accept" needs acceptFor: for how many seconds beyond the lease.');
  }
  const fault = typeof feed === "string" ? addressFault(feed) : "must be a string.";
  if (fault !== null) throw new TypeError(`${feed === issuer ? "issuer" : "revocation.feed"} ${fault}`);
  if (!Number.isSafeInteger(maxEntries) || maxEntries < 1 || maxEntries > SET_MAX) {
    throw new TypeError(`revocation.maxEntries must be a whole number from 1 to ${SET_MAX}.`);
  }
  if (webSocket !== undefined && webSocket !== false && typeof webSocket !== "function") {
    throw new TypeError("revocation.webSocket must be a WebSocket class, or false.");
  }
  if (keep !== null && !(record(keep) && typeof keep.read === "function" && typeof keep.write === "function")) {
    throw new TypeError("revocation.keep must have the functions read and write.");
  }
  const issuerBase = issuer.replace(/\/$/, "");
  return {
    issuerBase,
    base: feed.replace(/\/$/, ""),
    // Of the issuer alone: a relay knows no tokens, and must not see any.
    introspectionUrl: `${issuerBase}/oauth2/introspect`,
    clientId,
    clientSecret,
    onStale,
    acceptMs,
    maxStaleness:
      maxStaleness === undefined ? Number.POSITIVE_INFINITY : seconds(maxStaleness, 0, 1, "revocation.maxStaleness"),
    maxEntries,
    webSocket,
    keep,
  };
}
