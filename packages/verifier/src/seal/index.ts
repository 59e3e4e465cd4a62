/**
 * `@mapae/verifier/seal`: documents that only their recipient reads, that only their sender can have written, and whose
 * reading is acknowledged. For Node and browsers; the format is docs/seal-format.md.
 */
export type { Jwk } from "../jose/keys.ts";
export {
  DOCUMENT_MAX,
  type Opened,
  type OpenedDocument,
  type OpenOptions,
  openDocument,
  type SealOptions,
  type SeenList,
  sealDocument,
} from "./document.ts";
export { openFile, type SealFileOptions, sealFile } from "./file.ts";
export { isSealedFile } from "./file-frame.ts";
export { generateKeys, KEY_PAIRS, type KeyPairKind } from "./generate.ts";
export { type FetchedKeys, type FetchOptions, fetchKeyText } from "./key-place.ts";
export { KEYS_REFUSALS, type KeysRefusalCode, KeysRefused } from "./key-refusals.ts";
export { KEY_TEXT_MAX, protectKeys, readKeyText } from "./key-text.ts";
export type { Envelope } from "./layers.ts";
export {
  DISCARDED,
  type DiscardCode,
  type Discarded,
  NOT_ACKNOWLEDGED,
  NOT_FROM_SENDER,
  type NotAcknowledged,
  type NotFromSender,
} from "./outcome.ts";
export {
  bindPrivateKeys,
  bindPublicKeys,
  type Named,
  type PrivateKeys,
  type PublicKeys,
  publicHalves,
} from "./party.ts";
export {
  type Acknowledged,
  makeReceipt,
  type ReceiptOptions,
  type VerifyReceiptOptions,
  verifyReceipt,
} from "./receipt.ts";
export { octetsOf, type ReadHandle, type Seekable, seekableBlob, seekableHandle } from "./seekable.ts";
