/** Cuts a stream of octets into pieces of one size, and says of each whether it is the last: there is always one. */
import { whole } from "./digest.ts";

export interface Piece {
  readonly octets: Uint8Array;
  readonly last: boolean;
}

/**
 * All pieces but the last have `size` octets; the last has 1 to `size`, and 0 only where nothing came at all. Octets that
 * arrive in pieces of that size are handed on as they are, one behind.
 */
export async function* cutToPieces(source: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Piece> {
  let waiting: Uint8Array[] = [];
  let held = 0;
  for await (const octets of source) {
    let rest = octets;
    // A full piece is given away only when more is known to come.
    while (held + rest.length > size) {
      const taken = size - held;
      yield { octets: whole([...waiting, rest.subarray(0, taken)]), last: false };
      rest = rest.subarray(taken);
      waiting = [];
      held = 0;
    }
    waiting.push(rest);
    held += rest.length;
  }
  yield { octets: whole(waiting), last: true };
}
