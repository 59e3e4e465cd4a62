/** scrypt (RFC 7914), imported: as PHC strings, and as Django and Werkzeug (Flask) write it. Verified by node:crypto. */
import { scrypt, timingSafeEqual } from "node:crypto";
import { fromBase64, fromHex } from "./encoding.ts";
import { DIGEST_BYTES, type HashFormat, type ParsedHash, SALT_BYTES, within } from "./format.ts";

/** Measured: N·r·p = 2^17 takes as long as 3.3 hashes with the default parameters. */
const UNITS_PER_BLOCK = 3.3 / 2 ** 17;
const R_LIMIT = 64;
const P_LIMIT = 64;

interface Scrypt {
  readonly N: number;
  readonly r: number;
  readonly p: number;
}

function scryptHash({ N, r, p }: Scrypt, salt: Buffer | undefined, digest: Buffer | undefined): ParsedHash | undefined {
  if (salt === undefined || !within(salt, SALT_BYTES)) return undefined;
  if (digest === undefined || !within(digest, DIGEST_BYTES)) return undefined;
  // RFC 7914 §2: N is a power of two above 1.
  if (!Number.isInteger(Math.log2(N)) || N < 2 || r > R_LIMIT || p > P_LIMIT) return undefined;
  return {
    format: "scrypt",
    parameters: { N, r, p },
    cost: N * r * p * UNITS_PER_BLOCK,
    memory: Math.ceil((128 * N * r) / 1024),
    verify: async (password) => timingSafeEqual(await derive(password, salt, digest.length, { N, r, p }), digest),
  };
}

function derive(password: Buffer, salt: Buffer, length: number, { N, r, p }: Scrypt): Promise<Buffer> {
  const maxmem = 2 * 128 * r * (N + p);
  return new Promise((resolve, reject) => {
    scrypt(password, salt, length, { N, r, p, maxmem }, (error, key) =>
      error === null ? resolve(key) : reject(error),
    );
  });
}

const PHC = /^\$scrypt\$ln=([1-9]\d?),r=([1-9]\d{0,3}),p=([1-9]\d{0,3})\$([^$]+)\$([^$]+)$/;
const DJANGO = /^scrypt\$([1-9]\d{0,9})\$([^$]+)\$([1-9]\d{0,3})\$([1-9]\d{0,3})\$([^$]+)$/;
const WERKZEUG = /^scrypt:([1-9]\d{0,9}):([1-9]\d{0,3}):([1-9]\d{0,3})\$([^$]+)\$([^$]+)$/;

export const SCRYPT_FORMATS: readonly HashFormat[] = [
  {
    name: "scrypt",
    shape: "$scrypt$ln=14,r=8,p=1$salt$digest",
    begins: /^\$scrypt\$/,
    parse: (text) => {
      const [, ln, r, p, salt = "", digest = ""] = PHC.exec(text) ?? [];
      return ln === undefined
        ? undefined
        : scryptHash({ N: 2 ** Number(ln), r: Number(r), p: Number(p) }, fromBase64(salt), fromBase64(digest));
    },
  },
  {
    name: "scrypt of Django",
    shape: "scrypt$16384$salt$8$5$digest",
    begins: /^scrypt\$/,
    parse: (text) => {
      const [, N, salt = "", r, p, digest = ""] = DJANGO.exec(text) ?? [];
      return N === undefined
        ? undefined
        : scryptHash({ N: Number(N), r: Number(r), p: Number(p) }, Buffer.from(salt), fromBase64(digest, "padded"));
    },
  },
  {
    name: "scrypt of Werkzeug (Flask)",
    shape: "scrypt:32768:8:1$salt$hex",
    begins: /^scrypt:/,
    parse: (text) => {
      const [, N, r, p, salt = "", digest = ""] = WERKZEUG.exec(text) ?? [];
      return N === undefined
        ? undefined
        : scryptHash({ N: Number(N), r: Number(r), p: Number(p) }, Buffer.from(salt), fromHex(digest));
    },
  },
];
