import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { after, test } from "node:test";
import { openLink } from "./link.ts";

const echo = createServer((socket) => {
  socket.on("error", () => {});
  socket.pipe(socket);
});
await new Promise<void>((resolve) => echo.listen(0, "127.0.0.1", resolve));
const sockets = new Set<Socket>();
after(() => {
  for (const socket of sockets) socket.destroy();
  echo.close();
});

async function opened() {
  const link = await openLink((echo.address() as AddressInfo).port);
  after(() => link.close());
  return link;
}

async function dial(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1").setEncoding("utf8");
  sockets.add(socket);
  socket.on("error", () => {});
  await once(socket, "connect");
  return socket;
}

/** However it ended. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => (socket.destroyed ? resolve() : socket.once("close", () => resolve())));
}

test("a link passes what is said, both ways, and counts it", async () => {
  const link = await opened();
  const socket = await dial(link.port);
  socket.write("hello");
  assert.deepEqual(await once(socket, "data"), ["hello"]);
  assert.equal(link.bytes, 10);
});

test("a link that is cut breaks what is open, and what comes, until it is healed", async () => {
  const link = await opened();
  const socket = await dial(link.port);
  socket.write("hello");
  await once(socket, "data");
  link.cut();
  await closed(socket);
  await closed(connect(link.port, "127.0.0.1").on("error", () => {}));
  link.heal();
  const last = await dial(link.port);
  last.write("again");
  assert.deepEqual(await once(last, "data"), ["again"]);
});

test("a link that is held lets nothing through and breaks nothing; what waited comes afterwards", async () => {
  const link = await opened();
  const socket = await dial(link.port);
  socket.write("one");
  await once(socket, "data");
  link.hold();
  let heard = "";
  socket.on("data", (text: string) => {
    heard += text;
  });
  socket.write("two");
  await new Promise((wake) => setTimeout(wake, 50));
  assert.equal(heard, "");
  assert.equal(socket.destroyed, false);
  link.heal();
  while (heard === "") await new Promise((wake) => setTimeout(wake, 5));
  assert.equal(heard, "two");
});

test("a link that is cut for another process alone goes on for this one", async () => {
  const link = await opened();
  const socket = await dial(link.port);
  link.cut(1);
  socket.write("hello");
  assert.deepEqual(await once(socket, "data"), ["hello"]);
});
