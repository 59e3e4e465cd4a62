/**
 * How fast a file is sealed and opened, beside the least that could do the job (`limit`): one AES-256-GCM and one SHA-256 over
 * the same octets, piece by piece. The bar is half of that.
 *
 *   memory   octets are in memory, and what comes out goes nowhere: what the format and the code cost
 *   files    from a file to a file, as `mapae seal` and `mapae open` do it; `limit` reads and writes in the same way
 *
 * Sealing hashes twice (the ciphertext that is signed, the plaintext that a receipt proves); opening also reads everything
 * twice, and hashes the ciphertext before it decrypts anything. `peak` is how much the process grew meanwhile, `peak RSS` what
 * it had in all: constant, whatever the size.
 *
 * `--mib=1024` for another size than 256 MiB, `--dir=/path` for another place than the system's for temporary files: where
 * the disk is the slowest part, `files` measures the disk. Four times the size has to be free there.
 */
import { createCipheriv, createHash, generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, statfsSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  bindPrivateKeys,
  bindPublicKeys,
  octetsOf,
  openFile,
  type Seekable,
  sealFile,
  seekableHandle,
} from "@mapae/verifier/seal";
import { type BenchOptions, median, pairedRatio, type Report, timed } from "./harness.ts";

const MIB = 1024 * 1024;
/** In memory a round takes a moment, so that what disturbs one subject disturbs its neighbours too. */
const ROUNDS = { memory: 24, files: 6 } as const;
/** What the memory lanes work on. */
const HELD_MIB = 64;

interface Keys {
  readonly own: Awaited<ReturnType<typeof bindPrivateKeys>>;
  readonly published: Awaited<ReturnType<typeof bindPublicKeys>>;
}

async function newKeys(): Promise<Keys> {
  const [signs, opens] = [generateKeyPairSync("ed25519"), generateKeyPairSync("x25519")];
  const jwks = (...keys: readonly KeyObject[]) => keys.map((key) => key.export({ format: "jwk" }));
  return {
    own: await bindPrivateKeys(jwks(signs.privateKey, opens.privateKey)),
    published: await bindPublicKeys(jwks(signs.publicKey, opens.publicKey)),
  };
}

/** Where results go, so that no engine can leave the work out. */
let sink: unknown;

function bareWork() {
  const cipher = createCipheriv("aes-256-gcm", randomBytes(32), randomBytes(12));
  const hash = createHash("sha256");
  return {
    piece(octets: Uint8Array): Uint8Array {
      const ciphertext = cipher.update(octets);
      hash.update(ciphertext);
      return ciphertext;
    },
    end(): void {
      cipher.final();
      sink = [cipher.getAuthTag(), hash.digest()];
    },
  };
}

/** Content in memory, and the same sealed: more than the caches hold. */
interface Held {
  readonly plain: Buffer;
  readonly sealed: Seekable;
}

async function* piecesOf(plain: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < plain.length; at += MIB) yield plain.subarray(at, at + MIB);
}

async function held(mib: number, keys: Keys): Promise<Held> {
  const plain = randomBytes(mib * MIB);
  const parts: Uint8Array[] = [];
  for await (const part of sealFile(piecesOf(plain), { from: keys.own, to: keys.published })) parts.push(part);
  const whole = Buffer.concat(parts);
  return {
    plain,
    sealed: { size: whole.length, read: async (at, length) => whole.subarray(at, at + length) },
  };
}

async function limitInMemory({ plain }: Held): Promise<void> {
  const bare = bareWork();
  for await (const octets of piecesOf(plain)) bare.piece(octets);
  bare.end();
}

async function sealInMemory({ plain }: Held, keys: Keys): Promise<void> {
  for await (const part of sealFile(piecesOf(plain), { from: keys.own, to: keys.published })) sink = part;
}

async function openInMemory({ sealed }: Held, keys: Keys): Promise<void> {
  const write = (part: Uint8Array) => {
    sink = part;
  };
  const outcome = await openFile(sealed, write, { from: keys.published, to: keys.own });
  if (!outcome.ok) throw new Error(outcome.message);
}

/** Writes behind the work, some pieces at most. */
function writer(handle: FileHandle): { write(octets: Uint8Array): Promise<void>; end(): Promise<unknown> } {
  const under: Promise<unknown>[] = [];
  let at = 0;
  return {
    async write(octets) {
      under.push(handle.write(octets, 0, octets.length, at));
      at += octets.length;
      if (under.length > 4) await under.shift();
    },
    end: () => Promise.all(under),
  };
}

async function withFiles(from: string, to: string, work: (source: Seekable, target: FileHandle) => Promise<void>) {
  rmSync(to, { force: true });
  const [input, output] = [await open(from, "r"), await open(to, "w")];
  try {
    await work(seekableHandle(input, (await input.stat()).size), output);
  } finally {
    await input.close();
    await output.close();
  }
}

interface Places {
  readonly plain: string;
  readonly bare: string;
  readonly sealed: string;
  readonly opened: string;
}

async function limitFiles({ plain, bare }: Places): Promise<void> {
  await withFiles(plain, bare, async (source, target) => {
    const { write, end } = writer(target);
    const work = bareWork();
    for await (const octets of octetsOf(source)) await write(work.piece(octets));
    work.end();
    await end();
  });
}

async function sealFiles({ plain, sealed }: Places, keys: Keys): Promise<void> {
  await withFiles(plain, sealed, async (source, target) => {
    const { write, end } = writer(target);
    for await (const part of sealFile(octetsOf(source), { from: keys.own, to: keys.published })) await write(part);
    await end();
  });
}

async function openFiles({ sealed, opened }: Places, keys: Keys): Promise<void> {
  await withFiles(sealed, opened, async (source, target) => {
    const { write, end } = writer(target);
    const outcome = await openFile(source, write, { from: keys.published, to: keys.own });
    if (!outcome.ok) throw new Error(outcome.message);
    await end();
  });
}

interface Watched {
  readonly cpu: number;
  readonly wall: number;
  /** How far the process grew beyond what it had, and what it had then, in MiB. */
  readonly peak: number;
  readonly rss: number;
}

async function watched(work: () => Promise<void>): Promise<Watched> {
  const before = process.memoryUsage.rss();
  let peak = before;
  const look = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss());
  }, 10);
  const cost = await timed(work);
  clearInterval(look);
  return { ...cost, peak: (peak - before) / MIB, rss: peak / MIB };
}

function optionsOf(args: readonly string[]): { readonly mib: number; readonly dir: string } {
  let mib = 256;
  let dir = tmpdir();
  for (const arg of args) {
    const [, name, value = ""] = /^--(mib|dir)=(.+)$/.exec(arg) ?? [];
    if (name === "mib" && /^[1-9]\d{0,5}$/.test(value)) mib = Number(value);
    else if (name === "dir") dir = value;
    else throw new TypeError("seal takes --mib=256 and --dir=/tmp");
  }
  const { bavail, bsize } = statfsSync(dir);
  const free = Math.floor((bavail * bsize) / MIB);
  // The file in its four forms, and something for everybody else.
  if (free < 4 * mib + 256)
    throw new Error(`${dir} has ${free} MiB free, and ${4 * mib + 256} are needed: --mib, --dir`);
  return { mib, dir };
}

interface Lane {
  readonly case: "memory" | "files";
  readonly subject: "limit" | "seal" | "open";
  readonly mib: number;
  readonly run: () => Promise<void>;
  readonly costs: Watched[];
}

async function measure(lanes: readonly Lane[]): Promise<void> {
  const rounds = ROUNDS[lanes[0]?.case ?? "files"];
  for (let round = 0; round <= rounds; round++) {
    for (let turn = 0; turn < lanes.length; turn++) {
      const next = lanes[(turn + round) % lanes.length];
      const cost = next === undefined ? null : await watched(next.run);
      // The first round warms up.
      if (round > 0 && cost !== null) next?.costs.push(cost);
    }
  }
}

export async function run(report: Report, { args }: BenchOptions): Promise<void> {
  const { mib, dir } = optionsOf(args);
  const folder = mkdtempSync(join(dir, "mapae-bench-seal-"));
  const at = (name: string) => join(folder, name);
  const places: Places = { plain: at("plain"), bare: at("bare"), sealed: at("sealed"), opened: at("opened") };
  try {
    const keys = await newKeys();
    console.error(`bench: ${mib} MiB, ${ROUNDS.files} rounds, in ${folder}`);
    const share = Math.min(mib, HELD_MIB);
    const memory = await held(share, keys);
    await withFiles("/dev/null", places.plain, async (_nothing, target) => {
      for (let done = 0; done < mib; done++) await target.write(memory.plain, (done % share) * MIB, MIB);
    });
    const lane = (where: Lane["case"], subject: Lane["subject"], run: Lane["run"]): Lane => {
      return { case: where, subject, run, mib: where === "memory" ? share : mib, costs: [] };
    };
    // In this order the first time: `open` opens what `seal` has left.
    const lanes = [
      lane("memory", "limit", () => limitInMemory(memory)),
      lane("memory", "seal", () => sealInMemory(memory, keys)),
      lane("memory", "open", () => openInMemory(memory, keys)),
      lane("files", "limit", () => limitFiles(places)),
      lane("files", "seal", () => sealFiles(places, keys)),
      lane("files", "open", () => openFiles(places, keys)),
    ];
    for (const where of ["memory", "files"] as const) await measure(lanes.filter((lane) => lane.case === where));
    for (const { case: where, subject, mib: done, costs } of lanes) {
      const limit = lanes.find((other) => other.case === where && other.subject === "limit")?.costs ?? [];
      const row = { case: where, subject, runs: ROUNDS[where] };
      const of = (name: "wall" | "cpu") =>
        pairedRatio(
          limit.map((cost) => cost[name]),
          costs.map((cost) => cost[name]),
        );
      report({ ...row, metric: "speed", value: 1e6 / (median(costs.map(({ wall }) => wall)) / done), unit: "MiB/s" });
      report({ ...row, metric: "of limit", value: of("wall"), unit: "ratio" });
      report({ ...row, metric: "of limit, CPU", value: of("cpu"), unit: "ratio" });
      report({ ...row, metric: "peak", value: Math.max(...costs.map(({ peak }) => peak)), unit: "MiB" });
      report({ ...row, metric: "peak RSS", value: Math.max(...costs.map(({ rss }) => rss)), unit: "MiB" });
    }
    if (sink === undefined) throw new Error("nothing was measured");
  } finally {
    rmSync(folder, { recursive: true });
  }
}
