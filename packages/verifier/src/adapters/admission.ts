/**
 * What every adapter does with a request, once: read the token, check it, ask the guards. An adapter only fetches the
 * headers from its framework's request and writes the answer into its framework's response.
 */
import { type Answer, answerDenial, type Denial, readBearer } from "../bearer.ts";
import type { AccessTokenClaims } from "../claims.ts";
import { type Guard, passGuards } from "../guards.ts";
import { refuseOthers } from "../option-checks.ts";
import type { StalePolicy } from "../revocation/stale-policy.ts";
import type { Verifier, VerifyOptions } from "../verifier.ts";

export interface BearerOptions {
  /** `realm` of the challenge; left out, the verifier's first audience. */
  readonly realm?: string;
  /**
   * Called for every request that is denied, for the log. The client is told little; `denial.code` says which check
   * failed. Nothing in it carries the token.
   */
  readonly onDenied?: (denial: Denial) => void;
  /**
   * What the routes behind this `protect` do while revocations are not known; left out, what the verifier does. Make one
   * `protect` for each choice: the transfer of money rejects, the list of news accepts.
   */
  readonly onStale?: StalePolicy;
}

export type Admission =
  | { readonly ok: true; readonly claims: AccessTokenClaims }
  | { readonly ok: false; readonly answer: Answer };

/** @param authorization every `Authorization` header of a request, each as its own string */
export type Admit = (authorization: readonly string[], guards: readonly Guard[]) => Promise<Admission>;

/** @throws TypeError for options that make no sense */
export function createAdmission(verifier: Verifier, options: BearerOptions = {}): Admit {
  const { realm = verifier.audience[0] ?? "", onDenied, onStale } = options;
  refuseOthers(options, ["realm", "onDenied", "onStale"], "bearer");
  if (onStale !== undefined && !verifier.stalePolicies.includes(onStale)) {
    const needs = "accept needs the verifier's revocation.acceptFor, and each needs the option revocation";
    throw new TypeError(`bearer's onStale ${JSON.stringify(onStale)} is none that this verifier has: ${needs}.`);
  }
  return async (authorization, guards) => {
    const outcome = await decide(verifier, { onStale }, authorization, guards);
    if ("claims" in outcome) return outcome;
    onDenied?.(outcome);
    return { ok: false, answer: answerDenial(outcome, realm) };
  };
}

async function decide(
  verifier: Verifier,
  how: VerifyOptions,
  authorization: readonly string[],
  guards: readonly Guard[],
): Promise<{ readonly ok: true; readonly claims: AccessTokenClaims } | Denial> {
  const credentials = readBearer(authorization);
  if (!credentials.ok) return credentials;
  const verdict = await verifier.check(credentials.token, how);
  if (!verdict.ok) return verdict;
  const guarded = passGuards(guards, verdict.claims, verifier.clock() / 1000);
  return guarded.ok ? verdict : guarded;
}

/** The values of `Authorization` among raw headers: name, value, name, value … as they came over the wire. */
export function authorizationOf(rawHeaders: readonly string[]): string[] {
  const values: string[] = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const value = rawHeaders[at + 1];
    if (value !== undefined && rawHeaders[at]?.toLowerCase() === "authorization") values.push(value);
  }
  return values;
}

/** Remembers whose claims belong to which request, for handlers that ask. */
export interface ClaimsBook {
  enter(request: object, claims: AccessTokenClaims): void;
  /** @throws TypeError where no `protect` came before the handler: the route is open, which is the programmer's mistake */
  claimsOf(request: object): AccessTokenClaims;
}

export function createClaimsBook(): ClaimsBook {
  const book = new WeakMap<object, AccessTokenClaims>();
  return {
    enter: (request, claims) => void book.set(request, claims),
    claimsOf(request) {
      const claims = book.get(request);
      if (claims === undefined) throw new TypeError("This route is not protected: the request has no claims.");
      return claims;
    },
  };
}
