/**
 * A request as the routes see it, whichever door it came through: a `Request` of the fetch API, or a message of Node's
 * HTTP server.
 */
import type { IncomingMessage } from "node:http";

/** What is asked of headers; `Headers` is one. Names in lower case. */
export interface HeaderReader {
  /** Several headers of one name are joined by commas; `null` where there is none. */
  get(name: string): string | null;
}

export interface Incoming {
  readonly method: string;
  /** Percent-encoded, as it came. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: HeaderReader;
  /** The whole body, or `null` where it is longer than `limit` bytes. Rejects where the client left before its end. */
  read(limit: number): Promise<Uint8Array | null>;
}

export function fromRequest(request: Request): Incoming {
  const url = new URL(request.url);
  return {
    method: request.method,
    path: url.pathname,
    query: url.searchParams,
    headers: request.headers,
    read: (limit) => collect(request.body ?? [], limit),
  };
}

const NO_QUERY = new URLSearchParams();

export function fromMessage(message: IncomingMessage): Incoming {
  const target = message.url ?? "/";
  const mark = target.indexOf("?");
  const { headers } = message;
  return {
    method: message.method ?? "GET",
    path: mark < 0 ? target : target.slice(0, mark),
    query: mark < 0 ? NO_QUERY : new URLSearchParams(target.slice(mark + 1)),
    headers: {
      get: (name) => {
        const value = headers[name];
        return value === undefined ? null : typeof value === "string" ? value : value.join(", ");
      },
    },
    read: (limit) => {
      // A declared length is believed: Node holds the sender to it.
      const declared = headers["content-length"];
      return declared !== undefined && Number(declared) > limit
        ? Promise.resolve(null)
        : collectMessage(message, limit);
    },
  };
}

async function collect(
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  limit: number,
): Promise<Uint8Array | null> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.byteLength;
    if (size > limit) return null;
    chunks.push(chunk);
  }
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
}

/** The same over events: an async iterator over a stream costs as much as the rest of the reading. */
function collectMessage(message: IncomingMessage, limit: number): Promise<Uint8Array | null> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    message.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > limit) {
        message.removeAllListeners("data").resume();
        resolve(null);
      } else chunks.push(chunk);
    });
    message.once("end", () =>
      resolve(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)),
    );
    message.once("error", reject);
    message.once("close", () => reject(new Error("the client went away")));
  });
}
