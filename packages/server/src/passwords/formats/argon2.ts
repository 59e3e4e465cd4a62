/**
 * Argon2 (RFC 9106) in PHC strings: our own hashes, and imported ones. Argon2id, and Argon2i as older PHP and Python
 * made it; Argon2d leaks through timing and is not for passwords (RFC 9106 §4).
 *
 * The library is loaded with the first hash: it takes longer to load (40 ms) than the whole of it takes to hash.
 */
import { fromBase64 } from "./encoding.ts";
import { type CostUnits, DIGEST_BYTES, type HashFormat, type ParsedHash, within } from "./format.ts";

/** `memory` in KiB, `passes` over it, `lanes` that run in parallel: m, t and p of RFC 9106. */
export interface Argon2Parameters {
  readonly memory: number;
  readonly passes: number;
  readonly lanes: number;
}

export const DEFAULT_PARAMETERS: Argon2Parameters = { memory: 19_456, passes: 2, lanes: 1 };
export const OUTPUT_BYTES = 32;
/** What the library needs, and what it takes. */
const ARGON2_SALT_BYTES = { min: 8, max: 48 };

export function costOfArgon2(parameters: Argon2Parameters): CostUnits {
  return (parameters.memory * parameters.passes) / (DEFAULT_PARAMETERS.memory * DEFAULT_PARAMETERS.passes);
}

/** A new Argon2id hash (version 19, 32 bytes) as a PHC string. */
export async function hashArgon2id(password: Buffer, salt: Buffer, parameters: Argon2Parameters): Promise<string> {
  const { hash } = await import("@node-rs/argon2");
  return hash(password, {
    memoryCost: parameters.memory,
    timeCost: parameters.passes,
    parallelism: parameters.lanes,
    outputLen: OUTPUT_BYTES,
    salt,
  });
}

const PHC = /^\$(argon2id?)\$v=19\$m=([1-9]\d{0,9}),t=([1-9]\d{0,9}),p=([1-9]\d{0,2})\$([^$]+)\$([^$]+)$/;

function parsePhc(text: string): ParsedHash | undefined {
  const [, variant, m, t, p, salt64, digest64] = PHC.exec(text) ?? [];
  if (variant === undefined) return undefined;
  const parameters = { memory: Number(m), passes: Number(t), lanes: Number(p) };
  const salt = fromBase64(salt64 ?? "");
  const digest = fromBase64(digest64 ?? "");
  if (salt === undefined || !within(salt, ARGON2_SALT_BYTES)) return undefined;
  if (digest === undefined || !within(digest, DIGEST_BYTES)) return undefined;
  if (parameters.memory < 8 * parameters.lanes || parameters.lanes > 16) return undefined; // RFC 9106 §3.1
  return {
    format: variant,
    parameters: {
      m: parameters.memory,
      t: parameters.passes,
      p: parameters.lanes,
      salt: salt.length,
      digest: digest.length,
    },
    cost: costOfArgon2(parameters),
    memory: parameters.memory,
    verify: async (password) => {
      const { verify } = await import("@node-rs/argon2");
      return verify(text, password);
    },
  };
}

export const ARGON2_FORMATS: readonly HashFormat[] = [
  {
    name: "Argon2id, Argon2i",
    shape: "$argon2id$v=19$m=19456,t=2,p=1$salt$digest",
    begins: /^\$argon2id?\$/,
    parse: parsePhc,
  },
  {
    name: "Argon2 of Django",
    shape: "argon2$argon2id$v=19$m=102400,t=2,p=8$salt$digest",
    begins: /^argon2\$argon2id?\$/,
    parse: (text) => parsePhc(text.slice("argon2".length)),
  },
];
