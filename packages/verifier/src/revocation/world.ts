/**
 * The outside world of the feed, as an argument: clocks, chance, timers and the network. A test passes its own and stops
 * the time; nothing else in this folder reaches outside.
 */
import type { Net } from "../exchange.ts";

/** The part of a WebSocket that is used; the platform's own has it, and so has the one of `ws`. */
export interface FeedSocket {
  binaryType: string;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(text: string): void;
  close(code?: number): void;
}

export interface FeedWorld extends Net {
  /** Milliseconds of a clock that is never set. */
  readonly mono: () => number;
  /** Evenly from 0 to below 1. */
  readonly chance: () => number;
  /** Opens a WebSocket; null where there is none. */
  readonly connect: ((url: string, protocol: string) => FeedSocket) | null;
  /** Lets everything else that waits go first. */
  readonly turn: () => Promise<void>;
}

export type WebSocketMaker = new (url: string, protocol: string) => FeedSocket;

/** The names of these globals that a runtime may lack. */
interface MaybeGlobals {
  readonly setImmediate?: (run: () => void) => unknown;
  readonly WebSocket?: WebSocketMaker;
}

/** @param maker a WebSocket for runtimes that have none of their own (Node 20); false for none */
export function platformWorld(net: Net, maker?: WebSocketMaker | false): FeedWorld {
  const globals: MaybeGlobals = globalThis;
  const Socket = maker === false ? undefined : (maker ?? globals.WebSocket);
  return {
    ...net,
    mono: () => performance.now(),
    chance: Math.random,
    connect: Socket === undefined ? null : (url, protocol) => new Socket(url, protocol),
    turn: () =>
      new Promise((resolve) => {
        if (globals.setImmediate === undefined) net.after(0, resolve);
        else globals.setImmediate(resolve);
      }),
  };
}
