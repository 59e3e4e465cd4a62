/**
 * `@mapae/verifier/testing`: an issuer for the tests of a resource server. Its tokens are real ones under real keys, so a
 * test exercises the verifier and not a mock of it.
 *
 *   createTestIssuer() ──► token(), tokenWith("token_expired")        no network: verifierOptions carries the keys
 *          │
 *          └─ listen() ──► JWKS and metadata over HTTP on loopback     for rotation, outages, and discovery
 *                     └──► the revocation feed and introspection       feedOptions, revoke("session", sid)
 *
 * Needs Node. The keys are new in every run and worth nothing.
 */
import type { KeyObject } from "node:crypto";
import type { Server } from "node:http";
import type { AccessTokenClaims } from "./claims.ts";
import { ALGORITHMS, type AlgorithmName, isAlgorithmName } from "./jose/algorithms.ts";
import { encodeBase64url } from "./jose/base64url.ts";
import { bindSigningKey, thumbprint } from "./jose/jwk.ts";
import { signJws } from "./jose/jws.ts";
import type { Jwk, SigningKey } from "./jose/keys.ts";
import { nodeCrypto } from "./jose/runtime.ts";
import type { VerifierOptions } from "./options.ts";
import type { PlainRefusalCode } from "./refusals.ts";
import { CHECKPOINT_TYP } from "./revocation/checkpoint.ts";
import type { RevocationKind, RevocationReason } from "./revocation/entry.ts";
import { createTestFeed } from "./testing-feed.ts";

export interface TestIssuerOptions {
  /** Left out: "https://issuer.test", and the server's own address once it listens. */
  readonly issuer?: string;
  /** "https://api.test" */
  readonly audience?: string;
  /** "ES256" */
  readonly alg?: AlgorithmName;
  /** Milliseconds since 1970; also goes into `verifierOptions`. */
  readonly clock?: () => number;
  /** How long after its last answer a verifier trusts what it knows of revocations; seconds (5). */
  readonly lease?: number;
}

/** What a test wants to see in a token beside, or in place of, the usual claims; `undefined` leaves a claim out. */
export type ClaimChanges = { readonly [Claim in keyof AccessTokenClaims]?: AccessTokenClaims[Claim] | undefined };

/** The faults that `tokenWith` builds in: each is the code with which a verifier refuses the token. */
export const TOKEN_FAULTS = [
  "token_expired",
  "token_not_yet_valid",
  "invalid_issuer",
  "invalid_audience",
  "invalid_type",
  "missing_claim",
  "invalid_signature",
  "unknown_key",
  "unsupported_algorithm",
] as const satisfies readonly PlainRefusalCode[];

export type TokenFault = (typeof TOKEN_FAULTS)[number];

export interface TestIssuer {
  readonly issuer: string;
  readonly audience: string;
  /** The public keys, as they are published now. Empty for HS*, whose key is a secret. */
  readonly jwks: { readonly keys: readonly Jwk[] };
  /** For `createVerifier`: the keys themselves, or their address once the issuer listens. */
  readonly verifierOptions: VerifierOptions;
  /** To be spread beside `verifierOptions`, once the issuer listens: the verifier then follows the revocations. */
  readonly feedOptions: Pick<VerifierOptions, "credentials" | "revocation">;
  /** HTTP requests answered so far. */
  readonly requests: number;
  /** An access token that lives for 5 minutes. */
  token(claims?: ClaimChanges): string;
  /** An access token as a resource server gets it that has registered this public key: encrypted, for `check`. */
  encryptedToken(key: Jwk, claims?: ClaimChanges): Promise<string>;
  /** A token with one fault: the verifier refuses it with exactly this code. */
  tokenWith(fault: TokenFault, claims?: ClaimChanges): string;
  /** Signs with a new key from now on. The earlier keys stay published, unless they are dropped. */
  rotate(options?: { readonly drop: boolean }): void;
  /**
   * Takes back what a value names: a token's `jti`, a session's `sid`, a grant's `gid`, a key's `kid`, a user's `sub`, a
   * client's `client_id`, or with "all" and "" everything. Resolves when every verifier that follows by stream has
   * acknowledged: it refuses such tokens from then on.
   */
  revoke(kind: RevocationKind, value: string, reason?: RevocationReason): Promise<void>;
  /** Serves JWKS, metadata and the feed on a free port of loopback, after `close` on the same one again. @returns the address, without a slash at the end */
  listen(): Promise<string>;
  /** While on, every request is answered with 503, and no stream stands. */
  outage(on: boolean): void;
  close(): Promise<void>;
}

interface TestKey {
  readonly signing: SigningKey;
  readonly publicJwk: Jwk | null;
  readonly secret: Uint8Array | null;
}

const LIFE = 300;
const JWKS_PATH = "/.well-known/jwks.json";
const METADATA_PATHS = ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"];

/** @throws TypeError for an algorithm that is not known, or on a runtime without node:crypto */
export function createTestIssuer(options: TestIssuerOptions = {}): TestIssuer {
  const { audience = "https://api.test", alg = "ES256", clock = Date.now, lease = 5 } = options;
  if (!isAlgorithmName(alg)) throw new TypeError("alg must be the name of an algorithm.");
  const stranger = newKey(alg);
  let keys: readonly [TestKey, ...TestKey[]] = [newKey(alg)];
  let server: Server | null = null;
  let port = 0;
  let address: string | null = null;
  let failing = false;
  let requests = 0;

  const issuer = () => options.issuer ?? address ?? "https://issuer.test";
  const jwks = () => ({ keys: keys.flatMap(({ publicJwk }) => publicJwk ?? []) });

  /** Tokens by their text, for introspection. */
  const issued = new Map<string, { readonly claims: AccessTokenClaims; readonly kid: string }>();
  const credentials = { clientId: "test-api", clientSecret: crypto.randomUUID() };
  const feed = createTestFeed({
    ...credentials,
    issuer,
    audience,
    clock,
    leaseMs: lease * 1000,
    sign: (claims) => sign({ ...claims }, CHECKPOINT_TYP),
    read: (token) => issued.get(token) ?? null,
  });

  function issue(claims: Record<string, unknown> & AccessTokenClaims): string {
    const token = sign(claims);
    issued.set(token, { claims, kid: keys[0].signing.kid ?? "" });
    return token;
  }

  function usual(): Record<string, unknown> & AccessTokenClaims {
    const iat = Math.floor(clock() / 1000);
    return {
      iss: issuer(),
      sub: "test-user",
      aud: audience,
      exp: iat + LIFE,
      iat,
      jti: crypto.randomUUID(),
      client_id: "test-client",
      sid: "test-session",
      gid: "test-grant",
      rsq: [feed.head.epoch, feed.head.seq],
    };
  }

  function sign(claims: Record<string, unknown>, typ = "at+jwt", key: SigningKey = keys[0].signing): string {
    return signJws({ typ }, claims, key);
  }

  const faulty: Record<TokenFault, (claims: Record<string, unknown>) => string> = {
    token_expired: (claims) => sign({ ...claims, ...lifeFrom(-2 * LIFE) }),
    token_not_yet_valid: (claims) => sign({ ...claims, ...lifeFrom(LIFE), nbf: lifeFrom(LIFE).iat }),
    invalid_issuer: (claims) => sign({ ...claims, iss: "https://another-issuer.test" }),
    invalid_audience: (claims) => sign({ ...claims, aud: "https://another-api.test" }),
    invalid_type: (claims) => sign(claims, "JWT"),
    missing_claim: ({ client_id: _, ...claims }) => sign(claims),
    invalid_signature: (claims) => withOtherSignature(sign(claims)),
    unknown_key: (claims) => sign(claims, "at+jwt", stranger.signing),
    unsupported_algorithm: (claims) => unsigned(claims),
  };

  function lifeFrom(offset: number): { iat: number; exp: number } {
    const iat = Math.floor(clock() / 1000) + offset;
    return { iat, exp: iat + LIFE };
  }

  function reply(path: string): object | null {
    if (path === JWKS_PATH) return jwks();
    if (METADATA_PATHS.includes(path)) return { issuer: issuer(), jwks_uri: `${address}${JWKS_PATH}` };
    return null;
  }

  return {
    get issuer() {
      return issuer();
    },
    audience,
    get jwks() {
      return jwks();
    },
    get requests() {
      return requests;
    },
    get verifierOptions() {
      const base = { issuer: issuer(), audience, clock };
      const [{ secret, signing }] = keys;
      if (secret !== null) {
        return { ...base, keys: { secret, alg, ...(signing.kid === undefined ? {} : { kid: signing.kid }) } };
      }
      return { ...base, keys: address === null ? { jwks: jwks() } : { jwksUri: `${address}${JWKS_PATH}` } };
    },
    get feedOptions() {
      return { credentials, revocation: { onStale: "reject" } as const };
    },
    token: (claims) => issue(withChanges(usual(), claims)),
    async encryptedToken(key, claims) {
      const { bindEncryptionKey, nestJwt } = await import("./jwe/index.ts");
      return nestJwt(issue(withChanges(usual(), claims)), await bindEncryptionKey(key));
    },
    tokenWith: (fault, claims) => faulty[fault]({ ...usual(), ...claims }),
    rotate({ drop } = { drop: false }) {
      keys = drop ? [newKey(alg)] : [newKey(alg), ...keys];
    },
    async listen() {
      if (server !== null && address !== null) return address;
      const { createServer } = await import("node:http");
      const listening = createServer((request, response) => {
        const pieces: Uint8Array[] = [];
        request.on("data", (piece: Uint8Array) => pieces.push(piece));
        request.on("end", () => {
          requests += 1;
          const body = failing ? null : reply(request.url ?? "");
          const url = new URL(request.url ?? "/", "http://127.0.0.1");
          const asked = Buffer.concat(pieces).toString("utf8");
          const other = failing || body !== null ? null : feed.reply(url, request.headers.authorization, asked);
          const status = failing ? 503 : (other?.status ?? (body === null ? 404 : 200));
          response.writeHead(status, other?.headers ?? { "content-type": "application/json" });
          response.end(other?.body ?? JSON.stringify(body ?? {}));
        });
      });
      listening.on("upgrade", (request, socket) => {
        if (failing) socket.destroy();
        else feed.upgrade(request, socket);
      });
      await new Promise<void>((resolve, reject) => {
        listening.once("error", reject);
        listening.listen(port, "127.0.0.1", resolve);
      });
      // A test that forgets close() still ends.
      listening.unref();
      server = listening;
      const bound = listening.address();
      if (typeof bound === "object" && bound !== null) port = bound.port;
      address = `http://127.0.0.1:${port}`;
      return address;
    },
    revoke: (kind, value, reason = "admin") => feed.revoke(kind, value, reason),
    outage(on) {
      failing = on;
      if (on) feed.drop();
    },
    async close() {
      const closing = server;
      if (closing === null) return;
      server = null;
      feed.drop();
      closing.closeAllConnections();
      await new Promise<void>((resolve) => closing.close(() => resolve()));
    },
  };
}

/** `undefined` stands for a claim that is to be left out, which JSON does. */
function withChanges(
  claims: Record<string, unknown> & AccessTokenClaims,
  changes: ClaimChanges | undefined,
): Record<string, unknown> & AccessTokenClaims {
  return Object.assign(claims, changes);
}

function newKey(alg: AlgorithmName): TestKey {
  if (nodeCrypto === null) throw new TypeError("The test issuer needs node:crypto.");
  const row = ALGORITHMS[alg];
  if (row.kty === "oct") {
    const secret = Uint8Array.from(nodeCrypto.randomBytes((row.minimumKeyBits ?? 0) / 8));
    const kid = encodeBase64url(nodeCrypto.randomBytes(16));
    return { signing: bindSigningKey(secret, { alg, kid }), publicJwk: null, secret };
  }
  const { privateKey, publicKey } = newPair(alg);
  const jwk = publicKey.export({ format: "jwk" });
  const kid = thumbprint(jwk);
  const publicJwk: Jwk = { ...jwk, kid, alg, use: "sig" };
  return { signing: bindSigningKey(privateKey, { alg, kid }), publicJwk, secret: null };
}

function newPair(alg: AlgorithmName): { readonly privateKey: KeyObject; readonly publicKey: KeyObject } {
  if (nodeCrypto === null) throw new TypeError("The test issuer needs node:crypto.");
  const { kty, curve } = ALGORITHMS[alg];
  if (kty === "RSA") return nodeCrypto.generateKeyPairSync("rsa", { modulusLength: 2048 });
  if (kty === "EC") return nodeCrypto.generateKeyPairSync("ec", { namedCurve: curve ?? "" });
  if (kty === "OKP") return nodeCrypto.generateKeyPairSync("ed25519");
  return nodeCrypto.generateKeyPairSync(alg === "ML-DSA-44" ? "ml-dsa-44" : "ml-dsa-65");
}

/** The same token with another signature of the same shape. */
function withOtherSignature(token: string): string {
  const at = token.lastIndexOf(".") + 1;
  return token.slice(0, at) + (token[at] === "A" ? "B" : "A") + token.slice(at + 1);
}

/** A token that says it needs no signature (`alg` none). */
function unsigned(claims: object): string {
  const text = (value: object) => encodeBase64url(new TextEncoder().encode(JSON.stringify(value)));
  return `${text({ alg: "none", typ: "at+jwt" })}.${text(claims)}.AA`;
}
