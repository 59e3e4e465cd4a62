/**
 * The door of the feed's stream: a WebSocket (RFC 6455) at one path, for one subprotocol.
 *
 * The handshake lets anybody in, because browsers' WebSockets cannot send credentials with it; so nothing goes out before
 * the first frame was a hello with credentials (feed/connection.ts), and what a stranger can hold is bounded: small
 * frames, a few seconds, a cap. No cookie counts here, so that another site's page gains nothing by connecting.
 */
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { FEED_PATHS, SUBPROTOCOL, TEXT_FRAME_MAX } from "@mapae/verifier/revocation";
import type { RawData, WebSocket, WebSocketServer } from "ws";
import type { Link } from "../feed/link.ts";
import type { FollowedFeed } from "../feed/serving.ts";
import { frameOf } from "./websocket-frame.ts";

/** What is behind the door. */
type Followed = Pick<FollowedFeed, "connect">;

/** Takes over a connection whose client asked for another protocol. */
export type Upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/** How long the other side has to take its leave before the connection is cut. */
const FAREWELL_MS = 2_000;

/** @param base the path under which the API is mounted */
export function createStreamDoor(feed: Followed, base: string): Upgrade {
  const path = base + FEED_PATHS.stream;
  let server: Promise<WebSocketServer> | undefined;
  const serve = async (): Promise<WebSocketServer> => {
    // Loaded with the first verifier: a start need not wait for it.
    const { WebSocketServer } = await import("ws");
    return new WebSocketServer({
      noServer: true,
      clientTracking: false,
      maxPayload: TEXT_FRAME_MAX,
      // Entries are hashes: there is nothing to compress.
      perMessageDeflate: false,
      handleProtocols: () => SUBPROTOCOL,
    });
  };
  return (request, socket, head) => {
    socket.on("error", () => socket.destroy());
    const target = request.url ?? "";
    if (target.split("?", 1)[0] !== path) return refuse(socket, "404 Not Found");
    const offered = request.headers["sec-websocket-protocol"]?.split(",").map((name) => name.trim()) ?? [];
    if (request.method !== "GET" || request.headers.upgrade?.toLowerCase() !== "websocket") {
      return refuse(socket, "400 Bad Request");
    }
    if (!offered.includes(SUBPROTOCOL)) return refuse(socket, "400 Bad Request");
    server ??= serve();
    server.then(
      (ready) => ready.handleUpgrade(request, socket, head, (websocket) => carry(websocket, socket, feed)),
      () => socket.destroy(),
    );
  };
}

function refuse(socket: Duplex, status: string): void {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

function carry(websocket: WebSocket, socket: Duplex, feed: Followed): void {
  let farewell: NodeJS.Timeout | undefined;
  const link: Link = {
    // Past the library, which writes header and payload apart: without compression it holds nothing back that could be overtaken.
    send: (frame) => {
      if (websocket.readyState === websocket.OPEN) socket.write(frameOf(frame));
    },
    waiting: () => websocket.bufferedAmount,
    close: (code, reason) => {
      websocket.close(code, reason);
      // Who does not read, or is not there any more, would hold it open.
      farewell ??= setTimeout(() => websocket.terminate(), FAREWELL_MS);
    },
  };
  websocket.on("error", () => {}); // "close" follows and says all that matters
  const connection = feed.connect(link);
  websocket.on("message", (data: RawData, isBinary: boolean) => {
    connection.received(isBinary ? null : data.toString());
  });
  websocket.on("close", (code: number) => {
    clearTimeout(farewell);
    connection.closed(code);
  });
}
