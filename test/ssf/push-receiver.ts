/** A receiver of pushed events on a port of its own (RFC 8935): keeps what came, and answers as it is told. */
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Json } from "../stage.ts";

export interface Pushed {
  readonly headers: IncomingHttpHeaders;
  readonly set: string;
}

/** A status, an error of RFC 8935, silence, or anything else. */
export type Answering = number | Json | "silent" | ((response: ServerResponse) => void);

export interface PushReceiver {
  readonly url: string;
  readonly pushed: readonly Pushed[];
  /** What is answered from now on. */
  answer: Answering;
  close(): Promise<void>;
}

export async function openPushReceiver(answering: Answering = 202): Promise<PushReceiver> {
  const pushed: Pushed[] = [];
  const server = createServer((request, response) => {
    let set = "";
    request.setEncoding("utf8").on("data", (chunk: string) => {
      set += chunk;
    });
    request.on("end", () => {
      pushed.push({ headers: request.headers, set });
      const { answer } = receiver;
      if (answer === "silent") return;
      if (typeof answer === "function") answer(response);
      else if (typeof answer === "number") response.writeHead(answer).end();
      else response.writeHead(400, { "content-type": "application/json" }).end(JSON.stringify(answer));
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const receiver: PushReceiver = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/events`,
    pushed,
    answer: answering,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return receiver;
}
