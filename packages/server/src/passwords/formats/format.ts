/**
 * What a row of the table of hash formats is. A row reads a text of its shape into a `ParsedHash`, which knows what
 * verifying costs and how to do it; nothing after that looks at the text again.
 */

/** The cost of one hash with the default parameters (Argon2id, 19 MiB, 2 passes, 1 lane: some 12 ms). */
export type CostUnits = number;

export interface ParsedHash {
  readonly format: string;
  /** What the hash was made with, as its format names it, e.g. `{ N: 16384, r: 8, p: 1 }`. */
  readonly parameters: Readonly<Record<string, number>>;
  /** Roughly: from figures measured side by side on one machine. `measureCost` measures. */
  readonly cost: CostUnits;
  /** Memory while verifying, in KiB. */
  readonly memory: number;
  /** Runs on the thread pool, never on the event loop. */
  verify(password: Buffer): Promise<boolean>;
}

export type HashRefusal = "unknown_format" | "unsupported_format" | "malformed" | "too_costly";
export type ReadHash =
  | { readonly ok: true; readonly hash: ParsedHash }
  | { readonly ok: false; readonly reason: HashRefusal; readonly message: string };

export interface HashFormat {
  readonly name: string;
  /** The shape, for the documentation. */
  readonly shape: string;
  /** Whether a text is meant to be of this format. */
  readonly begins: RegExp;
  /** Reads a text that begins so; `undefined` where the rest is malformed. */
  parse(text: string): ParsedHash | undefined;
}

/** No imported hash may hold a thread for longer than some 1.5 s, or take more memory than this. */
export const COST_LIMIT: CostUnits = 128;
export const MEMORY_LIMIT_KIB = 256 * 1024;

/** A digest shorter than 16 bytes could be met by chance; longer than 64 serves no one. */
export const DIGEST_BYTES = { min: 16, max: 64 };
export const SALT_BYTES = { min: 1, max: 64 };

export function within(bytes: Buffer, bounds: { readonly min: number; readonly max: number }): boolean {
  return bytes.length >= bounds.min && bytes.length <= bounds.max;
}
