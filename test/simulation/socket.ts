/** A WebSocket as the verifier knows it (FeedSocket), over a simulated stream. */
import type { FeedSocket } from "../../packages/verifier/src/revocation/world.ts";
import type { Machine } from "./machine.ts";
import type { Network } from "./network.ts";
import { type Acceptor, openStream, type StreamEnd } from "./transport.ts";

/** RFC 6455 §7.4.1: what a close without a code is told as. */
const NO_STATUS = 1005;

export class SimulatedSocket implements FeedSocket {
  binaryType = "blob";
  onopen: FeedSocket["onopen"] = null;
  onmessage: FeedSocket["onmessage"] = null;
  onclose: FeedSocket["onclose"] = null;
  onerror: FeedSocket["onerror"] = null;
  readonly #end: StreamEnd;

  constructor(network: Network, from: Machine, to: Machine, acceptor: () => Acceptor | null) {
    this.#end = openStream(network, from, to, acceptor, {
      opened: () => this.onopen?.(EVENT),
      message: (data) => {
        // Octets arrive in a buffer of their own, as on every platform.
        const event = { data: typeof data === "string" ? data : data.slice().buffer };
        this.onmessage?.(event as never);
      },
      closed: () => this.onclose?.(EVENT),
    });
  }

  send(text: string): void {
    this.#end.send(text);
  }

  close(code = NO_STATUS): void {
    this.#end.close(code);
  }
}

/** Nobody looks at it: the type of these handlers takes no event that anyone could read. */
const EVENT = undefined as never;
