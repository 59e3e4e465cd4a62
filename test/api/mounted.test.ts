/** `createMapae`: the server as a handler inside another app. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { encodeClientFrame, ORIGIN, SUBPROTOCOL } from "@mapae/verifier/revocation";
import { createMapae, StartRefused } from "mapae";
import { WebSocket } from "ws";
import { metadataUrls } from "../../packages/verifier/src/discovery.ts";
import { object, PASSWORD, text } from "../stage.ts";

const MEMORY = { databaseUrl: "memory:", logLevel: "silent" } as const;

test("mounted under a path, everything lies under the path of the issuer", async () => {
  const mapae = createMapae({ ...MEMORY, issuer: "https://app.example/auth" });
  const post = (path: string, body: object) =>
    mapae.fetch(
      new Request(`https://app.example${path}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      }),
    );
  const credentials = { identifier: "kim", password: PASSWORD };
  assert.equal((await post("/v1/users", credentials)).status, 404);
  assert.equal((await post("/auth/v1/users", credentials)).status, 201);
  const logIn = await post("/auth/v1/sessions?mode=cookie", credentials);
  assert.equal(logIn.status, 201);
  for (const cookie of logIn.headers.getSetCookie()) assert.match(cookie, /; Path=\/auth\/v1\/sessions;/);
  const token = text(object(await logIn.json()).access_token);
  const headers = { authorization: `Bearer ${token}` };
  assert.equal((await mapae.fetch(new Request("https://app.example/auth/v1/me", { headers }))).status, 200);
  const home = await mapae.fetch(new Request("https://app.example/auth/"));
  assert.equal(home.status, 200);
  assert.match(await home.text(), /https:\/\/app\.example\/auth\/docs/);
  await mapae.close();
});

test("metadata of an issuer with a path is where RFC 8414 §3.1 puts it, and where OpenID Connect does", async () => {
  const issuer = "https://app.example/auth/kr";
  const mapae = createMapae({ ...MEMORY, issuer });
  const status = async (path: string, method = "GET") => {
    const answer = await mapae.fetch(new Request(`https://app.example${path}`, { method }));
    return [answer.status, answer.status === 200 ? object(await answer.json()).issuer : null];
  };
  for (const name of ["oauth-authorization-server", "openid-configuration"]) {
    assert.deepEqual(await status(`/.well-known/${name}/auth/kr`), [200, issuer]);
    assert.deepEqual(await status(`/auth/kr/.well-known/${name}`), [200, issuer]);
    // Another issuer of the same host, or none.
    for (const path of ["", "/auth", "/auth/jp", "/auth/kr/more"]) {
      assert.deepEqual(await status(`/.well-known/${name}${path}`), [404, null]);
    }
    assert.deepEqual(await status(`/.well-known/${name}/auth/kr`, "POST"), [405, null]);
  }
  assert.deepEqual(await status("/.well-known/jwks.json/auth/kr"), [404, null]);
  for (const url of metadataUrls(issuer)) assert.equal((await mapae.fetch(new Request(url))).status, 200);
  await mapae.close();
});

test("mounted with upgrade, verifiers find the stream under the path of the issuer", async () => {
  const server = createServer((_message, response) => response.writeHead(404).end());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const mapae = createMapae({ ...MEMORY, issuer: `http://localhost:${port}/auth` });
  server.on("upgrade", mapae.upgrade);
  const stranger = {
    type: "hello",
    clientId: "x",
    clientSecret: "x",
    after: ORIGIN,
    instance: null,
    acceptMs: 0,
  } as const;
  const socket = new WebSocket(`ws://localhost:${port}/auth/v1/revocations/stream`, SUBPROTOCOL);
  await once(socket, "open");
  socket.send(encodeClientFrame(stranger));
  const [code] = (await once(socket, "close")) as [number];
  assert.equal(code, 4401);
  const elsewhere = new WebSocket(`ws://localhost:${port}/v1/revocations/stream`, SUBPROTOCOL);
  const [error] = (await once(elsewhere, "error")) as [Error];
  assert.match(error.message, /404/);
  await mapae.close();
  server.close();
});

test("an option that there is not, or out of its bounds, is told at once", () => {
  assert.throws(() => createMapae({ ...MEMORY, port: 99_999 }), TypeError);
  assert.throws(() => createMapae({ ...MEMORY, issuer: "http://app.example" }), TypeError);
  const misspelt: Record<string, string> = { ...MEMORY, isuer: "https://app.example" };
  assert.throws(() => createMapae(misspelt), TypeError);
  const inherited: Record<string, string> = { ...MEMORY, toString: "x" };
  assert.throws(() => createMapae(inherited), TypeError);
});

test("a start that fails is told by ready and by every request; closing is quiet", async () => {
  const mapae = createMapae({ ...MEMORY, databaseUrl: "oracle:x" });
  await assert.rejects(mapae.ready(), StartRefused);
  await assert.rejects(mapae.fetch(new Request("http://localhost:4000/healthz")), StartRefused);
  await mapae.close();
});

test("after closing, requests are answered with an error, and closing again is nothing", async () => {
  const mapae = createMapae(MEMORY);
  await mapae.ready();
  await mapae.close();
  await mapae.close();
  await assert.rejects(mapae.fetch(new Request("http://localhost:4000/healthz")));
});
