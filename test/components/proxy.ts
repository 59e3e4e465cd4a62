/** A TCP proxy on loopback that a test can cut: between a program and a server that should notice. */
import { connect, createServer, type Socket } from "node:net";

export interface TcpProxy {
  readonly port: number;
  /** The port of the server that new connections go to. */
  target: number;
  /** Cuts every connection that there is. */
  cut(): void;
  /** From now on, whether new connections are taken. */
  open: boolean;
  /** Looks at what goes to the server. `cut`: lets it through, and loses the answer with the connection. */
  watch: ((toServer: Buffer) => "pass" | "cut") | null;
  /** Changes what the server answers: octet for octet, no shorter and no longer. */
  answers: ((fromServer: Buffer) => Buffer) | null;
  close(): Promise<void>;
}

export async function startProxy(target: number): Promise<TcpProxy> {
  const pairs = new Set<readonly [Socket, Socket]>();
  const server = createServer((client) => {
    if (!proxy.open) {
      client.destroy();
      return;
    }
    const upstream = connect(proxy.target, "127.0.0.1");
    const pair = [client, upstream] as const;
    pairs.add(pair);
    const end = (): void => {
      pairs.delete(pair);
      client.destroy();
      upstream.destroy();
    };
    for (const socket of pair) socket.on("error", end).on("close", end);
    client.on("data", (data: Buffer) => {
      if (proxy.watch?.(data) !== "cut") {
        upstream.write(data);
        return;
      }
      // The server reads it and its end, works, and answers nobody.
      client.off("close", end).destroy();
      upstream.removeAllListeners("data").resume();
      upstream.end(data);
    });
    upstream.on("data", (data: Buffer) => client.write(proxy.answers?.(data) ?? data));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const proxy: TcpProxy = {
    port: typeof address === "object" && address !== null ? address.port : 0,
    target,
    open: true,
    watch: null,
    answers: null,
    cut: () => {
      for (const [client, upstream] of [...pairs]) {
        client.destroy();
        upstream.destroy();
      }
    },
    close: () => {
      proxy.cut();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
  return proxy;
}
