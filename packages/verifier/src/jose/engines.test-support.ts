/**
 * Both engines behind one face, so that every test of the token layer runs over node:crypto and over WebCrypto.
 */
import { readFileSync } from "node:fs";
import type { Refusal } from "../refusals.ts";
import type { JwsHeader } from "./header.ts";
import { bindKey } from "./jwk.ts";
import { type VerifiedJws, verifyJws, verifyJwsAsync } from "./jws.ts";
import type { AsyncBoundKey, BindOptions, BoundKey, Jwk } from "./keys.ts";
import { bindKeyAsync } from "./webcrypto.ts";

export interface EngineKey {
  readonly kid: string | undefined;
  verify(token: unknown): Promise<VerifiedJws<BoundKey | AsyncBoundKey> | Refusal>;
}

export interface TestEngine {
  readonly name: string;
  bind(source: Jwk | Uint8Array | string, options?: BindOptions): Promise<EngineKey>;
}

/** The rule of a careful caller: a header that names a key gets that one or none. */
function named<Key extends { readonly kid: string | undefined }>(key: Key): (header: JwsHeader) => Key | undefined {
  return ({ kid }) => (kid === undefined || key.kid === undefined || kid === key.kid ? key : undefined);
}

export const ENGINES: readonly TestEngine[] = [
  {
    name: "node:crypto",
    async bind(source, options) {
      const key = bindKey(source, options);
      return { kid: key.kid, verify: async (token) => verifyJws(token, named(key)) };
    },
  },
  {
    name: "WebCrypto",
    async bind(source, options) {
      const key = await bindKeyAsync(source, options);
      return { kid: key.kid, verify: (token) => verifyJwsAsync(token, named(key)) };
    },
  },
];

/** A file of vectors/, parsed; the caller says what is in it. */
export function readVectors<Content>(path: string): Content {
  return JSON.parse(readFileSync(new URL(`../../vectors/${path}`, import.meta.url), "utf8"));
}
