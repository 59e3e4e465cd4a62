/**
 * The server's side of a WebSocket (RFC 6455) on a socket that Node has handed over, as far as the test issuer needs it:
 * whole text frames come in, whole frames go out. What is fragmented, too long or unmasked ends the connection.
 */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { nodeCrypto } from "./jose/runtime.ts";

export interface TestSocket {
  send(data: string | Uint8Array): void;
  close(): void;
}

export interface TestSocketEvents {
  readonly onText: (text: string) => void;
  readonly onEnd: () => void;
}

const TEXT = 1;
const BINARY = 2;
const CLOSE = 8;
const PING = 9;
const PONG = 10;
const PAYLOAD_MAX = 64 * 1024;

/** @returns null where the request is no WebSocket handshake; the socket is then ended */
export function acceptSocket(
  request: IncomingMessage,
  socket: Duplex,
  protocol: string,
  events: TestSocketEvents,
): TestSocket | null {
  const key = request.headers["sec-websocket-key"];
  if (key === undefined || nodeCrypto === null) {
    socket.end("HTTP/1.1 400 Bad Request\r\n\r\n");
    return null;
  }
  // RFC 6455 §4.2.2.
  const accept = nodeCrypto.createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
  const lines = [`Sec-WebSocket-Accept: ${accept}`, `Sec-WebSocket-Protocol: ${protocol}`];
  const upgrade = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade";
  socket.write(`${upgrade}\r\n${lines.join("\r\n")}\r\n\r\n`);
  let pending: Buffer = Buffer.alloc(0);
  let ended = false;
  const end = () => {
    if (ended) return;
    ended = true;
    socket.destroy();
    events.onEnd();
  };
  socket.on("close", end);
  socket.on("error", end);
  socket.on("data", (piece: Buffer) => {
    pending = Buffer.concat([pending, piece]);
    for (let read = readFrame(pending); read !== "more"; read = readFrame(pending)) {
      if (read === "bad" || read.opcode === CLOSE) return end();
      pending = pending.subarray(read.size);
      if (read.opcode === TEXT) events.onText(read.payload.toString("utf8"));
      else if (read.opcode === PING) socket.write(frameOf(PONG, read.payload));
      else if (read.opcode !== PONG) return end();
      if (ended) return;
    }
  });
  return {
    send(data) {
      if (ended) return;
      socket.write(typeof data === "string" ? frameOf(TEXT, Buffer.from(data)) : frameOf(BINARY, data));
    },
    close() {
      if (!ended) socket.write(frameOf(CLOSE, Buffer.alloc(0)));
      end();
    },
  };
}

/** RFC 6455 §5.2. */
function readFrame(octets: Buffer): { opcode: number; payload: Buffer; size: number } | "more" | "bad" {
  if (octets.length < 6) return "more";
  const first = octets[0] ?? 0;
  const second = octets[1] ?? 0;
  // One frame is one message, and a client masks.
  if ((first & 0xf0) !== 0x80 || (second & 0x80) === 0) return "bad";
  const short = second & 0x7f;
  if (short === 127) return "bad";
  const start = short === 126 ? 4 : 2;
  if (octets.length < start + 4) return "more";
  const length = short === 126 ? octets.readUInt16BE(2) : short;
  if (length > PAYLOAD_MAX) return "bad";
  const size = start + 4 + length;
  if (octets.length < size) return "more";
  const mask = octets.subarray(start, start + 4);
  const payload = Buffer.from(octets.subarray(start + 4, size));
  for (let at = 0; at < payload.length; at++) payload[at] = (payload[at] ?? 0) ^ (mask[at & 3] ?? 0);
  return { opcode: first & 0x0f, payload, size };
}

function frameOf(opcode: number, payload: Uint8Array): Buffer {
  const { length } = payload;
  const header = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  header[0] = 0x80 | opcode;
  header[1] = length < 126 ? length : length < 65_536 ? 126 : 127;
  if (header.length === 4) header.writeUInt16BE(length, 2);
  if (header.length === 10) header.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([header, payload]);
}
