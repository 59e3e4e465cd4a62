/**
 * A proxy that pools transactions as PgBouncer's `pool_mode = transaction` does: between two transactions a client has no
 * connection to the server, and gets whichever was given back last. Each client logs in for itself; from then on its
 * connection belongs to all.
 */
import { connect, createServer, type Socket } from "node:net";

export interface Pooler {
  readonly port: number;
  close(): Promise<void>;
}

const READY = "Z".charCodeAt(0);
const IDLE = "I".charCodeAt(0);
/** What the server answers with `ReadyForQuery`: a simple query, and the end of an extended one. */
const ENDS = ["Q", "S"].map((letter) => letter.charCodeAt(0));
const HEADER = 5;

/** Cuts a stream into messages: a letter, and a length that counts itself. */
class Messages {
  #rest: Buffer = Buffer.alloc(0);

  *take(data: Buffer): Generator<Buffer> {
    this.#rest = Buffer.concat([this.#rest, data]);
    while (this.#rest.length >= HEADER) {
      const length = 1 + this.#rest.readInt32BE(1);
      if (this.#rest.length < length) return;
      yield this.#rest.subarray(0, length);
      this.#rest = this.#rest.subarray(length);
    }
  }
}

interface Client {
  readonly socket: Socket;
  readonly waiting: Buffer[];
  upstream: Upstream | null;
}

class Upstream {
  readonly socket: Socket;
  readonly #messages = new Messages();
  readonly #free: (upstream: Upstream) => void;
  client: Client | null;
  /** How many answers are still to come. The log-in is one. */
  owed = 1;

  constructor(port: number, client: Client, free: (upstream: Upstream) => void) {
    this.socket = connect(port, "127.0.0.1");
    this.client = client;
    this.#free = free;
    this.socket.on("data", (data: Buffer) => this.#answered(data)).on("error", () => {});
  }

  #answered(data: Buffer): void {
    for (const message of this.#messages.take(data)) {
      this.client?.socket.write(message);
      if (message[0] !== READY) continue;
      this.owed -= 1;
      if (this.owed === 0 && message[HEADER] === IDLE) this.#free(this);
    }
  }
}

export async function startPooler(port: number): Promise<Pooler> {
  const free: Upstream[] = [];
  const queue: Client[] = [];
  const sockets = new Set<Socket>();

  const send = (client: Client): void => {
    const upstream = client.upstream ?? free.pop();
    if (upstream === undefined) {
      if (!queue.includes(client)) queue.push(client);
      return;
    }
    client.upstream = upstream;
    upstream.client = client;
    for (const message of client.waiting.splice(0)) {
      if (ENDS.includes(message[0] ?? 0)) upstream.owed += 1;
      upstream.socket.write(message);
    }
  };
  const release = (upstream: Upstream): void => {
    if (upstream.client !== null) upstream.client.upstream = null;
    upstream.client = null;
    free.push(upstream);
    const next = queue.shift();
    if (next !== undefined) send(next);
  };

  const server = createServer((socket) => {
    const client: Client = { socket, waiting: [], upstream: null };
    const own = new Upstream(port, client, (upstream) => {
      client.upstream = upstream;
      loggedIn = true;
      release(upstream);
    });
    let loggedIn = false;
    const messages = new Messages();
    sockets.add(socket).add(own.socket);
    socket.on("error", () => {});
    socket.on("data", (data: Buffer) => {
      if (!loggedIn) {
        own.socket.write(data);
        return;
      }
      // Nobody's connection is closed because one client goes.
      for (const message of messages.take(data)) if (message[0] !== "X".charCodeAt(0)) client.waiting.push(message);
      if (client.waiting.length > 0) send(client);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
