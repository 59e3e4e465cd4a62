/** What the vault asks of storage. */

/** `signing`: wraps signing keys. `refresh-mac`: MACs refresh tokens. `device-mac`: MACs device tokens. `pepper`: encrypts password hashes. `feed`: hashes what is revoked. `webhook`: encrypts what webhooks are signed with. `ssf`: encrypts the credentials of event streams. */
export const DATA_KEY_PURPOSES = ["signing", "refresh-mac", "device-mac", "pepper", "feed", "webhook", "ssf"] as const;
export type DataKeyPurpose = (typeof DATA_KEY_PURPOSES)[number];

export interface WrappedKey {
  /** Stands in what the key protects, e.g. as the MAC-key id of a refresh token. 1 to 2^32 − 1, never reused. */
  readonly id: number;
  readonly purpose: DataKeyPurpose;
  /** The key, encrypted under the secret named by `wrappedBy`. */
  readonly wrapped: Buffer;
  /** The fingerprint of the secret that wraps it. */
  readonly wrappedBy: string;
  /** Unix milliseconds. */
  readonly createdAt: number;
}

export interface VaultStore {
  all(): Promise<readonly WrappedKey[]>;
  /** Adds keys. `false` and no effect where one of the ids exists already (another process was first). */
  add(keys: readonly WrappedKey[]): Promise<boolean>;
  /** Replaces the wrapping of keys that exist. */
  rewrap(keys: readonly WrappedKey[]): Promise<void>;
  /** Forgets keys: what they protected can be opened no more. */
  remove(ids: readonly number[]): Promise<void>;
}
