/**
 * An HTTP server whose end loses no request that was sent before it, as far as HTTP allows:
 *
 *   open ──end──► nobody new; connections kept alive linger ──LINGER_MS──► idle ones are cut ──graceMs──► all are
 *
 * Node's own `close` cuts idle connections in the same breath as it ends the listener. What a client has just sent on one
 * of them would be lost, though it was told that the connection is kept (RFC 9112 §9.6: a server that closes lingers).
 * Whoever answers says `Connection: close` meanwhile, and better from some time before.
 */
import { Server } from "node:http";

/** How long after the end an idle connection may still bring a request: longer than one takes to arrive. */
const LINGER_MS = 500;

export class LingeringServer extends Server {
  /** What `close` calls, in the wrong moment. */
  override closeIdleConnections(): void {}

  /** Takes no new connections, waits for requests under way (at most `graceMs`), then cuts what is left. */
  end(graceMs: number): Promise<void> {
    const lingered = setTimeout(() => super.closeIdleConnections(), Math.min(LINGER_MS, graceMs));
    const cut = setTimeout(() => this.closeAllConnections(), graceMs);
    return new Promise((resolve) => {
      this.close(() => {
        clearTimeout(lingered);
        clearTimeout(cut);
        resolve();
      });
    });
  }
}
