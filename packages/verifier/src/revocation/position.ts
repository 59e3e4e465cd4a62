/**
 * A place in the revocation log: the epoch (a new one begins after a restore) and the sequence number within it, gapless
 * in commit order. Positions are compared lexicographically and with nothing else; no clock takes part.
 *
 *   (epoch 1800000000, seq 41)  <  (1800000000, 42)  <  (1800003600, 1)          as text: "1800000000.41"
 */
export interface Position {
  readonly epoch: number;
  readonly seq: number;
}

/** Largest epoch and largest sequence number: both travel as 48 bits. */
export const COUNT_MAX = 2 ** 48 - 1;

/** Before everything. */
export const ORIGIN: Position = Object.freeze({ epoch: 0, seq: 0 });

/** Below 0 where `left` comes first, 0 where they are the same place. */
export function comparePositions(left: Position, right: Position): number {
  return left.epoch === right.epoch ? left.seq - right.seq : left.epoch - right.epoch;
}

export function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= COUNT_MAX;
}

export function formatPosition({ epoch, seq }: Position): string {
  return `${epoch}.${seq}`;
}

/** The position that a text spells in its one way (no leading zeros), or null. */
export function parsePosition(text: unknown): Position | null {
  if (typeof text !== "string") return null;
  const parts = /^(0|[1-9]\d{0,14})\.(0|[1-9]\d{0,14})$/.exec(text);
  if (parts === null) return null;
  const [epoch, seq] = [Number(parts[1]), Number(parts[2])];
  return isCount(epoch) && isCount(seq) ? { epoch, seq } : null;
}
