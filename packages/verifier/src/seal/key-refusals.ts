/** Why a file of keys is refused: a mistake of whoever gave it, so it is thrown. No sentence carries key material. */
import { KEY_REFUSALS, type KeyRefusalCode } from "../jose/keys.ts";

export const KEYS_REFUSALS = {
  keys_malformed: "It holds no keys: expected PEM, a JWK or a JWK set (RFC 7517).",
  keys_none: "It holds no key.",
  keys_unusable: "None of its keys can be used here.",
  keys_private: "It holds a private key, where only public keys belong. If it was published, that key is lost.",
  keys_not_private: "It holds no private key.",
  no_signing_key: "It has no key for signatures.",
  no_encryption_key: "It has no key for encryption.",
  passphrase_needed: "It is protected by a passphrase.",
  passphrase_wrong: "The passphrase does not open it.",
  passphrase_costly: "Its passphrase is hashed more often than is sensible (2,000,000 rounds).",
} as const;

export type KeysRefusalCode = keyof typeof KEYS_REFUSALS;

export class KeysRefused extends TypeError {
  override readonly name = "KeysRefused";
  readonly code: KeysRefusalCode;

  /** @param because what was wrong with single keys */
  constructor(code: KeysRefusalCode, because: readonly KeyRefusalCode[] = []) {
    const reasons = [...new Set(because)].slice(0, 3).map((reason) => KEY_REFUSALS[reason]);
    super([KEYS_REFUSALS[code], ...reasons].join(" "));
    this.code = code;
  }
}
