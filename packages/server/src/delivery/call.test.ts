import assert from "node:assert/strict";
import type { LookupAddress } from "node:dns";
import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, test } from "node:test";
import { systemAlarm } from "../prelude/world.ts";
import { type Called, type Caller, createCaller } from "./call.ts";
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

const LIMITS = { most: 65_536, timeoutMs: 10_000 };

/** How it ended: the status, or why there is none. */
function endOf(called: Called | null): number | string | null {
  return called === null ? null : called.answered ? called.status : called.fault;
}

/** A caller for whom every name resolves to these, one answer for each look-up, the last one for ever. */
function sender(allowed: readonly string[], ...answers: readonly (readonly string[])[]) {
  const names: string[] = [];
  const made: Caller = createCaller(createReach(allowed), systemAlarm, (name, _options, done) => {
    const addresses = answers[Math.min(names.length, answers.length - 1)] ?? [];
    names.push(name);
    done(
      null,
      addresses.map((address): LookupAddress => ({ address, family: address.includes(":") ? 6 : 4 })),
    );
  });
  open.push(() => made.close());
  const send = async (url: string, body = "{}") =>
    endOf(await made.call({ method: "POST", url, headers: {}, body, ...LIMITS }, new AbortController().signal));
  return { names, send };
}

test("the connection goes to an address that was judged, under the name's own Host", async () => {
  const hosts: unknown[] = [];
  const { port } = await serve((request, response) => {
    hosts.push(request.headers.host);
    response.writeHead(204).end();
  });
  const { send, names } = sender(["127.0.0.1"], ["127.0.0.1"]);
  assert.deepEqual(await send(`http://hooks.test:${port}/`), 204);
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
    assert.deepEqual(await send(`http://hooks.test:${port}/`), "refused_target");
    assert.deepEqual(await send(`https://hooks.test:${port}/`), "refused_target");
  }
  assert.equal(asked, 0);
});

test("a name that turns inward between two connections is refused at the second", async () => {
  const { port } = await serve((_request, response) => void response.writeHead(204, { connection: "close" }).end());
  const { send } = sender(["127.0.0.1"], ["127.0.0.1"], ["127.0.0.2"]);
  assert.equal(await send(`http://hooks.test:${port}/`), 204);
  assert.equal(await send(`http://hooks.test:${port}/`), "refused_target");
});

test("an address in figures is judged without a look-up", async () => {
  const { send, names } = sender([]);
  for (const url of ["http://127.0.0.1:9/", "http://[::1]:9/", "https://10.0.0.1/", "http://2130706433:9/"]) {
    assert.deepEqual(await send(url), "refused_target");
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
  assert.equal(await send(`http://hooks.test:${port}/`), 204);
  closing = true;
  assert.equal(await send(`http://hooks.test:${port}/`), 204);
  assert.equal(new Set(seen).size, 2);
});

test("a receiver that breaks off without an answer, or speaks no HTTP, is unreachable", async () => {
  const { send } = sender(["127.0.0.1"], ["127.0.0.1"]);
  const breaking = await serve((request) => void request.socket.destroy());
  assert.deepEqual(await send(`http://hooks.test:${breaking.port}/`), "unreachable");
  const babbling = await serve((request) => void request.socket.end("SSH-2.0-x\r\n"));
  assert.deepEqual(await send(`http://hooks.test:${babbling.port}/`), "unreachable");
  const flooding = await serve((_request, response) => void response.writeHead(200, { x: "y".repeat(100_000) }).end());
  assert.deepEqual(await send(`http://hooks.test:${flooding.port}/`), "unreachable");
  // Plain HTTP where TLS is expected.
  assert.deepEqual(await send(`https://hooks.test:${flooding.port}/`), "unreachable");
});

test("what is called off answers nothing", async () => {
  const { port } = await serve(() => {});
  const stopping = new AbortController();
  const made = createCaller(createReach(["127.0.0.1"]), systemAlarm);
  open.push(() => made.close());
  const call = { method: "POST", url: `http://127.0.0.1:${port}/`, headers: {}, body: "{}", ...LIMITS } as const;
  const called = made.call(call, stopping.signal);
  stopping.abort();
  assert.equal(await called, null);
  assert.equal(await made.call(call, stopping.signal), null);
});

test("the answer is read to its end, and none where it is too long, breaks off, or takes too long", async () => {
  const { port } = await serve((request, response) => {
    const { pathname } = new URL(request.url ?? "/", "http://x");
    if (pathname === "/whole") response.writeHead(400, { "content-type": "application/json" }).end('{"err":"x"}');
    else if (pathname === "/long") response.end("x".repeat(101));
    else if (pathname === "/broken")
      response.writeHead(200, { "content-length": "50" }).write("half", () => response.destroy());
    else response.writeHead(200).write("and then");
  });
  const made = createCaller(createReach(["127.0.0.1"]), systemAlarm);
  open.push(() => made.close());
  const get = (path: string, timeoutMs = 10_000) => {
    const call = { method: "GET", url: `http://127.0.0.1:${port}${path}`, headers: {}, body: null, most: 100 } as const;
    return made.call({ ...call, timeoutMs }, new AbortController().signal);
  };
  const whole = await get("/whole");
  assert.ok(whole?.answered);
  assert.deepEqual([whole.status, whole.body?.toString()], [400, '{"err":"x"}']);
  assert.equal(whole.headers["content-type"], "application/json");
  for (const path of ["/long", "/broken", "/slow"]) {
    const cut = await get(path, path === "/slow" ? 50 : 10_000);
    assert.ok(cut?.answered, path);
    assert.deepEqual([cut.status, cut.body], [200, null], path);
  }
});
