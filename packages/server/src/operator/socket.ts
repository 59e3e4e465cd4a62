/**
 * The local socket in the data folder: where a running server answers its operator. Its file mode is the whole
 * authentication: 0600 from the moment it exists, so only the account that the server runs under (and root) may open it.
 *
 *   nothing there ──► bind        a live server answers ──► refused        left by a kill -9 ──► removed, bind
 *
 * On Windows it is a named pipe, whose default permissions let others read but not write, so that they cannot ask.
 */
import { createHash } from "node:crypto";
import { lstatSync, mkdirSync, unlinkSync } from "node:fs";
import { createServer, request as httpRequest, type Server } from "node:http";
import { connect } from "node:net";
import { dirname, relative } from "node:path";
import type { App } from "../http/app.ts";
import { fromMessage } from "../http/incoming.ts";
import { StartRefused } from "../prelude/fault.ts";

/** How long the address of a Unix socket may be on the strictest system (macOS: 104 bytes with its NUL). */
const ADDRESS_BYTES = 103;
const PROBE_MS = 2_000;

export interface OperatorSocket {
  /** Takes no new requests, waits for those under way (at most `graceMs`), then cuts what is left. */
  close(graceMs: number): Promise<void>;
}

/** `unavailable`: why there can be none here, as the end of a sentence. The server serves all the same. */
export type OpenedSocket = { readonly socket: OperatorSocket } | { readonly unavailable: string };

/** The address to give to the system, or `null` where the data folder's path is too long for one. */
export function addressOf(path: string): string | null {
  if (process.platform === "win32") {
    return `\\\\.\\pipe\\mapae-${createHash("sha256").update(path.toLowerCase()).digest("hex").slice(0, 32)}`;
  }
  const fits = [path, relative(process.cwd(), path)].filter((text) => Buffer.byteLength(text) <= ADDRESS_BYTES);
  return fits[0] ?? null;
}

/** What is at a socket's path: a server that takes connections, one that this account may not ask, or nobody. */
export type Presence = "live" | "forbidden" | "none";

export function presenceAt(path: string): Promise<Presence> {
  const address = addressOf(path);
  if (address === null) return Promise.resolve("none");
  return new Promise((resolve) => {
    const socket = connect(address);
    const end = (presence: Presence): void => {
      socket.destroy();
      resolve(presence);
    };
    // A server that is stopped or overloaded does not answer in time, and is there all the same.
    socket.setTimeout(PROBE_MS, () => end("live"));
    socket.once("connect", () => end("live"));
    socket.once("error", (error: NodeJS.ErrnoException) =>
      end(error.code === "EACCES" || error.code === "EPERM" ? "forbidden" : "none"),
    );
  });
}

/**
 * Listens, and answers with the handler. Throws `StartRefused` where another server has the data folder.
 * @param handler loaded with the first request: most servers never see one
 */
export async function openSocket(path: string, handler: () => Promise<App>): Promise<OpenedSocket> {
  const address = addressOf(path);
  if (address === null) return { unavailable: `the path ${path} is too long for a local socket` };
  const server = createServer((message, response) => {
    void handler()
      .then((app) => app(fromMessage(message), {}))
      .then(({ status, headers, body }) => response.writeHead(status, headers).end(body))
      .catch(() => response.destroy());
  });
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  let fault = await bind(server, address);
  if (fault === "EADDRINUSE") {
    await clear(path);
    fault = await bind(server, address);
  }
  if (fault === "EADDRINUSE") throw new StartRefused(taken(path));
  // A file system without sockets, as some mounted volumes are.
  if (fault !== null) return { unavailable: `no local socket can be made at ${path} (${fault})` };
  server.on("error", () => {}); // a failed accept is that client's, and the next one is served
  return {
    socket: {
      close: (graceMs) =>
        new Promise((resolve) => {
          const cut = setTimeout(() => server.closeAllConnections(), graceMs);
          server.close(() => {
            clearTimeout(cut);
            resolve();
          });
          server.closeIdleConnections();
        }),
    },
  };
}

function taken(path: string): string {
  return `Another Mapae runs on the data folder ${dirname(path)}: stop it first, or set MAPAE_DATA to another folder.`;
}

/** The system's code of what went wrong; `null` where it listens. */
function bind(server: Server, address: string): Promise<string | null> {
  return new Promise((resolve) => {
    const failed = (error: NodeJS.ErrnoException): void => resolve(error.code ?? error.message);
    server.once("error", failed);
    // The socket's file is made during this call: with this mask its mode is 0600 from the first moment.
    const mask = process.platform === "win32" ? null : process.umask(0o177);
    try {
      server.listen(address, () => {
        server.off("error", failed);
        resolve(null);
      });
    } finally {
      if (mask !== null) process.umask(mask);
    }
  });
}

/** Removes what a killed server left. Throws `StartRefused` where a server is there, or where it is no socket at all. */
async function clear(path: string): Promise<void> {
  const presence = await presenceAt(path);
  if (presence !== "none" || process.platform === "win32") throw new StartRefused(taken(path));
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) throw new StartRefused(`${path} is no socket, and in the way of one: remove it.`);
  unlinkSync(path);
}

export interface SocketAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** Sends one request through the socket. Rejects with the system's error where the server goes away. */
export function askSocket(path: string, method: string, target: string, body: string | null): Promise<SocketAnswer> {
  const headers =
    body === null ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    const socketPath = addressOf(path) ?? path;
    const request = httpRequest({ socketPath, method, path: target, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.once("error", reject);
      response.once("end", () =>
        resolve({
          status: response.statusCode ?? 500,
          headers: response.headers,
          body: Buffer.concat(chunks).toString("utf8"),
        }),
      );
    });
    request.once("error", reject);
    request.end(body ?? undefined);
  });
}
