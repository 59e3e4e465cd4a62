/**
 * `@mapae/verifier/jwe`: JWE by itself, strict where it is read, for issuers that encrypt tokens and for whoever opens other
 * things than access tokens. Loads the library `jose`; the verifier does so only where it has a key to open with.
 */
export { CONTENT_ENCRYPTION, KEY_MANAGEMENT, type KeyManagement, type KeyManagementName } from "./algorithms.ts";
export { makeJwe, openJwe, type ParsedJwe, parseJwe } from "./compact.ts";
export { bindDecryptionKey, bindEncryptionKey, type DecryptionKey, type EncryptionKey } from "./keys.ts";
export { ENCRYPTED_TOKEN_MAX, nestJwt, openNestedJwt } from "./nested.ts";
