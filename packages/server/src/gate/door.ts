/**
 * The gate's HTTP door: a few fixed paths on a keep-alive server with bounds, reached by a proxy on the same machine or
 * in the same network. Nothing of a request but its path, its query and its Authorization header is looked at; a body is
 * never read.
 */
import { lstatSync, unlinkSync } from "node:fs";
import type { Server, ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { LingeringServer } from "../http/lingering-server.ts";
import { StartRefused } from "../prelude/fault.ts";
import type { Answer, Decide } from "./decision.ts";
import type { Exposition, GateMetrics } from "./metrics.ts";

/** Where to listen: a TCP address, or the path of a Unix socket. */
export type Place = { readonly host: string; readonly port: number } | { readonly path: string };

export interface Door {
  /** Where it answers, as a proxy's configuration names it. */
  readonly at: string;
  /** Takes no new connections, waits for requests under way (at most `graceMs`), then cuts what is left. */
  close(graceMs: number): Promise<void>;
}

const BOUNDS = {
  headersTimeout: 10_000,
  requestTimeout: 10_000,
  // Longer than the proxies keep an idle connection, so that it is they who close it.
  keepAliveTimeout: 90_000,
  // More than the proxies let through, so that none of their requests fails here by its size alone.
  maxHeaderSize: 65_536,
  // Two Authorization headers become one that is no bearer token, instead of the first quietly winning.
  joinDuplicateHeaders: true,
};
const CONNECTIONS_MAX = 4_096;

const VERIFY_PATHS: ReadonlySet<string> = new Set(["/verify", "/auth"]);

export interface DoorParts {
  readonly decide: Decide;
  readonly metrics: GateMetrics;
  /** Resolves when tokens can be judged; rejects with the reason why not. */
  readonly ready: () => Promise<void>;
}

/** Binds the place and answers. @throws StartRefused where it cannot be had */
export async function openDoor(place: Place, { decide, metrics, ready }: DoorParts): Promise<Door> {
  let draining = false;

  async function readiness(): Promise<Answer> {
    const reason = draining ? "The gate is stopping." : await ready().then(() => null, messageOf);
    return reason === null ? plain(200, "ready\n") : plain(503, `${reason}\n`, ["Retry-After", "2"]);
  }

  async function answer(method: string, path: string, query: string, authorization?: string): Promise<Answer> {
    const known = VERIFY_PATHS.has(path) || path === "/healthz" || path === "/readyz" || path === "/metrics";
    if (!known) return plain(404, "There is nothing here: /verify, /healthz, /readyz, /metrics.\n");
    if (method !== "GET" && method !== "HEAD") return plain(405, "GET and HEAD only.\n", ["Allow", "GET, HEAD"]);
    if (path === "/healthz") return plain(200, "alive\n");
    if (path === "/readyz") return readiness();
    if (path === "/metrics") return exposed(await metrics.text());
    const decision = await decide(authorization, query);
    metrics.count(decision.outcome);
    return decision.answer;
  }

  const server = new LingeringServer(BOUNDS, (request, response) => {
    const target = request.url ?? "/";
    const mark = target.indexOf("?");
    const path = mark < 0 ? target : target.slice(0, mark);
    answer(request.method ?? "", path, mark < 0 ? "" : target.slice(mark + 1), request.headers.authorization).then(
      (answered) => write(answered, draining, response),
      () => response.destroy(),
    );
  });
  server.maxConnections = CONNECTIONS_MAX;
  await bind(server, place);
  return {
    at: nameOf(place, server),
    close: (graceMs) => {
      draining = true;
      return server.end(graceMs);
    },
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : "The gate is not ready.";
}

function plain(status: number, body: string, more: readonly string[] = []): Answer {
  return { status, headers: ["Content-Type", "text/plain; charset=utf-8", "Cache-Control", "no-store", ...more], body };
}

function exposed({ type, text }: Exposition): Answer {
  return { status: 200, headers: ["Content-Type", type], body: text };
}

/** @param last ends the connection, which would else stay open until it has been idle for long */
function write({ status, headers, body }: Answer, last: boolean, response: ServerResponse): void {
  const all = [...headers];
  if (body !== null) all.push("Content-Length", String(Buffer.byteLength(body)));
  if (last) all.push("Connection", "close");
  response.writeHead(status, all);
  response.end(body ?? undefined);
}

function nameOf(place: Place, server: Server): string {
  if ("path" in place) return `unix:${place.path}`;
  const { port } = server.address() as AddressInfo;
  return `http://${place.host.includes(":") ? `[${place.host}]` : place.host}:${port}`;
}

async function bind(server: Server, place: Place): Promise<void> {
  const failure = await tryBind(server, place);
  if (failure === null) return;
  if ("path" in place && failure.code === "EADDRINUSE" && (await wasLeft(place.path))) {
    unlinkSync(place.path);
    const again = await tryBind(server, place);
    if (again === null) return;
  }
  const where = "path" in place ? place.path : `${place.host}:${place.port}`;
  const why = failure.code === "EADDRINUSE" ? "another program has it." : `${failure.message}.`;
  throw new StartRefused(`The gate cannot listen on ${where}: ${why}`);
}

function tryBind(server: Server, place: Place): Promise<NodeJS.ErrnoException | null> {
  return new Promise((resolve) => {
    const failed = (error: NodeJS.ErrnoException): void => resolve(error);
    server.once("error", failed);
    const bound = (): void => {
      server.off("error", failed);
      server.on("error", () => {}); // a failed accept is that client's, and the next one is served
      resolve(null);
    };
    if (!("path" in place)) {
      server.listen(place.port, place.host, bound);
      return;
    }
    // The socket's file is made during this call: its owner and its group may connect, nobody else.
    const mask = process.umask(0o117);
    try {
      server.listen(place.path, bound);
    } finally {
      process.umask(mask);
    }
  });
}

/** Whether a socket's file is what a killed gate left: a socket at which nobody answers. */
function wasLeft(path: string): Promise<boolean> {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() !== true) return Promise.resolve(false);
  return new Promise((resolve) => {
    const probe = connect(path);
    const end = (left: boolean): void => {
      probe.destroy();
      resolve(left);
    };
    probe.setTimeout(2_000, () => end(false));
    probe.once("connect", () => end(false));
    probe.once("error", (error: NodeJS.ErrnoException) => end(error.code === "ECONNREFUSED"));
  });
}
