/** PBKDF2 (RFC 8018 §5.2), imported: as passlib, Django and Werkzeug (Flask) write it. Verified by node:crypto. */
import { pbkdf2, timingSafeEqual } from "node:crypto";
import { fromBase64, fromDottedBase64, fromHex } from "./encoding.ts";
import { DIGEST_BYTES, type HashFormat, type ParsedHash, SALT_BYTES, within } from "./format.ts";

/** Measured: 100,000 iterations, as hashes with the default parameters, for each block of `bytes` of output. */
const DIGESTS = {
  sha1: { bytes: 20, units: 1.3 },
  sha256: { bytes: 32, units: 1.3 },
  sha512: { bytes: 64, units: 4 },
} as const;
type Digest = keyof typeof DIGESTS;

function isDigest(name: string): name is Digest {
  return Object.hasOwn(DIGESTS, name);
}

interface Pbkdf2 {
  readonly digest: string;
  readonly iterations: number;
}

function pbkdf2Hash(
  { digest, iterations }: Pbkdf2,
  salt: Buffer | undefined,
  key: Buffer | undefined,
): ParsedHash | undefined {
  if (!isDigest(digest)) return undefined;
  if (salt === undefined || !within(salt, SALT_BYTES)) return undefined;
  if (key === undefined || !within(key, DIGEST_BYTES)) return undefined;
  const { bytes, units } = DIGESTS[digest];
  return {
    format: `pbkdf2-${digest}`,
    parameters: { iterations },
    cost: (iterations / 100_000) * units * Math.ceil(key.length / bytes),
    memory: 1,
    verify: async (password) => timingSafeEqual(await derive(password, salt, iterations, key.length, digest), key),
  };
}

function derive(password: Buffer, salt: Buffer, iterations: number, length: number, digest: Digest): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    pbkdf2(password, salt, iterations, length, digest, (error, key) => (error === null ? resolve(key) : reject(error)));
  });
}

const PASSLIB = /^\$pbkdf2(?:-(sha256|sha512))?\$([1-9]\d{0,9})\$([^$]+)\$([^$]+)$/;
const DJANGO = /^pbkdf2_(sha1|sha256)\$([1-9]\d{0,9})\$([^$]+)\$([^$]+)$/;
const WERKZEUG = /^pbkdf2:(sha1|sha256|sha512):([1-9]\d{0,9})\$([^$]+)\$([^$]+)$/;

export const PBKDF2_FORMATS: readonly HashFormat[] = [
  {
    name: "PBKDF2 of passlib",
    shape: "$pbkdf2-sha256$29000$salt$digest ($pbkdf2$, $pbkdf2-sha512$)",
    begins: /^\$pbkdf2[-$]/,
    parse: (text) => {
      const [, digest = "sha1", iterations, salt = "", key = ""] = PASSLIB.exec(text) ?? [];
      return pbkdf2Hash({ digest, iterations: Number(iterations) }, fromDottedBase64(salt), fromDottedBase64(key));
    },
  },
  {
    name: "PBKDF2 of Django",
    shape: "pbkdf2_sha256$600000$salt$digest (pbkdf2_sha1)",
    begins: /^pbkdf2_/,
    parse: (text) => {
      const [, digest = "", iterations, salt = "", key = ""] = DJANGO.exec(text) ?? [];
      return pbkdf2Hash({ digest, iterations: Number(iterations) }, Buffer.from(salt), fromBase64(key, "padded"));
    },
  },
  {
    name: "PBKDF2 of Werkzeug (Flask)",
    shape: "pbkdf2:sha256:600000$salt$hex (sha1, sha512)",
    begins: /^pbkdf2:/,
    parse: (text) => {
      const [, digest = "", iterations, salt = "", key = ""] = WERKZEUG.exec(text) ?? [];
      return pbkdf2Hash({ digest, iterations: Number(iterations) }, Buffer.from(salt), fromHex(key));
    },
  },
];
