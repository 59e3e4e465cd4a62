/**
 * A load generator that costs little: HTTP/1.1 over raw keep-alive connections, each with one request under way. On two
 * cores every microsecond it takes is taken from the server that it measures, so it parses no more than it must.
 */
import { connect } from "node:net";
/** One connection: a request at a time. */
export class Connection {
  #socket;
  #buffered = "";
  #waiting = null;
  constructor(socket) {
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.setEncoding("latin1");
    socket.on("data", (text) => this.#receive(text));
    const failed = (error) => {
      this.#waiting?.reject(error);
      this.#waiting = null;
    };
    socket.on("error", failed);
    socket.on("close", () => failed(new Error("the server closed the connection")));
  }
  static open(port) {
    return new Promise((resolve, reject) => {
      const socket = connect(port, "127.0.0.1");
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        resolve(new Connection(socket));
      });
    });
  }
  send(method, path, options = {}) {
    const token = options.token === undefined ? "" : `Authorization: Bearer ${options.token}\r\n`;
    const body = options.json ?? "";
    const content =
      options.json === undefined
        ? ""
        : `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`;
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.write(`${method} ${path} HTTP/1.1\r\nHost: localhost\r\n${token}${content}\r\n${body}`);
    });
  }
  close() {
    this.#socket.destroy();
  }
  #receive(text) {
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
/** Runs one step after the other on each connection for some time; each connection has its own `step`. */
export async function closedLoop(steps, seconds) {
  const latencies = [];
  const start = performance.now();
  const until = start + seconds * 1000;
  const loop = async (step) => {
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
export function percentile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}
