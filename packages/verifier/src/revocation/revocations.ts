/**
 * What the verifier asks of its feed: the part of a verdict that changes although the token does not.
 *
 *   good token ──► judge: is there an entry that kills it? ──yes──► Revoked, also while the copy is stale
 *                      │ no
 *                      ▼
 *                  settle: is the copy to be trusted? ──live──► Accepted
 *                      │ stale
 *                      ├─ accept, within the extra time ──► Accepted
 *                      ├─ introspect ──► (check only) the issuer is asked ──► Accepted, Revoked or revocation_unknown
 *                      └─ reject ──► revocation_unknown
 */
import type { AccessTokenClaims } from "../claims.ts";
import { type Revoked, revoked } from "../refusals.ts";
import { type Accepted, REVOCATION_UNKNOWN, type Undecided } from "../verdict.ts";
import type { TokenPrints } from "./copy.ts";
import { createDenied } from "./denied.ts";
import type { Revocation } from "./entry.ts";
import { type Feed, openFeed } from "./feed.ts";
import { createIntrospection } from "./introspection.ts";
import type { ReadSigned } from "./load.ts";
import { formatPosition } from "./position.ts";
import type { ResolvedRevocation, StalePolicy } from "./stale-policy.ts";
import type { FeedWorld } from "./world.ts";

/** How the feed fares, for metrics. Times are milliseconds. */
export interface RevocationStatus {
  /** `live`: within the lease. `extra`: beyond it, within `acceptFor`. */
  readonly trust: "live" | "extra" | "stale";
  readonly leaseLeft: number;
  /** Position of the copy and the head that the server told last, as "epoch.seq"; null before the first. */
  readonly position: string | null;
  readonly head: string | null;
  /** Entries by which the copy is behind that head; null where that cannot be counted. */
  readonly lag: number | null;
  readonly entries: number;
  /** Octets that the entries take. */
  readonly bytes: number;
  /** The id under which the server counts this verifier. */
  readonly instance: string | null;
  readonly via: "stream" | "poll" | "none";
  /** What is wrong at present, for people. */
  readonly trouble: string | null;
  /** How often each was decided so far. */
  readonly decisions: Readonly<Record<Decision, number>>;
}

const DECISIONS = ["revoked", "stale_accepted", "stale_rejected", "introspected", "introspection_failed"] as const;
type Decision = (typeof DECISIONS)[number];

export interface Revocations {
  /** Moves with every change that may concern a token. */
  readonly version: number;
  prints(claims: AccessTokenClaims, kid: string): TokenPrints;
  /** Does a token that was found good still count as good? False also where only `judgeLater` can tell. */
  stands(token: TokenPrints): boolean;
  /** The entry that kills the token, as a verdict; null for none, undefined where only `judgeLater` can tell. */
  judge(token: TokenPrints): Revoked | null | undefined;
  judgeLater(token: TokenPrints): Promise<Revoked | null>;
  /** @param wall milliseconds since 1970 */
  settle(accepted: Accepted, policy: StalePolicy | undefined, wall: number): Accepted | Revoked | Undecided;
  /** `settle` for those who can wait: asks the issuer where the policy says so. */
  settleLater(
    token: string,
    accepted: Accepted,
    prints: TokenPrints,
    policy: StalePolicy | undefined,
    wall: number,
  ): Promise<Accepted | Revoked | Undecided>;
  /** Calls once when the token is revoked. @returns ends it */
  watch(token: TokenPrints, call: (revoked: Revoked) => void): () => void;
  ready(): Promise<void>;
  status(): RevocationStatus;
  close(): void;
}

/** @param expected issuer and audiences of the tokens that are accepted */
export function followRevocations(
  options: ResolvedRevocation,
  { issuer, audience: audiences }: { readonly issuer: string; readonly audience: readonly string[] },
  readSigned: ReadSigned,
  world: FeedWorld,
): Revocations {
  const feed = openFeed({ ...options, issuer, audiences, readSigned }, world);
  const { copy } = feed;
  const introspection = createIntrospection(
    { url: options.introspectionUrl, authorization: feed.authorization, leaseMs: () => feed.leaseMs },
    world,
  );
  const decisions: Record<Decision, number> = {
    revoked: 0,
    stale_accepted: 0,
    stale_rejected: 0,
    introspected: 0,
    introspection_failed: 0,
  };
  const denied = createDenied();
  const watched = new Map<TokenPrints, (revoked: Revoked) => void>();
  let looked = -1;

  function count(decision: Decision): void {
    decisions[decision] += 1;
  }

  function verdictOf(hit: Revocation): Revoked {
    count("revoked");
    return revoked(hit);
  }

  /** A rejecting policy is meant where none is named that this verifier has. */
  function policyOf(policy: StalePolicy | undefined): StalePolicy {
    const wanted = policy ?? options.onStale;
    return wanted === "accept" && options.acceptMs === 0 ? "reject" : wanted;
  }

  function settle(accepted: Accepted, policy: StalePolicy | undefined, wall: number): Accepted | Revoked | Undecided {
    if (denied.has(accepted.claims)) {
      count("revoked");
      return revoked(null);
    }
    const trust = feed.trust(wall);
    if (trust === "live") return accepted;
    if (trust === "extra" && policyOf(policy) === "accept") {
      count("stale_accepted");
      return accepted;
    }
    count("stale_rejected");
    return REVOCATION_UNKNOWN;
  }

  feed.onEntries(() => {
    if (watched.size === 0 || looked === copy.version) return;
    looked = copy.version;
    for (const [token, call] of watched) {
      const hit = copy.judge(token);
      if (hit !== undefined) tell(token, call, hit);
      // Without node:crypto, under another feed key.
      else void copy.judgeLater(token).then((late) => watched.has(token) && tell(token, call, late));
    }
  });

  function tell(token: TokenPrints, call: (revoked: Revoked) => void, hit: Revocation | null): void {
    if (hit === null || !watched.delete(token)) return;
    const verdict = revoked(hit);
    // Out of the feed's own work: what a listener throws is the listener's.
    queueMicrotask(() => call(verdict));
  }

  return {
    get version() {
      return copy.version;
    },
    prints: copy.prints,
    stands: (token) => copy.judge(token) === null,
    judge(token) {
      const hit = copy.judge(token);
      return hit ? verdictOf(hit) : hit;
    },
    async judgeLater(token) {
      const hit = await copy.judgeLater(token);
      return hit && verdictOf(hit);
    },
    settle,
    async settleLater(token, accepted, prints, policy, wall) {
      if (policyOf(policy) !== "introspect" || feed.trust(wall) === "live") return settle(accepted, policy, wall);
      const answer = await introspection.ask(token);
      // What came in meanwhile, and may be acknowledged by now, counts.
      const hit = await copy.judgeLater(prints);
      if (hit !== null) return verdictOf(hit);
      if (answer === "active") {
        count("introspected");
        return accepted;
      }
      if (answer === "unknown") {
        count("introspection_failed");
        return REVOCATION_UNKNOWN;
      }
      count("revoked");
      denied.add(accepted.claims, wall / 1000);
      return revoked(null);
    },
    watch(token, call) {
      // Prints of its own: those of the verdict are marked as judged by whoever verifies meanwhile.
      const own = { ...token };
      watched.set(own, call);
      const hit = copy.judge(own);
      if (hit !== undefined) tell(own, call, hit);
      return () => void watched.delete(own);
    },
    ready: feed.ready,
    status: () => statusOf(feed, world, { ...decisions }),
    close() {
      watched.clear();
      introspection.close();
      feed.close();
    },
  };
}

function statusOf(feed: Feed, world: FeedWorld, decisions: Record<Decision, number>): RevocationStatus {
  const { state, copy } = feed;
  const { position, head, instance, phase, trouble } = state;
  return {
    trust: feed.trust(world.now()),
    leaseLeft: feed.leaseLeft(),
    position: position && formatPosition(position),
    head: head && formatPosition(head),
    lag: position !== null && head?.epoch === position.epoch ? Math.max(0, head.seq - position.seq) : null,
    entries: copy.size,
    bytes: copy.bytes,
    instance,
    via: phase.is === "following" ? "stream" : phase.is === "polling" ? "poll" : "none",
    trouble,
    decisions,
  };
}
