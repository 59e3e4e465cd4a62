import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { Agent, request } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { createVerifier } from "@mapae/verifier";
import { createTestIssuer } from "@mapae/verifier/testing";
import { StartRefused } from "../prelude/fault.ts";
import { createDecide } from "./decision.ts";
import { type Door, type DoorParts, openDoor, type Place } from "./door.ts";
import { createGateMetrics } from "./metrics.ts";
import { createReader } from "./requirements.ts";

const issuer = createTestIssuer();
const verifier = createVerifier({ ...issuer.verifierOptions, revocation: "none", warn: () => {} });
const LOOPBACK = { host: "127.0.0.1", port: 0 };

async function open(t: TestContext, place: Place = LOOPBACK, changes: Partial<DoorParts> = {}): Promise<Door> {
  const door = await openDoor(place, {
    decide: createDecide(verifier, createReader({ scope: [], role: [] }, []), "r"),
    metrics: createGateMetrics([{ name: "mapae_gate_ready", help: "1: tokens can be judged", read: () => 1 }]),
    ready: async () => {},
    ...changes,
  });
  t.after(() => door.close(0));
  return door;
}

const bearer = { headers: { authorization: `Bearer ${issuer.token()}` } };

test("/verify and /auth judge a token; what they say can be counted", async (t) => {
  const { at } = await open(t);
  assert.equal((await fetch(`${at}/verify`, bearer)).status, 204);
  const reply = await fetch(`${at}/auth?scope=other`, bearer);
  assert.equal(reply.status, 403);
  assert.equal(reply.headers.get("cache-control"), "no-store");
  const page = await fetch(`${at}/metrics`);
  const text = await page.text();
  assert.match(text, /^mapae_gate_decisions_total\{outcome="accepted"\} 1$/m);
  assert.match(text, /^mapae_gate_decisions_total\{outcome="insufficient_scope"\} 1$/m);
  assert.match(text, /^mapae_gate_ready 1$/m);
});

test("alive is not ready: without keys /readyz is 503", async (t) => {
  let keys = false;
  const ready = () => (keys ? Promise.resolve() : Promise.reject(new Error("The verifier has no keys.")));
  const door = await open(t, LOOPBACK, { ready });
  assert.equal((await fetch(`${door.at}/healthz`)).status, 200);
  const refused = await fetch(`${door.at}/readyz`);
  assert.equal(refused.status, 503);
  assert.equal(await refused.text(), "The verifier has no keys.\n");
  keys = true;
  assert.equal((await fetch(`${door.at}/readyz`)).status, 200);
});

test("other paths and methods open nothing", async (t) => {
  const { at } = await open(t);
  for (const path of ["/", "/verify/", "//verify", "/VERIFY", "/verify%3f"]) {
    assert.equal((await fetch(at + path, bearer)).status, 404, path);
  }
  const posted = await fetch(`${at}/verify`, { ...bearer, method: "POST", body: "x" });
  assert.equal(posted.status, 405);
  assert.equal(posted.headers.get("allow"), "GET, HEAD");
});

/** Everything that a server says to some bytes. */
function raw(at: string, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = new URL(at);
    const socket = connect(Number(port), hostname, () => socket.end(text));
    let answer = "";
    socket.setEncoding("latin1").on("data", (chunk: string) => {
      answer += chunk;
    });
    socket.once("close", () => resolve(answer));
    socket.once("error", reject);
  });
}

test("two Authorization headers are refused, whichever comes first, on the wire", async (t) => {
  const { at } = await open(t);
  const good = `Authorization: Bearer ${issuer.token()}\r\n`;
  const ask = (headers: string) => raw(at, `GET /verify?token=optional HTTP/1.1\r\nHost: g\r\n${headers}\r\n`);
  assert.match(await ask(good), /^HTTP\/1\.1 204 /);
  for (const second of [good, "authorization: Bearer x\r\n", "Authorization: Basic a2RX\r\n", "Authorization:\r\n"]) {
    assert.match(await ask(good + second), /^HTTP\/1\.1 401 /, second);
    assert.match(await ask(second + good), /^HTTP\/1\.1 401 /, second);
  }
});

test("as many headers as a proxy lets through are no reason to fail", async (t) => {
  const { at } = await open(t);
  const filler = Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`x-filler-${n}`, "x".repeat(1_000)]));
  assert.equal((await fetch(`${at}/verify`, { headers: { ...bearer.headers, ...filler } })).status, 204);
});

test("a stop waits for the request under way, and for nothing else", async (t) => {
  let answer = () => {};
  const held = new Promise<void>((resolve) => {
    answer = resolve;
  });
  let asked = () => {};
  const arrived = new Promise<void>((resolve) => {
    asked = resolve;
  });
  const door = await open(t, LOOPBACK, {
    decide: async () => {
      asked();
      await held;
      return { outcome: "anonymous", answer: { status: 204, headers: [], body: null } };
    },
  });
  const reply = fetch(`${door.at}/verify`);
  await arrived;
  const closed = door.close(60_000);
  answer();
  const { status, headers } = await reply;
  assert.deepEqual([status, headers.get("connection")], [204, "close"]);
  await closed;
  await assert.rejects(fetch(`${door.at}/healthz`));
});

test("a fault in judging is no answer at all, so no proxy takes it for a yes", async (t) => {
  const { at } = await open(t, LOOPBACK, {
    decide: () => Promise.reject(new Error("a fault")),
  });
  await assert.rejects(fetch(`${at}/verify`, bearer));
  assert.equal((await fetch(`${at}/healthz`)).status, 200);
});

test("a port that is taken is one clear line", async (t) => {
  const { at } = await open(t);
  const taken = open(t, { host: "127.0.0.1", port: Number(new URL(at).port) });
  await assert.rejects(
    taken,
    (error: unknown) => error instanceof StartRefused && /another program/.test(error.message),
  );
});

const sockets = { skip: process.platform === "win32" ? "there are no Unix sockets here" : false };

function askSocket(socketPath: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const agent = new Agent();
    const sent = request({ socketPath, agent, path: "/verify", ...bearer }, (response) => {
      response.resume().once("end", () => {
        agent.destroy();
        resolve(response.statusCode ?? 0);
      });
    });
    sent.once("error", reject).end();
  });
}

test(
  "on a Unix socket only its owner and its group may ask; what a killed gate left is replaced",
  sockets,
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "mapae-gate-"));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const path = join(folder, "gate.sock");
    const dying = `require("node:net").createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, "SIGKILL"))`;
    assert.equal(spawnSync(process.execPath, ["-e", dying]).signal, "SIGKILL");
    assert.ok(statSync(path).isSocket(), "a killed program leaves its socket");

    const door = await open(t, { path });
    assert.equal(door.at, `unix:${path}`);
    assert.equal(statSync(path).mode & 0o777, 0o660);
    assert.equal(await askSocket(path), 204);
    await assert.rejects(open(t, { path }), StartRefused);
    assert.equal(await askSocket(path), 204, "the second gate did not take the socket away");
  },
);

test("a file that is no socket is not removed to make room for one", sockets, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "mapae-gate-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "gate.sock");
  writeFileSync(path, "something of somebody's");
  await assert.rejects(open(t, { path }), StartRefused);
  assert.ok(statSync(path).isFile());
});
