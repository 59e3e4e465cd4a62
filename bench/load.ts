/**
 * A load generator that costs little: HTTP/1.1 over raw keep-alive connections, each with one request under way. On two
 * cores every microsecond it takes is taken from the server that it measures, so it parses no more than it must.
 */
import { connect, type Socket } from "node:net";

export interface Answer {
  readonly status: number;
  readonly headers: string;
  readonly body: string;
}

export interface SendOptions {
  /** A bearer token. */
  readonly token?: string;
  /** Credentials of a client, encoded. */
  readonly basic?: string;
  readonly json?: string;
  readonly form?: string;
}

/** One connection: a request at a time. */
export class Connection {
  readonly #socket: Socket;
  #buffered = "";
  #waiting: { resolve: (answer: Answer) => void; reject: (error: Error) => void } | null = null;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => this.#receive(text));
    const failed = (error: Error) => {
      this.#waiting?.reject(error);
      this.#waiting = null;
    };
    socket.on("error", failed);
    socket.on("close", () => failed(new Error("the server closed the connection")));
  }

  static open(port: number): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, "127.0.0.1");
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        resolve(new Connection(socket));
      });
    });
  }

  send(method: string, path: string, options: SendOptions = {}): Promise<Answer> {
    const { json, form, basic } = options;
    const credentials = basic === undefined ? options.token && `Bearer ${options.token}` : `Basic ${basic}`;
    const token = credentials === undefined ? "" : `Authorization: ${credentials}\r\n`;
    const body = json ?? form ?? "";
    const type = json === undefined ? "application/x-www-form-urlencoded" : "application/json";
    const content =
      json === undefined && form === undefined
        ? ""
        : `Content-Type: ${type}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`;
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.write(`${method} ${path} HTTP/1.1\r\nHost: localhost\r\n${token}${content}\r\n${body}`);
    });
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(text: string): void {
    this.#buffered += text;
    const end = this.#buffered.indexOf("\r\n\r\n");
    if (end < 0) return;
    const head = this.#buffered.slice(0, end);
    const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
    const total = end + 4 + Number(length ?? 0);
    if (length === undefined && !/^HTTP\/1\.1 204/.test(head)) {
      this.#waiting?.reject(new Error("an answer without a length"));
      return;
    }
    if (this.#buffered.length < total) return;
    const body = this.#buffered.slice(end + 4, total);
    this.#buffered = this.#buffered.slice(total);
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.resolve({ status: Number(head.slice(9, 12)), headers: head, body });
  }
}

export interface LoadResult {
  readonly done: number;
  /** Wall time in seconds. */
  readonly seconds: number;
  /** Milliseconds of each request, in the order they ended. */
  readonly latencies: readonly number[];
}

/** Runs one step after the other on each connection for some time; each connection has its own `step`. */
export async function closedLoop(steps: readonly (() => Promise<void>)[], seconds: number): Promise<LoadResult> {
  const latencies: number[] = [];
  const start = performance.now();
  const until = start + seconds * 1000;
  const loop = async (step: () => Promise<void>): Promise<void> => {
    for (let now = performance.now(); now < until; ) {
      await step();
      const after = performance.now();
      latencies.push(after - now);
      now = after;
    }
  };
  await Promise.all(steps.map(loop));
  return { done: latencies.length, seconds: (performance.now() - start) / 1000, latencies };
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
