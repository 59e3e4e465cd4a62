/**
 * A TCP proxy that misbehaves on demand: between a verifier and its login server stands whatever network a test wants.
 *
 *   verifier ──► up ──► login server          each direction: passes, lags by a constant, holds back, drops, or bursts
 *   verifier ◄── down ◄─┘
 *
 * What is held back is released in its order, as a network does that was only slow; what is dropped is gone while both
 * sides keep their connection, as a middlebox does that forgot it.
 */
import { connect, createServer, type Socket } from "node:net";

export type Way = "up" | "down";

export interface Weather {
  /** Milliseconds that each chunk takes, in its order. */
  lagMs: number;
  /** Nothing passes; it is kept, and passes when the weather changes. */
  held: boolean;
  /** Nothing passes, and it is gone. */
  dropped: boolean;
  /** Passes only at multiples of this many milliseconds; 0: at once. */
  burstMs: number;
  /** Changes a chunk on its way. */
  spoil: ((chunk: Buffer) => Buffer) | null;
}

export interface ChaosProxy {
  readonly port: number;
  /** Changes one way, or both. */
  set(weather: Partial<Weather>, way?: Way): void;
  /** Ends all connections, at both ends. */
  sever(): void;
  /** The server's end is gone, the verifier's end stays open and silent. */
  halfOpen(): void;
  /** New connections are refused, and those that are open end. */
  refuse(refused: boolean): void;
  /** Connections whose first octets match are held back for good, others pass. */
  block(pattern: RegExp | null): void;
  close(): Promise<void>;
}

const FAIR: Readonly<Weather> = { lagMs: 0, held: false, dropped: false, burstMs: 0, spoil: null };

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  readonly lanes: Readonly<Record<Way, Lane>>;
}

/** One direction of one connection: a queue that the weather lets through. */
class Lane {
  readonly #weather: Weather;
  readonly #to: Socket;
  readonly #waiting: { readonly due: number; readonly chunk: Buffer | null }[] = [];
  #timer: NodeJS.Timeout | null = null;

  constructor(weather: Weather, to: Socket) {
    this.#weather = weather;
    this.#to = to;
  }

  /** @param chunk `null`: this way ends */
  take(chunk: Buffer | null): void {
    const { lagMs, dropped, burstMs, spoil } = this.#weather;
    if (dropped) return;
    const arrives = performance.now() + lagMs;
    const due = burstMs > 0 ? Math.ceil(arrives / burstMs) * burstMs : arrives;
    this.#waiting.push({ due, chunk: chunk !== null && spoil !== null ? spoil(chunk) : chunk });
    this.run();
  }

  run(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#weather.held) return;
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const wait = next.due - performance.now();
      if (wait > 0) {
        this.#timer = setTimeout(() => this.run(), wait);
        return;
      }
      this.#waiting.shift();
      if (next.chunk === null) this.#to.end();
      else if (!this.#to.destroyed) this.#to.write(next.chunk);
    }
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#waiting.length = 0;
  }
}

/** @param target port of the login server on loopback */
export async function startProxy(target: number): Promise<ChaosProxy> {
  const weather: Record<Way, Weather> = { up: { ...FAIR }, down: { ...FAIR } };
  const pairs = new Set<Pair>();
  let refused = false;
  let blocked: RegExp | null = null;

  const end = (pair: Pair): void => {
    pairs.delete(pair);
    for (const lane of Object.values(pair.lanes)) lane.stop();
    pair.client.destroy();
    pair.server.destroy();
  };

  const listener = createServer((client) => {
    if (refused) {
      client.destroy();
      return;
    }
    const server = connect(target, "127.0.0.1");
    const pair: Pair = {
      client,
      server,
      lanes: { up: new Lane(weather.up, server), down: new Lane(weather.down, client) },
    };
    pairs.add(pair);
    let swallowed: boolean | null = null;
    client.on("data", (chunk: Buffer) => {
      swallowed ??= blocked?.test(chunk.toString("latin1")) ?? false;
      if (!swallowed) pair.lanes.up.take(chunk);
    });
    server.on("data", (chunk: Buffer) => pair.lanes.down.take(chunk));
    client.on("end", () => pair.lanes.up.take(null));
    server.on("end", () => pair.lanes.down.take(null));
    client.on("error", () => end(pair));
    // A server that died resets: the verifier hears of that only where its way down lets anything through.
    server.on("error", () => pair.lanes.down.take(null));
    client.on("close", () => end(pair));
    client.setNoDelay(true);
    server.setNoDelay(true);
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const address = listener.address();
  if (typeof address !== "object" || address === null) throw new Error("the proxy has no address");

  return {
    port: address.port,
    set(change, way) {
      for (const each of way === undefined ? (["up", "down"] as const) : [way]) Object.assign(weather[each], change);
      for (const { lanes } of pairs) for (const lane of Object.values(lanes)) lane.run();
    },
    sever() {
      for (const pair of [...pairs]) end(pair);
    },
    halfOpen() {
      for (const pair of pairs) {
        pair.server.removeAllListeners("end");
        pair.server.destroy();
      }
    },
    refuse(now) {
      refused = now;
      if (now) for (const pair of [...pairs]) end(pair);
    },
    block(pattern) {
      blocked = pattern;
      if (pattern !== null) for (const pair of [...pairs]) end(pair);
    },
    close: () => {
      for (const pair of [...pairs]) end(pair);
      return new Promise((resolve) => listener.close(() => resolve()));
    },
  };
}
