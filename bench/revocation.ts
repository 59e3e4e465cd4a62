/**
 * What following the revocations costs a resource server: in a verification, in memory, and in pauses of its event loop.
 *
 *   check at N entries    the same verifier with and without the feed, interleaved; `added` is the difference, round by round
 *   … one entry later     what a remembered verdict costs again after the head moved by one entry, or by many
 *   growth                a million entries, a frame of a hundred at a time: octets an entry, and the longest single frame
 *   snapshot              a million entries over HTTP on loopback: until the verifier is ready, and the longest pause meanwhile
 *
 * Keys of entries are random octets, as HMACs are. The lease is long, because the measured loops let no timer run.
 */
import { createHash, generateKeyPairSync, randomFillSync } from "node:crypto";
import { createServer } from "node:http";
import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import { createVerifier, type Verifier } from "@mapae/verifier";
import { bindSigningKey, type Jwk, signJws } from "@mapae/verifier/jose";
import {
  CHECKPOINT_HEADER,
  CHECKPOINT_TYP,
  checkpointClaims,
  ENTRY_AT,
  ENTRY_BYTES,
  encodePollLine,
  encodeSnapshot,
  FEED_PATHS,
  type Position,
  parsePosition,
  REVOCATION_KINDS,
  SNAPSHOT_TYPE,
} from "@mapae/verifier/revocation";
import { type Copy, createCopy } from "../packages/verifier/src/revocation/copy.ts";
import { type BenchOptions, interleave, median, type Report, type Subject } from "./harness.ts";
import { runConnected } from "./revocation-connected.ts";

const SIZES = [10_000, 100_000, 1_000_000];
const LARGEST = 1_000_000;
const PLAN = { rounds: 31, milliseconds: 20 };
const AUDIENCE = "https://api.example.com";
const FEED_KEY = new Uint8Array(32).fill(5);
const LEASE_MS = 300_000;
const FRAME = 100;
const SNAPSHOT_RUNS = 5;

/** Entries of every kind but `all`, which would kill everything, with random keys. */
function randomEntries(count: number, epoch: number): Uint8Array<ArrayBuffer> {
  const octets = new Uint8Array(count * ENTRY_BYTES);
  randomFillSync(octets);
  const view = new DataView(octets.buffer);
  const kinds = Object.values(REVOCATION_KINDS).filter(({ claim }) => claim !== null);
  for (let index = 0; index < count; index++) {
    const base = index * ENTRY_BYTES;
    octets.fill(0, base, base + ENTRY_AT.key);
    octets[base + ENTRY_AT.kind] = kinds[index % kinds.length]?.octet ?? 1;
    view.setUint32(base + ENTRY_AT.epoch + 2, epoch);
    view.setUint32(base + ENTRY_AT.seq + 2, index + 1);
    view.setUint32(base + ENTRY_AT.at + 1, epoch);
    view.setUint32(base + ENTRY_AT.expires + 1, epoch + 86_400);
  }
  return octets;
}

interface FeedServer {
  readonly issuer: string;
  token(): string;
  close(): Promise<void>;
}

/** A login server that has so many entries, and nothing new. */
async function serveFeed(count: number): Promise<FeedServer> {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const signing = bindSigningKey(privateKey, { alg: "ES256", kid: "bench" });
  const jwk: Jwk = { ...publicKey.export({ format: "jwk" }), kid: "bench", alg: "ES256" };
  const epoch = Math.floor(Date.now() / 1000);
  const position: Position = { epoch, seq: count };
  const facts = { position, serverTime: Date.now(), leaseMs: LEASE_MS, feedKey: FEED_KEY };
  const snapshot = encodeSnapshot(facts, randomEntries(count, epoch));
  const sha256 = createHash("sha256").update(snapshot).digest("base64url");
  let issuer = "";
  const json = { "content-type": "application/json" };
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", issuer);
    if (url.pathname === FEED_PATHS.snapshot) {
      const claims = checkpointClaims({
        ...{ iss: issuer, aud: AUDIENCE, position, since: null, count, sha256, iat: epoch },
      });
      const checkpoint = signJws({ typ: CHECKPOINT_TYP }, claims, signing);
      const headers = {
        "content-type": SNAPSHOT_TYPE,
        "content-length": snapshot.length,
        [CHECKPOINT_HEADER]: checkpoint,
      };
      return response.writeHead(200, headers).end(snapshot);
    }
    if (url.pathname === FEED_PATHS.poll) {
      const after = parsePosition(url.searchParams.get("after")) ?? position;
      const echo = Number(url.searchParams.get("ping"));
      const now = Date.now();
      const welcome = {
        type: "welcome",
        instance: "bench",
        leaseMs: LEASE_MS,
        position: after,
        feedKey: FEED_KEY,
      } as const;
      const hb = { type: "hb", echo, head: position, serverTime: now, leaseMs: LEASE_MS } as const;
      return response.end([encodePollLine({ ...welcome, serverTime: now }), encodePollLine(hb)].join("\n"));
    }
    if (url.pathname === "/jwks.json") return response.writeHead(200, json).end(JSON.stringify({ keys: [jwk] }));
    return response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the feed has no address");
  issuer = `http://127.0.0.1:${address.port}`;
  return {
    issuer,
    token() {
      const iat = Math.floor(Date.now() / 1000);
      const ids = { jti: crypto.randomUUID(), sid: crypto.randomUUID(), gid: crypto.randomUUID(), client_id: "web" };
      const claims = {
        iss: issuer,
        sub: crypto.randomUUID(),
        aud: AUDIENCE,
        iat,
        exp: iat + 3_600,
        ...ids,
        rsq: [epoch, count],
      };
      return signJws({ typ: "at+jwt" }, claims, signing);
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function verifierOf(issuer: string, follows: boolean, cached: boolean): Verifier {
  return createVerifier({
    issuer,
    audience: AUDIENCE,
    keys: { jwksUri: `${issuer}/jwks.json` },
    cache: cached ? { entries: 10_000 } : false,
    warn: () => undefined,
    ...(follows
      ? {
          credentials: { clientId: "bench", clientSecret: "bench" },
          revocation: { onStale: "reject", webSocket: false },
        }
      : {}),
  });
}

/** Where results go, so that no engine can leave the work out. */
let sink: unknown;

function repeat(once: (index: number) => unknown): Subject["run"] {
  return (times) => {
    for (let index = 0; index < times; index++) sink = once(index);
  };
}

/** Tokens as they come from a socket: strings that no Map has seen yet. */
function verifying(verifier: Verifier, tokens: readonly Buffer[]): Subject["run"] {
  return repeat((index) => {
    const verdict = verifier.verify(tokens[index % tokens.length]?.toString("latin1"));
    if (!verdict.ok) throw new Error(`a good token is refused: ${verdict.code}`);
    return verdict;
  });
}

async function measureChecks(report: Report, size: number): Promise<void> {
  const server = await serveFeed(size);
  const tokens = Array.from({ length: 100 }, () => Buffer.from(server.token(), "latin1"));
  for (const cached of [true, false]) {
    const name = `check at ${size} entries, ${cached ? "cached" : "uncached"}`;
    console.error(`bench: ${name}`);
    const [bare, following] = [verifierOf(server.issuer, false, cached), verifierOf(server.issuer, true, cached)];
    await Promise.all([bare.ready(), following.ready()]);
    const measured = await interleave(
      [
        { name: "without the feed", run: verifying(bare, tokens) },
        { name: "mapae", run: verifying(following, tokens) },
      ],
      PLAN,
    );
    const [without, with_] = measured;
    for (const { subject, cpu, wall } of measured) {
      const row = { case: name, subject, runs: PLAN.rounds };
      report({ ...row, metric: "cpu", value: median(cpu), unit: "us" });
      report({ ...row, metric: "p50", value: median(wall), unit: "us" });
    }
    const added = with_?.cpu.map((value, round) => (value - (without?.cpu[round] ?? Number.NaN)) * 1000) ?? [];
    report({ case: name, subject: "mapae", metric: "added", value: median(added), unit: "ns", runs: PLAN.rounds });
    bare.close();
    following.close();
  }
  await server.close();
}

/** What `stands` costs for one remembered token when the head has moved since it was judged. */
async function measureJudging(report: Report, size: number): Promise<void> {
  const epoch = Math.floor(Date.now() / 1000);
  const copy = filledCopy(randomEntries(size, epoch));
  const tokens = Array.from({ length: 5_000 }, (_, index) => {
    const ids = { jti: `t${index}`, sid: `s${index}`, gid: `g${index}`, client_id: "web", rsq: [epoch, size] as const };
    return copy.prints({ iss: "i", sub: `u${index}`, aud: "a", iat: epoch, exp: epoch + 300, ...ids }, "k");
  });
  for (const token of tokens) copy.judge(token);
  const version = tokens[0]?.seen ?? 0;
  const judging = (seen: number) =>
    repeat((index) => {
      const token = tokens[index % tokens.length];
      if (token === undefined) return undefined;
      token.seen = seen;
      return copy.judge(token);
    });
  const measured = await interleave(
    [
      { name: "mapae, one entry later", run: judging(version - 1) },
      { name: "mapae, many entries later", run: judging(version - 1_000) },
    ],
    PLAN,
  );
  for (const { subject, cpu } of measured) {
    const row = { case: `check at ${size} entries, head moved`, subject, runs: PLAN.rounds };
    report({ ...row, metric: "added", value: median(cpu) * 1000, unit: "ns" });
  }
}

function filledCopy(octets: Uint8Array): Copy {
  const copy = createCopy("https://login.example.com");
  copy.use(FEED_KEY);
  copy.add(octets, 0, octets.length / ENTRY_BYTES);
  return copy;
}

function measureGrowth(report: Report): void {
  const octets = randomEntries(LARGEST, Math.floor(Date.now() / 1000));
  const copy = createCopy("https://login.example.com");
  copy.use(FEED_KEY);
  let longest = 0;
  const began = performance.now();
  for (let done = 0; done < LARGEST; done += FRAME) {
    const before = performance.now();
    if (!copy.add(octets, done * ENTRY_BYTES, FRAME)) throw new Error("the set was full");
    longest = Math.max(longest, performance.now() - before);
  }
  const row = { case: `growth to ${LARGEST} entries`, subject: "mapae", runs: 1 };
  report({ ...row, metric: "memory", value: copy.bytes / 1e6, unit: "MB" });
  report({ ...row, metric: "pause", value: longest, unit: "ms" });
  report({ ...row, metric: "cpu", value: ((performance.now() - began) * 1000) / LARGEST, unit: "us" });
}

async function measureSnapshot(report: Report): Promise<void> {
  const server = await serveFeed(LARGEST);
  const times: number[] = [];
  const pauses: number[] = [];
  for (let run = 0; run < SNAPSHOT_RUNS; run++) {
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    const began = performance.now();
    const verifier = verifierOf(server.issuer, true, false);
    await verifier.ready();
    times.push(performance.now() - began);
    delay.disable();
    pauses.push(delay.max / 1e6);
    if (verifier.status()?.entries !== LARGEST) throw new Error("the snapshot is not whole");
    verifier.close();
  }
  const row = { case: `snapshot of ${LARGEST}`, subject: "mapae", runs: SNAPSHOT_RUNS };
  report({ ...row, metric: "p50", value: median(times) / 1000, unit: "s" });
  report({ ...row, metric: "pause", value: median(pauses), unit: "ms" });
  await server.close();
}

/** @param options `alone` measures within one process only, `connected` only what goes over the feed */
export async function run(report: Report, { args }: BenchOptions): Promise<void> {
  const [only] = args;
  if (args.length > 1 || (only !== undefined && only !== "alone" && only !== "connected")) {
    throw new TypeError("revocation measures `alone`, `connected`, or both");
  }
  if (only !== "alone") await runConnected(report);
  if (only === "connected") return;
  for (const size of SIZES) await measureChecks(report, size);
  for (const size of SIZES) await measureJudging(report, size);
  console.error("bench: growth");
  measureGrowth(report);
  console.error("bench: snapshot");
  await measureSnapshot(report);
  if (sink === undefined) throw new Error("nothing was measured");
}
