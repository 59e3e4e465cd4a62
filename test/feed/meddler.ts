/**
 * Somebody between a verifier and its server who understands the feed: frames pass through one function, snapshots through
 * another. TCP keeps octets in their order; a relay or a proxy that is broken or hostile need not keep frames in theirs.
 *
 *   verifier ◄── meddle(frame) ◄── server
 *            ◄── forge(snapshot) ◄──┘
 */
import { once } from "node:events";
import { createServer } from "node:http";
import { FEED_PATHS, SUBPROTOCOL } from "@mapae/verifier/revocation";
import { type RawData, WebSocket, WebSocketServer } from "ws";

export type Message = string | Buffer;
/** @returns what the verifier gets in a frame's place */
export type Meddle = (frame: Message) => readonly Message[];
export type Forge = (snapshot: Buffer) => Buffer;

export interface Meddler {
  readonly url: string;
  meddle: Meddle;
  forge: Forge;
  /** Ends all streams. */
  sever(): void;
  close(): Promise<void>;
}

const PASSED_ON = ["content-type", "etag", "mapae-checkpoint", "cache-control"] as const;

/** @param target where the server is */
export async function startMeddler(target: string): Promise<Meddler> {
  const server = createServer(async (request, response) => {
    const { authorization = "", accept = "*/*" } = request.headers;
    const answer = await fetch(`${target}${request.url}`, { headers: { authorization, accept } });
    const octets = Buffer.from(await answer.arrayBuffer());
    for (const name of PASSED_ON) {
      const value = answer.headers.get(name);
      if (value !== null) response.setHeader(name, value);
    }
    response.writeHead(answer.status);
    response.end(request.url === FEED_PATHS.snapshot ? meddler.forge(octets) : octets);
  });
  const streams = new WebSocketServer({ noServer: true, handleProtocols: () => SUBPROTOCOL });
  const upstreams = new Set<WebSocket>();
  const messageOf = (data: RawData, isBinary: boolean): Message => {
    const octets = Buffer.isBuffer(data) ? data : Buffer.alloc(0);
    return isBinary ? octets : octets.toString();
  };
  server.on("upgrade", (request, socket, head) => {
    streams.handleUpgrade(request, socket, head, (down) => {
      const up = new WebSocket(`${target.replace("http", "ws")}${request.url}`, SUBPROTOCOL);
      upstreams.add(up);
      const early: Message[] = [];
      down.on("message", (data: RawData, isBinary: boolean) => {
        const message = messageOf(data, isBinary);
        if (up.readyState === WebSocket.OPEN) up.send(message);
        else early.push(message);
      });
      up.on("open", () => {
        for (const message of early) up.send(message);
      });
      up.on("message", (data: RawData, isBinary: boolean) => {
        for (const message of meddler.meddle(messageOf(data, isBinary))) down.send(message);
      });
      up.on("close", () => down.terminate());
      up.on("error", () => down.terminate());
      down.on("close", () => up.terminate());
      down.on("error", () => up.terminate());
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("no address");

  const meddler: Meddler = {
    url: `http://localhost:${address.port}`,
    meddle: (frame) => [frame],
    forge: (snapshot) => snapshot,
    sever: () => {
      for (const up of upstreams) up.terminate();
      upstreams.clear();
    },
    close: async () => {
      meddler.sever();
      streams.close();
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
  return meddler;
}
