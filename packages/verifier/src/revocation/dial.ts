/** The one socket of a follower: what is heard on it belongs to a link, and nothing is heard of links that were given up. */
import { type ClientFrame, FEED_PATHS, type ServerFrame, SUBPROTOCOL } from "./frames.ts";
import { decodeServerFrame, encodeClientFrame } from "./wire.ts";
import type { FeedSocket, FeedWorld } from "./world.ts";

export interface DialEvents {
  /** `null` for what is no frame. */
  frame(link: number, frame: ServerFrame | null): void;
  lost(link: number, reason: string): void;
}

export interface Dialer {
  /** Opens a socket in place of the present one, and says hello on it. @param base address of the feed */
  dial(link: number, base: string, hello: ClientFrame): void;
  say(link: number, frame: ClientFrame): void;
  /** Closes the socket, where it is still that link's; of whatever link where none is named. */
  hangUp(link?: number, code?: number): void;
}

export function createDialer({ connect }: Pick<FeedWorld, "connect">, events: DialEvents): Dialer {
  let socket: { readonly link: number; readonly it: FeedSocket; open: boolean } | null = null;

  function say(link: number, frame: ClientFrame): void {
    if (socket?.link !== link || !socket.open) return;
    try {
      socket.it.send(encodeClientFrame(frame));
    } catch {
      // It is closing; `onclose` will tell.
    }
  }

  function hangUp(link?: number, code?: number): void {
    if (link !== undefined && socket?.link !== link) return;
    const leaving = socket?.it;
    socket = null;
    if (leaving === undefined) return;
    leaving.onopen = null;
    leaving.onmessage = null;
    leaving.onclose = null;
    // Closing what never opened is an error on some runtimes, and nobody's business any more.
    leaving.onerror = () => undefined;
    leaving.close(code);
  }

  return {
    dial(link, base, hello) {
      hangUp();
      if (connect === null) return;
      let it: FeedSocket;
      try {
        it = connect(`${base.replace(/^http/, "ws")}${FEED_PATHS.stream}`, SUBPROTOCOL);
      } catch {
        events.lost(link, "no connection could be opened");
        return;
      }
      const opened = { link, it, open: false };
      socket = opened;
      it.binaryType = "arraybuffer";
      it.onopen = () => {
        opened.open = true;
        say(link, hello);
      };
      it.onmessage = ({ data }: { readonly data: unknown }) =>
        events.frame(link, decodeServerFrame(data instanceof ArrayBuffer ? new Uint8Array(data) : data));
      it.onclose = () => events.lost(link, "the connection ended");
      it.onerror = () => events.lost(link, "the connection failed");
    },
    say,
    hangUp,
  };
}
