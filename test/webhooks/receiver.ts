/** A receiver of webhooks on a port of its own: keeps what came, and answers as it is told. */
import { createHmac } from "node:crypto";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type Json, list, object, text } from "../stage.ts";

export interface Received {
  readonly headers: IncomingHttpHeaders;
  readonly raw: string;
  readonly body: Json;
}

/** `silent`: never answers. */
export type Answering = number | "silent" | ((response: ServerResponse) => void);

export interface Receiver {
  readonly url: string;
  readonly received: readonly Received[];
  /** What is answered from now on. */
  answer: Answering;
  /** The subjects of everything that came, in its order, repeats included. */
  subjects(): readonly unknown[];
  close(): Promise<void>;
}

export async function openReceiver(answering: Answering = 204, port = 0): Promise<Receiver> {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    let raw = "";
    request.setEncoding("utf8").on("data", (chunk: string) => {
      raw += chunk;
    });
    request.on("end", () => {
      received.push({ headers: request.headers, raw, body: object(JSON.parse(raw)) });
      const { answer } = receiver;
      if (answer === "silent") return;
      if (typeof answer === "function") answer(response);
      else response.writeHead(answer).end();
    });
  });
  await new Promise<void>((resolve) => void server.listen(port, "127.0.0.1", resolve));
  const receiver: Receiver = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    received,
    answer: answering,
    subjects: () => received.flatMap(({ body }) => list(body.data).map(({ subject }) => subject)),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return receiver;
}

/** Verifies as docs/webhooks.md says, with one secret. */
export function isSigned({ headers, raw }: Received, secret: string): boolean {
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const signed = `${text(headers["webhook-id"])}.${text(headers["webhook-timestamp"])}.${raw}`;
  const expected = `v1,${createHmac("sha256", key).update(signed).digest("base64")}`;
  return text(headers["webhook-signature"]).split(" ").includes(expected);
}
