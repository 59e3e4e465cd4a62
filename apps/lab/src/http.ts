/** Requests as an app sends them, timed, over kept-alive connections; an answer, or that there was none. */
import { Agent, request as httpRequest } from "node:http";

export interface Reply {
  /** 0 where no answer came: the connection broke, or the time was over. */
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
  readonly cookies: readonly string[];
  /** Milliseconds of the monotonic clock. */
  readonly sent: number;
  readonly received: number;
}

export interface Sending {
  readonly json?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** How long an answer may take. */
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 4_000;

export interface Door {
  readonly port: number;
  ask(method: string, path: string, sending?: Sending): Promise<Reply>;
  close(): void;
}

/** @param sockets connections at a time; further requests wait */
export function openDoor(port: number, sockets: number): Door {
  const agent = new Agent({ keepAlive: true, maxSockets: sockets });
  const once = (
    method: string,
    path: string,
    { json, headers = {}, timeoutMs = TIMEOUT_MS }: Sending,
  ): Promise<Reply & { stale: boolean }> =>
    new Promise((resolve) => {
      const body = json === undefined ? "" : JSON.stringify(json);
      const content =
        body === "" ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
      const sent = performance.now();
      let over = false;
      const give = (status: number, text: string, cookies: readonly string[], stale = false): void => {
        if (over) return;
        over = true;
        resolve({ status, body: objectOf(text), cookies, sent, received: performance.now(), stale });
      };
      const sending = httpRequest(
        { host: "127.0.0.1", port, path, method, agent, headers: { ...headers, ...content }, timeout: timeoutMs },
        (answer) => {
          let text = "";
          answer.setEncoding("utf8").on("data", (chunk: string) => {
            text += chunk;
          });
          answer.once("end", () => give(answer.statusCode ?? 0, text, answer.headers["set-cookie"] ?? []));
          answer.once("error", () => give(0, "", []));
        },
      );
      sending.once("timeout", () => sending.destroy(new Error("no answer in time")));
      // A kept connection that was closed meanwhile: nothing was asked yet, and browsers ask again.
      sending.once("error", () => give(0, "", [], sending.reusedSocket && performance.now() - sent < timeoutMs));
      sending.end(body);
    });
  return {
    port,
    ask: async (method, path, sending = {}) => {
      const first = await once(method, path, sending);
      return first.stale && method === "GET" ? once(method, path, sending) : first;
    },
    close: () => agent.destroy(),
  };
}

function objectOf(text: string): Readonly<Record<string, unknown>> {
  if (text === "") return {};
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
  } catch {
    return {};
  }
}
