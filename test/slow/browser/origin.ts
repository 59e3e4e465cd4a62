/**
 * One origin for a browser test: the real login server and, beside it, an empty page and the client's sources with their
 * types stripped. A second origin stands for a stranger.
 */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { stripTypeScriptTypes } from "node:module";
import { join } from "node:path";
import { createMapae, type Mapae, type MapaeOptions } from "mapae";

const SOURCES = join(import.meta.dirname, "..", "..", "..", "packages", "client", "src");

export interface Origin {
  readonly url: string;
  /** An origin that nobody allowed, and the `Authorization` headers that reached it. */
  readonly stranger: { readonly url: string; readonly tokens: string[] };
  readonly mapae: Mapae;
  /** Paths of the requests that reached the login server, in order. */
  readonly log: string[];
  /** Cuts the connection instead of sending the reply, for the next `count` refreshes. */
  loseReplies(count: number): void;
  /** How many of them have yet to be lost. */
  lossesLeft(): number;
  close(): Promise<void>;
}

async function listen(server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("no port");
  return `http://localhost:${address.port}`;
}

async function requestOf(message: IncomingMessage, base: string): Promise<Request> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of message) chunks.push(chunk);
  const headers = new Headers();
  for (const [name, value] of Object.entries(message.headers)) headers.set(name, String(value));
  const method = message.method ?? "GET";
  const body = chunks.length === 0 ? null : Buffer.concat(chunks);
  return new Request(new URL(message.url ?? "/", base), { method, headers, body });
}

async function source(name: string): Promise<string> {
  return stripTypeScriptTypes(await readFile(join(SOURCES, name), "utf8"));
}

export async function startOrigin(options: MapaeOptions): Promise<Origin> {
  const log: string[] = [];
  const tokens: string[] = [];
  let losses = 0;
  let mapae: Mapae | null = null;

  const strangerServer = createServer((request, response) => {
    if (request.headers.authorization !== undefined) tokens.push(request.headers.authorization);
    response.writeHead(200, { "access-control-allow-origin": "*", "access-control-allow-headers": "*" }).end();
  });
  const strangerUrl = await listen(strangerServer);

  async function answer(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = message.url ?? "/";
    const module = /^\/client\/([a-z-]+\.ts)$/.exec(path)?.[1];
    if (path === "/page") {
      response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><title>app</title>");
    } else if (module !== undefined) {
      response.writeHead(200, { "content-type": "text/javascript" }).end(await source(module));
    } else if (path === "/leads-away") {
      response.writeHead(302, { location: `${strangerUrl}/trap` }).end();
    } else {
      const request = await requestOf(message, url);
      log.push(`${request.method} ${new URL(request.url).pathname}`);
      const reply = await (mapae?.fetch(request) ?? new Response(null, { status: 503 }));
      if (path.startsWith("/v1/sessions/refresh") && losses > 0) {
        losses -= 1;
        response.destroy();
        return;
      }
      const headers = new Headers(reply.headers);
      headers.delete("set-cookie");
      response.setHeaders(headers);
      if (reply.headers.getSetCookie().length > 0) response.setHeader("set-cookie", reply.headers.getSetCookie());
      response.writeHead(reply.status).end(Buffer.from(await reply.arrayBuffer()));
    }
  }
  const server = createServer((message, response) => void answer(message, response).catch(() => response.destroy()));
  const url = await listen(server);
  const opened = createMapae({ issuer: url, databaseUrl: "memory:", rateLimit: "off", ...options });
  await opened.ready();
  mapae = opened;

  return {
    url,
    stranger: { url: strangerUrl, tokens },
    mapae: opened,
    log,
    loseReplies: (count) => {
      losses = count;
    },
    lossesLeft: () => losses,
    close: async () => {
      for (const one of [server, strangerServer]) {
        one.closeAllConnections();
        one.close();
      }
      await opened.close();
    },
  };
}
