/**
 * `@mapae/verifier`: verifies access tokens offline. `createVerifier` is the door; the frameworks' adapters and the test
 * issuer have entries of their own.
 */
export {
  type Answer,
  answerDenial,
  type Credentials,
  type Denial,
  type NoToken,
  type Problem,
  readBearer,
} from "./bearer.ts";
export {
  type AccessTokenClaims,
  bindClaimRules,
  type ClaimRuleOptions,
  type ClaimRules,
  checkClaims,
} from "./claims.ts";
export type { DecryptionKeys } from "./encrypted.ts";
export {
  anyOf,
  type Guard,
  type GuardRefusal,
  type GuardVerdict,
  requireFreshLogin,
  requireRole,
  requireScope,
} from "./guards.ts";
export type { AlgorithmName } from "./jose/algorithms.ts";
export { type Jwk, type KeyRefusalCode, KeyRefused } from "./jose/keys.ts";
export type { KeysOption, VerifierOptions } from "./options.ts";
export { REFUSALS, type Refusal, type RefusalCode, type Revoked } from "./refusals.ts";
export type { Revocation, RevocationKind, RevocationReason } from "./revocation/entry.ts";
export type { SnapshotKeeper } from "./revocation/feed.ts";
export type { KeptSnapshot } from "./revocation/load.ts";
export type { RevocationStatus } from "./revocation/revocations.ts";
export type { FeedCredentials, RevocationOptions, StalePolicy } from "./revocation/stale-policy.ts";
export type { FeedSocket, WebSocketMaker } from "./revocation/world.ts";
export {
  type Accepted,
  TokenNotAccepted,
  UNDECIDED,
  type Undecided,
  type UndecidedCode,
  type Verdict,
} from "./verdict.ts";
export { createVerifier, type Verifier, type VerifyOptions } from "./verifier.ts";
