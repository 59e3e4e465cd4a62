/**
 * A message on its way to a client, as one WebSocket frame (RFC 6455 §5.2): unmasked, unfragmented, uncompressed.
 *
 *   0               1               2 … 9           then
 *   ┌───────────────┬───────────────┬───────────────┬─────────┐
 *   │ FIN, opcode   │ length ≤ 125, │ length in 2   │ payload │
 *   │               │ or 126, 127   │ or 8 octets   │         │
 *   └───────────────┴───────────────┴───────────────┴─────────┘
 *
 * Header and payload are one buffer, so that a message is one plain write; and what goes to a thousand clients is put
 * together once.
 */

const FIN = 0x80;
const TEXT = 0x1;
const BINARY = 0x2;

const binary = new WeakMap<Uint8Array, Buffer>();

/** @param message octets must not change afterwards */
export function frameOf(message: string | Uint8Array): Buffer {
  if (typeof message === "string") return assemble(TEXT, Buffer.from(message));
  const known = binary.get(message);
  if (known !== undefined) return known;
  const made = assemble(BINARY, message);
  binary.set(message, made);
  return made;
}

function assemble(opcode: number, payload: Uint8Array): Buffer {
  const { length } = payload;
  const extended = length < 126 ? 0 : length < 0x10000 ? 2 : 8;
  const frame = Buffer.allocUnsafe(2 + extended + length);
  frame[0] = FIN | opcode;
  frame[1] = extended === 0 ? length : extended === 2 ? 126 : 127;
  if (extended === 2) frame.writeUInt16BE(length, 2);
  if (extended === 8) frame.writeBigUInt64BE(BigInt(length), 2);
  frame.set(payload, 2 + extended);
  return frame;
}
