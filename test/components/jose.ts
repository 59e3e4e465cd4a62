/**
 * Other implementations of JOSE, outside of Node, behind one face: Debian's `jose` (C, over OpenSSL and Jansson) and
 * `python3-jwcrypto`. Each signs, verifies, encrypts and decrypts in a process of its own; what it refuses is a throw.
 *
 * Octets are given and taken as Buffers, keys as JWK, and JOSE texts in compact serialisation.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Jwk } from "@mapae/verifier";

export type Header = Readonly<Record<string, unknown>> & { readonly alg: string };

export interface ForeignJose {
  readonly name: string;
  /** Algorithms of sealing that it does not have; a test sees to it that these are still all. */
  readonly lacks: readonly string[];
  sign(payload: Uint8Array, header: Header, key: Jwk): string;
  /** @returns the payload */
  verify(jws: string, key: Jwk): Buffer;
  encrypt(plaintext: Uint8Array, header: Header, key: Jwk): string;
  decrypt(jwe: string, key: Jwk): Buffer;
}

const TIMEOUT_MS = 60_000;
const JOSE = "/usr/bin/jose";
/** Debian's own Python, which sees Debian's packages. */
const PYTHON = "/usr/bin/python3";
const PROGRAM = fileURLToPath(new URL("../interop/with_jwcrypto.py", import.meta.url));

function run(program: string, args: readonly string[], input: string): Buffer {
  const ran = spawnSync(program, args, { input, timeout: TIMEOUT_MS, maxBuffer: 64 * 1024 * 1024 });
  if (ran.error !== undefined) throw ran.error;
  if (ran.status !== 0)
    throw new Error(`${[program, ...args.slice(0, 2)].join(" ")}: ${ran.stderr.toString().slice(-300)}`);
  return ran.stdout;
}

/** Runs `jose` with its inputs as files. */
function withFiles<Result>(files: Readonly<Record<string, string | Uint8Array>>, work: (at: string) => Result): Result {
  const folder = mkdtempSync(join(tmpdir(), "mapae-jose-"));
  try {
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
    return work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const debian: ForeignJose = {
  name: "jose of Debian",
  // Of version 11, Debian 12: no RFC 8037, and of RSA's encryptions RSA1_5 alone.
  lacks: ["EdDSA", "ECDH-ES over X25519", "RSA-OAEP-256"],
  sign: (payload, header, key) =>
    withFiles({ payload, key: JSON.stringify(key) }, (at) =>
      run(JOSE, ["jws", "sig", "-I", `${at}/payload`, "-k", `${at}/key`, "-s", template(header), "-c"], "").toString(),
    ),
  verify: (jws, key) =>
    withFiles({ jws, key: JSON.stringify(key) }, (at) =>
      run(JOSE, ["jws", "ver", "-i", `${at}/jws`, "-k", `${at}/key`, "-O", "-"], ""),
    ),
  encrypt: (plaintext, header, key) =>
    withFiles({ plaintext, key: JSON.stringify(key) }, (at) =>
      run(
        JOSE,
        ["jwe", "enc", "-I", `${at}/plaintext`, "-k", `${at}/key`, "-i", template(header), "-c"],
        "",
      ).toString(),
    ),
  decrypt: (jwe, key) =>
    withFiles({ jwe, key: JSON.stringify(key) }, (at) =>
      run(JOSE, ["jwe", "dec", "-i", `${at}/jwe`, "-k", `${at}/key`], ""),
    ),
};

const template = (header: Header): string => JSON.stringify({ protected: header });

function python(task: string, key: Jwk, text: string, header?: Header): string {
  const result: unknown = JSON.parse(run(PYTHON, [PROGRAM], JSON.stringify({ task, key, text, header })).toString());
  if (typeof result !== "string") throw new Error("with_jwcrypto.py answered no text");
  return result;
}

const latin1 = (octets: Uint8Array): string => Buffer.from(octets).toString("latin1");

const jwcrypto: ForeignJose = {
  name: "jwcrypto of Python",
  lacks: [],
  sign: (payload, header, key) => python("sign", key, latin1(payload), header),
  verify: (jws, key) => Buffer.from(python("verify", key, jws), "latin1"),
  encrypt: (plaintext, header, key) => python("encrypt", key, latin1(plaintext), header),
  decrypt: (jwe, key) => Buffer.from(python("decrypt", key, jwe), "latin1"),
};

/** What each needs, and whether it is there. */
const NEEDS: readonly { readonly jose: ForeignJose; readonly package: string; readonly present: () => boolean }[] = [
  { jose: debian, package: "jose", present: () => existsSync(JOSE) },
  {
    jose: jwcrypto,
    package: "python3-jwcrypto",
    present: () => existsSync(PYTHON) && spawnSync(PYTHON, ["-c", "from jwcrypto import jwe, jwk, jws"]).status === 0,
  },
];

/** Every implementation, and what to give to node:test where it is not there: told in one loud line, a failure in CI. */
export const FOREIGN = NEEDS.map((needed) => {
  const isThere = needed.present();
  if (!isThere && process.env.CI === "true") throw new Error(`${needed.package} is not installed, and CI must test it`);
  if (!isThere) console.error(`SKIPPED: ${needed.package} is not installed, so nothing is tested against it.`);
  return { jose: needed.jose, needs: { skip: !isThere } };
});
