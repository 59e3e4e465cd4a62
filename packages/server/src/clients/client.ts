/**
 * A client: something that asks for tokens or is asked to honour them (RFC 6749 §2.1).
 *
 *   kind               authenticates   refresh tokens   what a replay ends
 *   first_party        no (public)     rotate           the session: it is the user's own app
 *   resource_server    with a secret   none             –   (an API: it verifies, introspects, follows the feed)
 */
import { createHash } from "node:crypto";
import type { ClientId } from "../prelude/ids.ts";
import { Secret, sameBytes } from "../prelude/secret.ts";
import type { Random } from "../prelude/world.ts";
import type { PublishedKeys } from "./published-keys.ts";

export const CLIENT_KINDS = {
  first_party: { public: true, rotates: true, replayEnds: "session", signsIn: true },
  resource_server: { public: false, rotates: false, replayEnds: "grant", signsIn: false },
} as const;
export type ClientKind = keyof typeof CLIENT_KINDS;

/** The client of the first-party API where a request names none. Exists from the first start. */
export const DEFAULT_CLIENT = "mapae" as ClientId;
/** Lets a token use the account routes under /v1. */
export const ACCOUNT_SCOPE = "account";

export interface Client {
  readonly id: ClientId;
  readonly kind: ClientKind;
  readonly name: string;
  /** SHA-256 of the secret, which is 256 random bits; `null` for a public client. */
  readonly secretHash: Buffer | null;
  /** The scopes a token for this client may carry. */
  readonly scope: readonly string[];
  /** For a resource server: the audience that tokens for it carry; `null`: the server's own audience. */
  readonly audience: string | null;
  /** For a resource server with an audience of its own: tokens for it are encrypted for the first of these; `null`: signed only. */
  readonly jwks: PublishedKeys | null;
  /** Unix milliseconds. */
  readonly createdAt: number;
}

/** A fresh client secret and what is stored of it. A fast hash is right for 256 random bits (ASVS 6.5.2). */
export function newClientSecret(random: Random): { secret: Secret; hash: Buffer } {
  const secret = random.bytes(32).toString("base64url");
  return { secret: new Secret(secret), hash: hashClientSecret(secret) };
}

export function hashClientSecret(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}

/** Whether the secret is the client's. Takes the same time for a public and an unknown client. */
export function authenticates(client: Client | undefined, secret: string): boolean {
  const expected = client?.secretHash ?? Buffer.alloc(32);
  return sameBytes(hashClientSecret(secret), expected) && client !== undefined && client.secretHash !== null;
}
