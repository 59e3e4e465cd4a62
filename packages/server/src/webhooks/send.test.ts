import assert from "node:assert/strict";
import type { LookupAddress } from "node:dns";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, test } from "node:test";
import { systemAlarm } from "../prelude/world.ts";
import { createSender, type Sender } from "./send.ts";
import { createReach } from "./target.ts";

const open: (() => void)[] = [];
afterEach(() => {
  for (const close of open.splice(0)) close();
});

async function serve(answer: RequestListener): Promise<{ readonly server: Server; readonly port: number }> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  open.push(() => {
    server.close();
    server.closeAllConnections();
  });
  return { server, port: (server.address() as AddressInfo).port };
}

/** A sender for which every name resolves to these, one answer for each look-up, the last one for ever. */
function sender(allowed: readonly string[], ...answers: readonly (readonly string[])[]) {
  const names: string[] = [];
  const made: Sender = createSender(createReach(allowed), systemAlarm, (name, _options, done) => {
    const addresses = answers[Math.min(names.length, answers.length - 1)] ?? [];
    names.push(name);
    done(
      null,
      addresses.map((address): LookupAddress => ({ address, family: address.includes(":") ? 6 : 4 })),
    );
  });
  open.push(() => made.close());
  const send = (url: string, body = "{}") =>
    made.send(url, { "webhook-id": "msg_1" }, body, new AbortController().signal);
  return { names, send };
}

test("the connection goes to an address that was judged, under the name's own Host", async () => {
  const hosts: unknown[] = [];
  const { port } = await serve((request, response) => {
    hosts.push(request.headers.host);
    response.writeHead(204).end();
  });
  const { send, names } = sender(["127.0.0.1"], ["127.0.0.1"]);
  assert.deepEqual(await send(`http://hooks.test:${port}/`), { outcome: "delivered", status: 204 });
  assert.deepEqual([hosts, names], [[`hooks.test:${port}`], ["hooks.test"]]);
});

test("a name that resolves to a private address is refused, also where another address of it is public", async () => {
  let asked = 0;
  const { port } = await serve((_request, response) => {
    asked += 1;
    response.end();
  });
  for (const addresses of [["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["::ffff:127.0.0.1"], ["169.254.169.254"]]) {
    const { send } = sender([], addresses);
    assert.deepEqual(await send(`http://hooks.test:${port}/`), { outcome: "refused_target", status: null });
    assert.deepEqual(await send(`https://hooks.test:${port}/`), { outcome: "refused_target", status: null });
  }
  assert.equal(asked, 0);
});

test("a name that turns inward between two connections is refused at the second", async () => {
  const { port } = await serve((_request, response) => void response.writeHead(204, { connection: "close" }).end());
  const { send } = sender(["127.0.0.1"], ["127.0.0.1"], ["127.0.0.2"]);
  assert.equal((await send(`http://hooks.test:${port}/`))?.outcome, "delivered");
  assert.equal((await send(`http://hooks.test:${port}/`))?.outcome, "refused_target");
});

test("an address in figures is judged without a look-up", async () => {
  const { send, names } = sender([]);
  for (const url of ["http://127.0.0.1:9/", "http://[::1]:9/", "https://10.0.0.1/", "http://2130706433:9/"]) {
    assert.deepEqual(await send(url), { outcome: "refused_target", status: null });
  }
  assert.deepEqual(names, []);
});

test("a kept connection that the receiver closed just then is no failure: the message goes over a fresh one", async () => {
  const seen: string[] = [];
  let closing = false;
  const { port } = await serve((request, response) => {
    // As a server whose idle time ran out: the kept connection ends without an answer.
    if (closing) {
      closing = false;
      request.socket.destroy();
      return;
    }
    seen.push(String(request.socket.remotePort));
    request.resume().on("end", () => void response.writeHead(204).end());
  });
  const { send } = sender(["127.0.0.1"], ["127.0.0.1"]);
  assert.equal((await send(`http://hooks.test:${port}/`))?.outcome, "delivered");
  closing = true;
  assert.equal((await send(`http://hooks.test:${port}/`))?.outcome, "delivered");
  assert.equal(new Set(seen).size, 2);
});

test("a receiver that breaks off without an answer, or speaks no HTTP, is unreachable", async () => {
  const { send } = sender(["127.0.0.1"], ["127.0.0.1"]);
  const breaking = await serve((request) => void request.socket.destroy());
  assert.deepEqual(await send(`http://hooks.test:${breaking.port}/`), { outcome: "unreachable", status: null });
  const babbling = await serve((request) => void request.socket.end("SSH-2.0-x\r\n"));
  assert.deepEqual(await send(`http://hooks.test:${babbling.port}/`), { outcome: "unreachable", status: null });
  const flooding = await serve((_request, response) => void response.writeHead(200, { x: "y".repeat(100_000) }).end());
  assert.deepEqual(await send(`http://hooks.test:${flooding.port}/`), { outcome: "unreachable", status: null });
  // Plain HTTP where TLS is expected.
  assert.deepEqual(await send(`https://hooks.test:${flooding.port}/`), { outcome: "unreachable", status: null });
});

test("what is called off answers nothing", async () => {
  const { port } = await serve(() => {});
  const stopping = new AbortController();
  const made = createSender(createReach(["127.0.0.1"]), systemAlarm);
  open.push(() => made.close());
  const sent = made.send(`http://127.0.0.1:${port}/`, {}, "{}", stopping.signal);
  stopping.abort();
  assert.equal(await sent, null);
  assert.equal(await made.send(`http://127.0.0.1:${port}/`, {}, "{}", stopping.signal), null);
});
