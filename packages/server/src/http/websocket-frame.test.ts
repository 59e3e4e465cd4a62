import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { type RawData, WebSocket, WebSocketServer } from "ws";
import { frameOf } from "./websocket-frame.ts";

test("messages of every length arrive as they were sent: text and binary, at each form of the length", async () => {
  const lengths = [0, 1, 125, 126, 127, 65_535, 65_536, 200_000];
  const messages = lengths.flatMap((length) => [
    "é".repeat(Math.floor(length / 2)) + "x".repeat(length % 2),
    new Uint8Array(length).fill(7),
  ]);
  const http = createServer().listen(0, "127.0.0.1");
  const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  http.on("upgrade", (request, socket, head) => {
    sockets.handleUpgrade(request, socket, head, (websocket) => {
      for (const message of messages) socket.write(frameOf(message));
      websocket.close(4000);
    });
  });
  await once(http, "listening");
  const client = new WebSocket(`ws://127.0.0.1:${(http.address() as AddressInfo).port}`);
  const got: (string | Uint8Array)[] = [];
  client.on("message", (data: RawData, isBinary: boolean) => {
    got.push(isBinary ? new Uint8Array(data as Buffer) : data.toString());
  });
  const [code] = await once(client, "close");
  assert.equal(code, 4000);
  assert.deepEqual(got, messages);
  http.close();
});

test("what goes to many is put together once", () => {
  const octets = Uint8Array.of(1, 2, 3);
  assert.equal(frameOf(octets), frameOf(octets));
});
