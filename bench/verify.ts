/**
 * What verifying one access token costs: the whole verdict (shape, header, signature, payload, claims), not the bare
 * signature, with the same issuer, audience and type asked of every subject that can be asked.
 *
 * `limit` is node:crypto alone, handed prepared octets: the signature has to be checked, so nobody can beat it by much. The
 * one who does is HS256, where a digest as text costs less than the Buffer that `limit` gets.
 *
 * jose verifies asynchronously and is awaited, one token after the other. fast-jwt checks no `typ` but by its option
 * `checkTyp`, which compares the text exactly. jsonwebtoken knows no EdDSA. `… cached` is the same token again, as a new string each
 * time, as it comes from a socket: making that string is in both figures, and so is hashing it.
 */
import {
  createHmac,
  createVerify as createRawVerify,
  createSecretKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  timingSafeEqual,
  verify as verifyRaw,
} from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createVerifier } from "@mapae/verifier";
import { ALGORITHMS, type AlgorithmName, bindSigningKey, signJws } from "@mapae/verifier/jose";
import { createVerifier as createFastJwt } from "fast-jwt";
import { jwtVerify } from "jose";
import { type BenchOptions, interleave, median, pairedRatio, type Report, type Subject } from "./harness.ts";

/** It ships no types. */
interface JsonWebToken {
  verify(token: string, key: KeyObject, options: { algorithms: string[]; issuer: string; audience: string }): unknown;
}

const load = createRequire(import.meta.url);
const jsonwebtoken = load("jsonwebtoken") as JsonWebToken;

const ISSUER = "https://login.example.com";
const AUDIENCE = "https://api.example.com";
const PLAN = { rounds: 31, milliseconds: 40 };

interface Fixture {
  readonly alg: AlgorithmName;
  /** What verifies: a public key, or the secret. */
  readonly key: KeyObject;
  readonly token: string;
}

const CASES: readonly { alg: AlgorithmName; peers: readonly (keyof typeof PEERS)[] }[] = [
  { alg: "HS256", peers: ["jose", "jsonwebtoken", "fast-jwt"] },
  { alg: "RS256", peers: ["jose", "jsonwebtoken", "fast-jwt"] },
  { alg: "PS256", peers: ["jose", "jsonwebtoken", "fast-jwt"] },
  { alg: "ES256", peers: ["jose", "jsonwebtoken", "fast-jwt"] },
  { alg: "ES384", peers: ["jose", "jsonwebtoken", "fast-jwt"] },
  { alg: "EdDSA", peers: ["jose", "fast-jwt"] },
];

const PEERS = {
  jose: ({ alg, key, token }: Fixture): Subject["run"] => {
    const options = { algorithms: [alg], issuer: ISSUER, audience: AUDIENCE, typ: "at+jwt" };
    return async (times) => {
      for (let i = 0; i < times; i++) await jwtVerify(token, key, options);
    };
  },
  jsonwebtoken: ({ alg, key, token }: Fixture): Subject["run"] => {
    const options = { algorithms: [alg], issuer: ISSUER, audience: AUDIENCE };
    return repeat(() => jsonwebtoken.verify(token, key, options));
  },
  "fast-jwt": (fixture: Fixture): Subject["run"] => {
    const verify = fastJwt(fixture, false);
    return repeat(() => verify(fixture.token));
  },
} as const;

function fastJwt({ alg, key }: Fixture, cache: boolean): (token: string) => unknown {
  const material = key.type === "secret" ? key.export() : key.export({ type: "spki", format: "pem" });
  return createFastJwt({
    key: material,
    algorithms: [alg as "ES256"],
    allowedIss: ISSUER,
    allowedAud: AUDIENCE,
    checkTyp: "at+jwt",
    cache,
  });
}

function mapae({ alg, key, token }: Fixture, cache: boolean): Subject["run"] {
  const keys =
    key.type === "secret"
      ? { secret: key.export(), alg: alg as "HS256" }
      : { jwks: { keys: [{ ...key.export({ format: "jwk" }), alg }] } };
  const verifier = createVerifier({
    issuer: ISSUER,
    audience: AUDIENCE,
    keys,
    cache: cache ? { entries: 1000 } : false,
  });
  const verdict = verifier.verify(token);
  if (!verdict.ok) throw new Error(`mapae refuses its own ${alg} token: ${verdict.code}`);
  const text = cache ? anew(token) : () => token;
  return repeat(() => verifier.verify(text()));
}

function limit({ alg, key, token }: Fixture): Subject["run"] {
  const cut = token.lastIndexOf(".");
  const input = Buffer.from(token.slice(0, cut), "latin1");
  const signature = Buffer.from(token.slice(cut + 1), "base64url");
  const { hash, options } = ALGORITHMS[alg].node;
  if (key.type === "secret" && hash !== null) {
    return repeat(() => timingSafeEqual(createHmac(hash, key).update(input).digest(), signature));
  }
  const verifying = { key, ...options };
  // Of node:crypto's two interfaces the faster one.
  if (hash === null) return repeat(() => verifyRaw(null, input, verifying, signature));
  return repeat(() => createRawVerify(hash).update(input).verify(verifying, signature));
}

/** A text that no Map has seen yet. */
function anew(token: string): () => string {
  const octets = Buffer.from(token, "latin1");
  return () => octets.toString("latin1");
}

/** Where results go, so that no engine can leave the work out. */
let sink: unknown;

function repeat(once: () => unknown): Subject["run"] {
  return (times) => {
    for (let i = 0; i < times; i++) sink = once();
  };
}

function keysFor(alg: AlgorithmName): { signing: KeyObject; verifying: KeyObject } {
  const { kty, curve } = ALGORITHMS[alg];
  if (kty === "oct") {
    const secret = createSecretKey(randomBytes(64));
    return { signing: secret, verifying: secret };
  }
  const pair =
    kty === "RSA"
      ? generateKeyPairSync("rsa", { modulusLength: 2048 })
      : kty === "EC"
        ? generateKeyPairSync("ec", { namedCurve: curve ?? "" })
        : generateKeyPairSync("ed25519");
  return { signing: pair.privateKey, verifying: pair.publicKey };
}

function fixture(alg: AlgorithmName): Fixture {
  const { signing, verifying } = keysFor(alg);
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: ISSUER,
    sub: "usr_01HZXK3V7W8Y9ZABCDEFGHJKMN",
    aud: AUDIENCE,
    exp: now + 86_400,
    iat: now,
    jti: "b7Jq0Zk2Q1mVxT5nR8sWcg",
    client_id: "first-party",
    scope: "openid profile orders:read",
    sid: "5nR8sWcgb7Jq0Zk2Q1mVxT",
    gid: "2Q1mVxT5nR8sWcgb7Jq0Zk",
    rsq: [1, 48_213],
    roles: ["member"],
    auth_time: now,
    amr: ["pwd"],
  };
  return { alg, key: verifying, token: signJws({ typ: "at+jwt" }, claims, bindSigningKey(signing, { alg })) };
}

function version(peer: string): string {
  const path = createRequire(import.meta.url)
    .resolve.paths(peer)
    ?.map((folder) => `${folder}/${peer}/package.json`);
  for (const candidate of path ?? []) {
    try {
      const { version } = JSON.parse(readFileSync(candidate, "utf8")) as { version: string };
      return `${peer} ${version}`;
    } catch {}
  }
  return peer;
}

async function compare(report: Report, name: string, subjects: readonly Subject[]): Promise<void> {
  const measured = await interleave(subjects, PLAN);
  const bar = measured.find(({ subject }) => subject === "limit");
  for (const { subject, cpu, wall } of measured) {
    const row = { case: name, subject, runs: PLAN.rounds };
    report({ ...row, metric: "cpu", value: median(cpu), unit: "us" });
    report({ ...row, metric: "wall", value: median(wall), unit: "us" });
    if (bar !== undefined) report({ ...row, metric: "of limit", value: pairedRatio(bar.cpu, cpu), unit: "ratio" });
  }
}

/** Arguments, if any, name the algorithms to measure. */
export async function run(report: Report, { args }: BenchOptions): Promise<void> {
  const unknown = args.filter((name) => !CASES.some(({ alg }) => alg === name));
  if (unknown.length > 0) throw new TypeError(`verify measures ${CASES.map(({ alg }) => alg).join(", ")}`);
  for (const { alg, peers } of CASES) {
    if (args.length > 0 && !args.includes(alg)) continue;
    const it = fixture(alg);
    console.error(`bench: ${alg}`);
    await compare(report, alg, [
      { name: "limit", run: limit(it) },
      { name: "mapae", run: mapae(it, false) },
      ...peers.map((peer) => ({ name: version(peer), run: PEERS[peer](it) })),
    ]);
    const verifyFast = fastJwt(it, true);
    const text = anew(it.token);
    await compare(report, `${alg} cached`, [
      { name: "mapae", run: mapae(it, true) },
      { name: version("fast-jwt"), run: repeat(() => verifyFast(text())) },
    ]);
  }
  if (sink === undefined) throw new Error("nothing was measured");
}
