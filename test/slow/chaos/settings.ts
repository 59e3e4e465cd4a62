/** What a verifier process is told at its start. */
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
