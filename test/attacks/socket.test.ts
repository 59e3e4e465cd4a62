/** What only a socket can carry: broken framing, oversized headers, clients that leave, and a server that is told to stop. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { Agent, get as httpGet, request as httpRequest, type IncomingMessage } from "node:http";
import { connect, type Socket } from "node:net";
import { after, before, test } from "node:test";
import { type Listening, listen } from "../../packages/server/src/server/listen.ts";
import { openStage, PASSWORD, type Stage } from "../stage.ts";

let stage: Stage;
let listening: Listening;
before(async () => {
  stage = await openStage({ settings: { rateLimit: "off" } });
  await stage.signUp("kim");
  listening = await listen("127.0.0.1", 0);
  listening.answerWith(stage.server.app);
});
after(async () => {
  await listening.close(1000);
  await stage.close();
});

/** Sends bytes as they are, and reads until the other side closes. */
async function speak(text: string | readonly string[], end = true): Promise<string> {
  const socket: Socket = connect(listening.port, "127.0.0.1");
  let heard = "";
  socket.setEncoding("utf8").on("data", (data) => {
    heard += data;
  });
  await once(socket, "connect");
  for (const part of [text].flat()) socket.write(part);
  if (end) socket.end();
  await once(socket, "close");
  return heard;
}

const HOST = "Host: login.example\r\n";
const JSON_HEAD = `POST /v1/users HTTP/1.1\r\n${HOST}Content-Type: application/json\r\nConnection: close\r\n`;

test("an answer over the socket is whole, and says what it is", async () => {
  const heard = await speak(`GET /healthz HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`);
  assert.match(heard, /^HTTP\/1\.1 200 /);
  assert.match(heard, /x-request-id: /i);
  assert.match(heard, /\{"status":"ok"\}$/);
});

test("oversized headers are refused before they are read to their end", async () => {
  assert.match(await speak(`GET / HTTP/1.1\r\n${HOST}X: ${"x".repeat(20_000)}\r\n\r\n`), /^HTTP\/1\.1 431 /);
  assert.match(await speak(`GET /${"x".repeat(20_000)} HTTP/1.1\r\n${HOST}\r\n`), /^HTTP\/1\.1 (431|414) /);
  const many = Array.from({ length: 3000 }, (_, at) => `X-${at}: x\r\n`).join("");
  assert.match(await speak(`GET / HTTP/1.1\r\n${HOST}${many}\r\n`), /^HTTP\/1\.1 431 /);
});

const BROKEN: readonly (readonly [string, string])[] = [
  ["no HTTP at all", "hello\r\n\r\n"],
  ["a request without a host", "GET / HTTP/1.1\r\n\r\n"],
  ["two lengths", `${JSON_HEAD}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}`],
  ["a length and chunks", `${JSON_HEAD}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  ["a length that is no number", `${JSON_HEAD}Content-Length: two\r\n\r\n{}`],
  ["a negative length", `${JSON_HEAD}Content-Length: -1\r\n\r\n{}`],
  ["a chunk size that is none", `${JSON_HEAD}Transfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n0\r\n\r\n`],
  ["a line feed in a header", "GET / HTTP/1.1\r\nHost: a\nX: b\rc\r\n\r\n"],
  ["a NUL in a header", `GET / HTTP/1.1\r\n${HOST}X: a\0b\r\n\r\n`],
  ["a folded header", `GET / HTTP/1.1\r\n${HOST}X: a\r\n b\r\n\r\n`],
];
for (const [what, text] of BROKEN) {
  test(`request smuggling: ${what} is refused`, async () => {
    const heard = await speak(text);
    assert.match(heard, /^HTTP\/1\.1 400 /);
    assert.equal(heard.split("HTTP/1.1").length, 2, "one answer, and no second request was seen");
  });
}

test("a body in chunks beyond 64 KiB is refused, and the connection is cut instead of read on", async () => {
  const chunk = `4000\r\n${" ".repeat(0x4000)}\r\n`;
  const head = `${JSON_HEAD.replace("close", "keep-alive")}Transfer-Encoding: chunked\r\n\r\n`;
  const heard = await speak([head, ...Array<string>(8).fill(chunk)], false);
  assert.match(heard, /^HTTP\/1\.1 413 /);
  assert.match(heard, /connection: close/i);
});

test("a declared length beyond 64 KiB is refused without waiting for the body", async () => {
  const heard = await speak(`${JSON_HEAD.replace("close", "keep-alive")}Content-Length: 100000000\r\n\r\n{`, false);
  assert.match(heard, /^HTTP\/1\.1 413 /);
});

test("two Authorization headers are no token, whichever is right", async () => {
  const { access } = await stage.logIn("kim");
  const one = `Authorization: Bearer ${access}\r\n`;
  const heard = await speak(`GET /v1/me HTTP/1.1\r\n${HOST}${one}${one}Connection: close\r\n\r\n`);
  assert.match(heard, /^HTTP\/1\.1 401 /);
});

test("methods and targets that nobody serves are refused, and break nothing", async () => {
  for (const line of [
    "TRACE /v1/me",
    "CONNECT login.example:443",
    "OPTIONS *",
    "GET http://evil.example/v1/me",
    "GET //v1/me",
  ]) {
    const heard = await speak(`${line} HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`);
    assert.match(heard, /^(HTTP\/1\.1 (4\d\d|204) |$)/, line);
  }
  assert.match(await speak(`GET /healthz HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`), /^HTTP\/1\.1 200 /);
});

test("a client that leaves in the middle of its body is no fault of ours, and is not logged as one", async () => {
  const before = stage.log().length;
  const socket = connect(listening.port, "127.0.0.1");
  await once(socket, "connect");
  socket.write(`${JSON_HEAD}Content-Length: 1000\r\n\r\n{"identifier":`);
  await new Promise((sent) => setTimeout(sent, 50));
  socket.destroy();
  const logged = () => stage.log().slice(before);
  for (let turn = 0; turn < 100 && !logged().includes("/v1/users"); turn += 1) {
    await new Promise((turned) => setTimeout(turned, 10));
  }
  assert.match(logged(), /"route":"\/v1\/users","status":400/);
  assert.doesNotMatch(logged(), /"level":"error"/);
});

test("HEAD over the socket has the length and not the body", async () => {
  const heard = await speak(`HEAD /healthz HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`);
  assert.match(heard, /content-length: 15/i);
  assert.match(heard, /\r\n\r\n$/);
});

function ask(port: number, path: string, agent: Agent, body?: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const options = { port, path, agent, host: "127.0.0.1", headers: { "content-type": "application/json" } };
    const done = (response: IncomingMessage): void => {
      response.resume().once("end", () => resolve(response));
    };
    const request = body === undefined ? httpGet(options, done) : httpRequest({ ...options, method: "POST" }, done);
    request.once("error", reject).end(body);
  });
}

test("a server that is told to stop finishes what is under way, and no idle client holds it up", async () => {
  const stopping = await listen("127.0.0.1", 0);
  let arrived = (): void => {};
  const underWay = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  stopping.answerWith((incoming, connection) => {
    arrived();
    return stage.server.app(incoming, connection);
  });
  const agent = new Agent({ keepAlive: true });
  const body = JSON.stringify({ identifier: "kim", password: PASSWORD });
  const answer = ask(stopping.port, "/v1/sessions", agent, body);
  await underWay;
  const closed = stopping.close(300_000);
  const { statusCode, headers } = await answer;
  assert.deepEqual([statusCode, headers.connection], [201, "close"]);
  await closed;
  await assert.rejects(ask(stopping.port, "/healthz", new Agent()));
  agent.destroy();
});

test("a server that is starting says so with 503, and when to come back", async () => {
  const starting = await listen("127.0.0.1", 0);
  const response = await ask(starting.port, "/readyz", new Agent());
  assert.equal(response.statusCode, 503);
  assert.equal(response.headers["retry-after"], "1");
  await starting.close(0);
});

test("a busy port and an address of another machine stop the start in one clear line", async () => {
  await assert.rejects(listen("127.0.0.1", listening.port), /^StartRefused: Port \d+ on 127\.0\.0\.1 is in use/);
  await assert.rejects(listen("203.0.113.1", 0), /MAPAE_HOST 203\.0\.113\.1 is no address of this machine/);
});
