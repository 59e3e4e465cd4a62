/** The tokens that every runtime judges, with the verdicts of the one that runs this. */
import { generateKeyPairSync } from "node:crypto";
import { readFileSync } from "node:fs";
import { createVerifier, type VerifierOptions } from "@mapae/verifier";
import {
  ALGORITHMS,
  type AlgorithmName,
  bindKey,
  encodeBase64url,
  isAlgorithmName,
  type Jwk,
  KeyRefused,
  verifyJws,
} from "@mapae/verifier/jose";
import { createTestIssuer, type TestIssuer, TOKEN_FAULTS } from "@mapae/verifier/testing";

interface Case {
  readonly token: string;
  readonly verdict: string;
}

/** Time stands still at this moment in every runtime. */
const NOW = 1_800_000_000_000;
const AUDIENCE = "https://api.test";
const ISSUER = "https://issuer.test";

function issuerOf(alg: AlgorithmName): TestIssuer {
  return createTestIssuer({ alg, issuer: ISSUER, audience: AUDIENCE, clock: () => NOW });
}

/** A good token, every fault, and the good token damaged at every 7th place in 4 ways. */
function tokensOf(issuer: TestIssuer): string[] {
  const good = issuer.token();
  const tokens = [good, ...TOKEN_FAULTS.map((fault) => issuer.tokenWith(fault)), "", ".", "..", "a.b.c", `${good}=`];
  for (let at = 0; at < good.length; at += 7) {
    const rest = good.slice(at + 1);
    tokens.push(good.slice(0, at) + rest);
    for (const other of ["A", "=", "+"]) tokens.push(good.slice(0, at) + other + rest);
  }
  return tokens;
}

function keysOf({ keys }: VerifierOptions): object {
  if (keys === undefined) throw new Error("the test issuer gives its keys");
  return "secret" in keys ? { ...keys, secret: encodeBase64url(keys.secret) } : keys;
}

function judged(issuer: TestIssuer): Case[] {
  const verifier = createVerifier(issuer.verifierOptions);
  return tokensOf(issuer).map((token) => {
    const verdict = verifier.verify(token);
    return { token, verdict: verdict.ok ? "ok" : verdict.code };
  });
}

interface WycheproofGroup {
  readonly public?: Jwk;
  readonly private: Jwk;
  readonly tests: readonly { readonly jws: string }[];
}

/** The signatures of Project Wycheproof, each under the key and the algorithm of its group. */
function vectorsOf(): object[] {
  const path = new URL("../../../packages/verifier/vectors/wycheproof/json_web_signature_test.json", import.meta.url);
  const { testGroups }: { testGroups: readonly WycheproofGroup[] } = JSON.parse(readFileSync(path, "utf8"));
  return testGroups.flatMap((group) => {
    const jwk = group.public ?? group.private;
    const alg = jwk.alg;
    if (!isAlgorithmName(alg)) return [];
    return [{ jwk, alg, cases: group.tests.map(({ jws }) => ({ token: jws, verdict: verdictOf(jws, jwk, alg) })) }];
  });
}

function verdictOf(token: string, jwk: Jwk, alg: AlgorithmName): string {
  try {
    const key = bindKey(jwk, { alg });
    const verdict = verifyJws(token, ({ kid }) => (kid === key.kid ? key : undefined));
    return verdict.ok ? "ok" : verdict.code;
  } catch (error) {
    if (error instanceof KeyRefused) return error.code;
    throw error;
  }
}

/** Encrypted tokens for every kind of key, with the key that opens them. */
function encryptedFor(issuer: TestIssuer): Promise<object[]> {
  const pairs = {
    X25519: generateKeyPairSync("x25519"),
    "P-256": generateKeyPairSync("ec", { namedCurve: "P-256" }),
    RSA: generateKeyPairSync("rsa", { modulusLength: 2048 }),
  };
  return Promise.all(
    Object.entries(pairs).map(async ([what, { publicKey, privateKey }]) => ({
      what,
      keys: keysOf(issuer.verifierOptions),
      token: await issuer.encryptedToken(publicKey.export({ format: "jwk" })),
      decryptionKeys: { keys: [privateKey.export({ format: "jwk" })] },
    })),
  );
}

export async function createFixture(): Promise<{ fixture: object; jwks: object }> {
  const issuers = Object.keys(ALGORITHMS)
    .filter(isAlgorithmName)
    .map((alg) => ({ alg, issuer: issuerOf(alg) }));
  const [first] = issuers;
  const live = issuerOf("ES256");
  const fixture = {
    now: NOW,
    issuer: ISSUER,
    audience: AUDIENCE,
    issuers: issuers.map(({ alg, issuer }) => ({ alg, keys: keysOf(issuer.verifierOptions), cases: judged(issuer) })),
    vectors: vectorsOf(),
    encrypted: await encryptedFor(live),
    live: { good: live.token(), unknown: live.tokenWith("unknown_key"), first: first?.issuer.token() },
  };
  return { fixture, jwks: live.jwks };
}
