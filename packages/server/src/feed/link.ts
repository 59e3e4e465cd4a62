/** What the feed knows of a socket, and the socket of the feed: whatever carries the frames, a simulation included. */

/** One socket, as far as the feed uses it. */
export interface Link {
  send(frame: string | Uint8Array): void;
  /** Octets handed over that the network has not taken. */
  waiting(): number;
  /** Ends it; what was sent before goes out first, if the other side reads. */
  close(code: number, reason: string): void;
}

/** What the socket tells. */
export interface FeedConnection {
  /** A message; `null` for one of a kind that the feed does not have. */
  received(data: string | null): void;
  /** The other side closed, or the link broke: the WebSocket close code. */
  closed(code: number): void;
}
