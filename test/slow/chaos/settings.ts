/** What a verifier process is told at its start, and what it answers to the oracle. */
export interface VerifierSettings {
  readonly issuer: string;
  /** Where its feed is: the proxy. */
  readonly feed: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly onStale: "reject" | "introspect";
  /** Follows the stream, or polls. */
  readonly stream: boolean;
  /** A file for its last snapshot. */
  readonly keep: string | null;
}

/** When the verification began and ended, what came of it, and whether the lease held from its beginning to its end. */
export type Verdict = readonly [began: number, ended: number, code: string, leased: boolean];

export interface Seen {
  readonly live: boolean;
  readonly via: "stream" | "poll" | "none";
  /** By the name of the token. */
  readonly verdicts: Readonly<Record<string, Verdict>>;
}
