/**
 * The socket: a Node HTTP server around the handler, with bounds on what a connection may do, and an end that loses nobody:
 *
 *   open ──drain──► each answer ends its connection ──close──► nobody new, what was sent is answered ──► over
 */
import type { Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { App } from "../http/app.ts";
import { fromMessage } from "../http/incoming.ts";
import { LingeringServer } from "../http/lingering-server.ts";
import { problem } from "../http/problem.ts";
import type { Reply } from "../http/reply.ts";
import type { Upgrade } from "../http/stream.ts";
import { StartRefused } from "../prelude/fault.ts";

export interface Listening {
  readonly port: number;
  /** Until then, everything is answered with 503. */
  answerWith(app: App, upgrade?: Upgrade): void;
  /** From now on each answer says `Connection: close` and ends its connection, so that clients move on by themselves. */
  drain(): void;
  /**
   * Takes no new connections, waits for requests under way (at most `graceMs`), then cuts what is left. A request that was
   * sent before this on a connection kept alive is one of those under way, though it may not have arrived yet.
   */
  close(graceMs: number): Promise<void>;
}

const BOUNDS = {
  headersTimeout: 10_000,
  requestTimeout: 30_000,
  keepAliveTimeout: 65_000,
  maxHeaderSize: 16_384,
  // Two Authorization headers become one that is no bearer token, instead of the first quietly winning.
  joinDuplicateHeaders: true,
};

/** The settings that say where to listen, as an operator writes them. */
export interface ListenSettings {
  readonly host: string;
  readonly port: string;
}

const SERVER_SETTINGS: ListenSettings = { host: "MAPAE_HOST", port: "MAPAE_PORT" };

/** What a failed listen means to the operator, by its code. */
const LISTEN_FAULTS: Record<string, (host: string, port: number, settings: ListenSettings) => string> = {
  EADDRINUSE: (host, port, set) =>
    `Port ${port} on ${host} is in use: another server has it. Set ${set.port} to a free one.`,
  EACCES: (_host, port, set) => `Port ${port} may not be used by this account. Set ${set.port} to one above 1023.`,
  EADDRNOTAVAIL: (host, _port, set) => `${set.host} ${host} is no address of this machine.`,
  ENOTFOUND: (host, _port, set) => `${set.host} ${host} is no address of this machine.`,
};

/** Binds the port. Throws `StartRefused` where it cannot be had. */
export async function listen(
  host: string,
  port: number,
  settings: ListenSettings = SERVER_SETTINGS,
): Promise<Listening> {
  let app: App = async () => problem("unavailable", { detail: "The server is starting.", retryAfter: 1 });
  let upgrade: Upgrade = (_message, socket) => void socket.destroy();
  let closing = false;
  const server = new LingeringServer(BOUNDS, (message, response) => {
    app(fromMessage(message), message.socket).then(
      (reply) => write(reply, response, closing),
      () => response.destroy(),
    );
  });
  server.on("upgrade", (message, socket, head) => upgrade(message, socket, head));
  await bind(server, host, port, settings);
  return {
    port: (server.address() as AddressInfo).port,
    answerWith: (ready, upgradeBy = upgrade) => {
      app = ready;
      upgrade = upgradeBy;
    },
    drain: () => {
      closing = true;
    },
    close: (graceMs) => {
      closing = true;
      return server.end(graceMs);
    },
  };
}

/** @param last whether the connection ends with this answer: one kept alive would hold up the end of the server */
function write({ status, headers, cookies, body }: Reply, response: ServerResponse, last: boolean): void {
  const all: Record<string, string | number | string[]> = headers;
  if (cookies.length > 0) all["set-cookie"] = cookies;
  if (body !== null) all["content-length"] = Buffer.byteLength(body);
  // What was not read of a refused body is cut off with the connection rather than read to its end.
  if (last || (status === 413 && !response.req.complete)) all.connection = "close";
  response.writeHead(status, all);
  response.end(body);
}

function bind(server: Server, host: string, port: number, settings: ListenSettings): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      const says =
        LISTEN_FAULTS[error.code ?? ""]?.(host, port, settings) ?? `Cannot listen on ${host}:${port}: ${error.message}`;
      reject(new StartRefused(says));
    });
    server.listen(port, host, resolve);
  });
}
