/** Revocations on their way to real verifiers, over real sockets. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Verifier } from "@mapae/verifier";
import { encodeClientFrame, FEED_PATHS, ORIGIN, SUBPROTOCOL } from "@mapae/verifier/revocation";
import { SYSTEM } from "../../packages/server/src/audit/event.ts";
import { asId } from "../../packages/server/src/prelude/ids.ts";
import { claimsOf, type ResourceServer, type Tokens } from "../stage.ts";
import { LEASE_MS, type Service, startService } from "./service.ts";

/** What the slowest clock can make of a lease, and the network and the machine around it. */
const COVERED_MS = LEASE_MS * 1.1 + 500;

let service: Service;
let orders: ResourceServer;
let verifier: Verifier;
let admin: string;
before(async () => {
  service = await startService();
  orders = await service.resourceServer("orders");
  verifier = await service.verifier(orders);
  admin = await service.admin();
  await service.signUp("kim");
  // Leases of a time before cannot be running: the database is new.
});
after(() => service.close());

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 500 && !condition(); tries += 1) await sleep(10);
  assert(condition());
}

const codeOf = (token: string) => {
  const verdict = verifier.verify(token);
  return verdict.ok ? "ok" : verdict.code;
};

describe("a confirmed revocation", () => {
  test("of one's own session: when it is answered, the verifier refuses the token, and says why", async () => {
    const { access } = await service.logIn("kim");
    assert.equal(codeOf(access), "ok");
    const answer = await service.call("DELETE", "/v1/sessions/current?wait=all", { token: access });
    assert.equal(answer.status, 200);
    const { confirmed, acknowledged, outstanding, unbound } = answer.body;
    assert.deepEqual(
      { confirmed, acknowledged, outstanding, unbound },
      { confirmed: true, acknowledged: 1, outstanding: [], unbound: [] },
    );
    const verdict = verifier.verify(access);
    assert(!verdict.ok && verdict.code === "token_revoked" && verdict.reason === "logout");
  });

  const KINDS: readonly (readonly [string, (tokens: Tokens) => { id?: string; confirm?: string }])[] = [
    ["token", ({ access }) => ({ id: String(claimsOf(access).jti) })],
    ["session", ({ session }) => ({ id: session })],
    ["grant", ({ access }) => ({ id: String(claimsOf(access).gid) })],
    ["user", ({ user }) => ({ id: user })],
    ["client", () => ({ id: "mapae", confirm: "mapae" })],
  ];
  for (const [kind, named] of KINDS) {
    test(`of kind ${kind}, and logging in again works at once`, async () => {
      const tokens = await service.logIn("kim");
      assert.equal(codeOf(tokens.access), "ok");
      const body = { kind, ...named(tokens), wait: "all" };
      const answer = await service.call("POST", "/v1/revocations", { token: admin, body });
      assert.equal(answer.status, 201, answer.text);
      assert.equal(answer.body.confirmed, true);
      assert.equal(codeOf(tokens.access), "token_revoked");
      // The administrator's token is the client's too.
      if (kind === "client") admin = await renewedAdmin();
      assert.equal(codeOf((await service.logIn("kim")).access), "ok");
    });
  }

  test("of kind key: its tokens die, and the next log-in is signed by another", async () => {
    const tokens = await service.logIn("kim");
    const kid = String(JSON.parse(Buffer.from(tokens.access.split(".")[0] ?? "", "base64url").toString()).kid);
    const body = { kind: "key", id: kid, confirm: kid, wait: "all" };
    const answer = await service.call("POST", "/v1/revocations", { token: admin, body });
    assert.deepEqual([answer.status, answer.body.confirmed], [201, true]);
    assert.equal(codeOf(tokens.access), "token_revoked");
    const { access } = await service.logIn("kim");
    const verdict = await verifier.check(access);
    assert(verdict.ok);
    admin = await renewedAdmin();
  });

  test("of kind all, by `everyone`", async () => {
    const tokens = await service.logIn("kim");
    const body = { kind: "all", confirm: "everyone", wait: "all" };
    const answer = await service.call("POST", "/v1/revocations", { token: admin, body });
    assert.deepEqual([answer.status, answer.body.confirmed], [201, true]);
    assert.equal(codeOf(tokens.access), "token_revoked");
    admin = await renewedAdmin();
  });

  test("of a user who is disabled, and of one who is deleted", async () => {
    const id = await service.signUp("lee");
    const first = await service.logIn("lee");
    const disabled = await service.call("PATCH", `/v1/admin/users/${id}?wait=all`, {
      token: admin,
      body: { state: "disabled" },
    });
    assert.deepEqual([disabled.status, disabled.body.confirmed], [200, true]);
    assert.equal(codeOf(first.access), "token_revoked");
    await service.call("PATCH", `/v1/admin/users/${id}`, { token: admin, body: { state: "active" } });
    const second = await service.logIn("lee");
    const deleted = await service.call("DELETE", `/v1/admin/users/${id}?wait=all`, { token: admin });
    assert.deepEqual([deleted.status, deleted.body.confirmed], [200, true]);
    assert.equal(codeOf(second.access), "token_revoked");
  });

  test("waits for a verifier that is cut off, until its lease has ended, and names it", async () => {
    const { socket, frames } = await service.socket();
    socket.send(service.hello(orders));
    await until(() => frames.length > 0);
    socket.send(encodeClientFrame({ type: "ping", n: 1 }));
    await until(() => frames.some(({ type }) => type === "hb"));
    socket.terminate();
    const { access } = await service.logIn("kim");
    const begun = performance.now();
    const answer = await service.call("DELETE", `/v1/admin/sessions/${claimsOf(access).sid}?wait=all`, {
      token: admin,
    });
    const took = performance.now() - begun;
    assert.equal(answer.body.confirmed, true);
    assert(took <= COVERED_MS, `${took} ms`);
    assert.deepEqual(
      [answer.body.outstanding].flat().map((each) => (each as { client_id: string }).client_id),
      ["orders"],
    );
  });

  test("is given up after a timeout, unconfirmed", async () => {
    const { socket, frames } = await service.socket();
    socket.send(service.hello(orders));
    await until(() => frames.length > 0);
    socket.send(encodeClientFrame({ type: "ping", n: 1 }));
    await until(() => frames.some(({ type }) => type === "hb"));
    const body = { kind: "token", id: "some jti", wait: "all", timeout_ms: 20 };
    const answer = await service.call("POST", "/v1/revocations", { token: admin, body });
    assert.deepEqual([answer.status, answer.body.confirmed], [201, false]);
    socket.terminate();
    await sleep(COVERED_MS);
  });
});

async function renewedAdmin(): Promise<string> {
  const { refresh } = await service.logIn("administrator");
  const body = { refresh_token: refresh, audience: `${service.url}/admin` };
  return String((await service.call("POST", "/v1/sessions/refresh", { body })).body.access_token);
}

describe("frames that are no frames", () => {
  const hello = (): string => service.hello(orders);
  const BAD: readonly (readonly [string, () => string | Buffer])[] = [
    ["noise", () => "hello"],
    ["a truncated hello", () => hello().slice(0, -3)],
    ["a hello with a flipped bit", () => hello().replace("orders", "ordert")],
    ["an unknown kind", () => '{"type":"conquer"}'],
    ["binary", () => Buffer.from(hello())],
    ["a ping before the hello", () => encodeClientFrame({ type: "ping", n: 1 })],
    ["a frame of the other side", () => '{"type":"hb","echo":1}'],
    ["more than a frame may have", () => "x".repeat(20_000)],
  ];
  for (const [what, bytes] of BAD) {
    test(`${what}: the connection is ended, nothing is told, and nobody else notices`, async () => {
      const { socket, frames } = await service.socket();
      socket.send(bytes());
      await once(socket, "close");
      assert(frames.every((frame) => frame.type === "refused" && frame.code === "bad_frame"));
      const { access } = await service.logIn("kim");
      assert.equal(codeOf(access), "ok");
    });
  }

  test("an acknowledgement of what was not sent ends the connection, and confirms nothing", async () => {
    const { socket, frames } = await service.socket();
    socket.send(service.hello(orders));
    await until(() => frames.length > 0);
    const { epoch, seq } = service.position;
    socket.send(encodeClientFrame({ type: "ack", position: { epoch, seq: seq + 1000 } }));
    await once(socket, "close");
    assert.deepEqual(frames.at(-1), { type: "refused", code: "bad_frame" });
  });

  test("two hellos, a replayed ping, an old acknowledgement", async () => {
    const { socket, frames } = await service.socket();
    socket.send(service.hello(orders));
    await until(() => frames.length > 0);
    for (const n of [5, 5, 3]) socket.send(encodeClientFrame({ type: "ping", n }));
    socket.send(encodeClientFrame({ type: "ack", position: ORIGIN }));
    await until(() => frames.some(({ type }) => type === "hb"));
    await sleep(50);
    assert.equal(frames.filter(({ type }) => type === "hb").length, 1);
    socket.send(service.hello(orders));
    await once(socket, "close");
    assert.deepEqual(frames.at(-1), { type: "refused", code: "bad_frame" });
  });
});

describe("the door", () => {
  const speak = async (path: string, headers: readonly string[]): Promise<string> => {
    const socket = connect(Number(new URL(service.url).port), "127.0.0.1");
    let heard = "";
    socket.setEncoding("utf8").on("data", (data) => {
      heard += data;
    });
    socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n${headers.map((line) => `${line}\r\n`).join("")}\r\n`);
    await once(socket, "close");
    return heard.split("\r\n")[0] ?? "";
  };
  const UPGRADE = [
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
  ];

  test("opens at one address, for one protocol", async () => {
    assert.equal(
      await speak("/v1/sessions", [...UPGRADE, `Sec-WebSocket-Protocol: ${SUBPROTOCOL}`]),
      "HTTP/1.1 404 Not Found",
    );
    assert.equal(await speak(FEED_PATHS.stream, UPGRADE), "HTTP/1.1 400 Bad Request");
    assert.equal(
      await speak(FEED_PATHS.stream, [...UPGRADE, "Sec-WebSocket-Protocol: chat"]),
      "HTTP/1.1 400 Bad Request",
    );
    assert.equal(await speak(FEED_PATHS.stream, ["Connection: Upgrade", "Upgrade: h2c"]), "HTTP/1.1 400 Bad Request");
  });

  test("lets nobody in without a resource server's credentials, and says no more than that", async () => {
    for (const as of [
      { ...orders, secret: "wrong" },
      { id: "mapae", secret: "x" },
      { id: "nobody", secret: "x" },
    ]) {
      const { socket, frames } = await service.socket();
      socket.send(service.hello(as));
      const [code] = (await once(socket, "close")) as [number];
      assert.deepEqual([frames, code], [[{ type: "refused", code: "unauthorized" }], 4401]);
    }
  });

  test("is closed by the deletion of the resource server, in the middle of the stream", async () => {
    const leaving = await service.resourceServer("leaving");
    const { socket, frames } = await service.socket();
    socket.send(service.hello(leaving));
    await until(() => frames.length > 0);
    await service.server.operations.clientAction.delete(asId("client", "leaving"), SYSTEM);
    const [code] = (await once(socket, "close")) as [number];
    assert.equal(code, 4401);
    const { socket: again } = await service.socket();
    again.send(service.hello(leaving));
    await once(again, "close");
  });

  test("refuses above the cap, clearly, and lets in again when there is room", async () => {
    const small = await startService({ feedConnections: "1" });
    try {
      const api = await small.resourceServer("api");
      const { socket: first } = await small.socket();
      const { socket: excess, frames } = await small.socket();
      const [code] = (await once(excess, "close")) as [number];
      assert.equal(code, 4429);
      assert.deepEqual(frames, [{ type: "refused", code: "too_many_connections" }]);
      first.close();
      await sleep(50);
      const { socket: third, frames: welcomed } = await small.socket();
      third.send(small.hello(api));
      await until(() => welcomed.length > 0);
    } finally {
      await small.close();
    }
  });
});

describe("a verifier that cannot hold a stream", () => {
  test("polls, and refuses what was revoked within a lease and a poll", async () => {
    const polling = await service.verifier(orders, { revocation: { onStale: "reject", webSocket: false } });
    const { access } = await service.logIn("kim");
    assert((await polling.check(access)).ok);
    const answer = await service.call("DELETE", "/v1/sessions/current?wait=all", { token: access });
    assert.equal(answer.body.confirmed, true);
    const verdict = polling.verify(access);
    assert(!verdict.ok);
    polling.close();
    await sleep(COVERED_MS);
  });
});

describe("a node that stops", () => {
  test("asks its verifiers to leave, takes nobody new, and ends what stays", async () => {
    const stopping = await startService();
    const api = await stopping.resourceServer("api");
    const both = [await stopping.socket(), await stopping.socket()] as const;
    const [{ socket: staying }, { socket: leaving }] = both;
    for (const { socket } of both) socket.send(stopping.hello(api));
    await until(() => both.every(({ frames }) => frames.length > 0));
    leaving.on("message", () => leaving.close());
    const closed = once(staying, "close");
    await stopping.stop(300);
    const [code] = (await closed) as [number];
    assert.equal(code, 1001);
    for (const { frames } of both) assert.equal(frames.at(-1)?.type, "drain");
    const { socket: late } = await stopping.socket();
    await once(late, "close");
    await stopping.close();
  });
});
