/**
 * The one server that all runtimes talk to: it serves the built libraries and the suite to the browser, and to everyone
 * the fixture, a JWKS, an address that is down, the client's login server, the revocation feed of a test issuer, and a
 * country B that opens and acknowledges what was sealed elsewhere.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { join, normalize } from "node:path";
import {
  bindPrivateKeys,
  bindPublicKeys,
  type Jwk,
  makeReceipt,
  openDocument,
  openFile,
  publicHalves,
  seekableBlob,
} from "@mapae/verifier/seal";
import { createTestIssuer } from "@mapae/verifier/testing";
import { modelServer } from "../../../packages/client/src/model-server.test-support.ts";
import { createFixture } from "./fixture.ts";

const ROOT = join(import.meta.dirname, "..", "..", "..");
const FOLDERS = {
  "/verifier/": join(ROOT, "packages", "verifier", "dist"),
  "/client/": join(ROOT, "packages", "client", "dist"),
  "/jose/": join(ROOT, "node_modules", "jose", "dist", "webapi"),
  "/suite/": import.meta.dirname,
};
const PAGE = `<!doctype html><meta charset="utf-8"><title>runtimes</title><script type="importmap">${JSON.stringify({
  imports: {
    "@mapae/verifier": "/verifier/index.js",
    "@mapae/verifier/fetch": "/verifier/adapters/fetch.js",
    "@mapae/verifier/jose": "/verifier/jose/index.js",
    "@mapae/verifier/seal": "/verifier/seal/index.js",
    jose: "/jose/index.js",
    "@mapae/client": "/client/index.js",
  },
})}</script>`;

interface Reply {
  readonly status: number;
  readonly type: string;
  readonly checkpoint?: string;
  readonly body: string | Buffer;
}

async function file(path: string): Promise<Reply> {
  for (const [prefix, folder] of Object.entries(FOLDERS)) {
    if (!path.startsWith(prefix)) continue;
    const name = normalize(join(folder, path.slice(prefix.length)));
    if (!name.startsWith(folder) || !/\.m?js$/.test(name)) break;
    return { status: 200, type: "text/javascript", body: await readFile(name) };
  }
  return { status: 404, type: "text/plain", body: "no such file" };
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts);
}

interface Countries {
  readonly keys: Readonly<Record<"a" | "b", { readonly keys: readonly Jwk[] }>>;
}
/** The published vectors of sealed documents, whose countries have keys of every kind. */
const ENVELOPES: readonly Countries[] = JSON.parse(
  await readFile(join(ROOT, "docs", "vectors", "seal", "envelopes.json"), "utf8"),
);

/** What B does: opens what A sealed, tells the hash of what was inside, and acknowledges. */
async function openSealed(octets: Buffer, options: URLSearchParams): Promise<object> {
  const countries = ENVELOPES[Number(options.get("set"))];
  if (countries === undefined) return { hash: "no such set" };
  const from = await bindPublicKeys(publicHalves(countries.keys.a.keys));
  const own = await bindPrivateKeys(countries.keys.b.keys);
  const parts: Uint8Array[] = [];
  const outcome =
    options.get("format") === "file"
      ? await openFile(seekableBlob(new Blob([Uint8Array.from(octets)])), (part) => void parts.push(part), {
          from,
          to: own,
        })
      : await openDocument(octets.toString("latin1"), { from, to: own });
  if (!outcome.ok) return { hash: outcome.message };
  if ("document" in outcome && outcome.document instanceof Uint8Array) parts.push(outcome.document);
  const hash = createHash("sha256").update(Buffer.concat(parts)).digest("hex");
  return { hash, receipt: await makeReceipt(outcome, { from: own }) };
}

export interface Host {
  readonly base: string;
  close(): Promise<void>;
}

export async function startHost(): Promise<Host> {
  const { fixture, jwks } = await createFixture();
  const json = (value: object): Reply => ({ status: 200, type: "application/json", body: JSON.stringify(value) });
  const login = modelServer({ now: Date.now }).connect(new Map());

  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("the host has no address");
  const base = `http://127.0.0.1:${address.port}`;

  // The issuer is at this origin for whoever asks: a browser goes to no other without its leave.
  const issuer = createTestIssuer({ issuer: base });
  const issuerAddress = await issuer.listen();
  const issuerPort = Number(new URL(issuerAddress).port);

  /** What a runtime needs to follow the issuer, with a token of a session that nobody else has. */
  function feedOf(sid: string): object {
    const { audience, jwks: keys } = issuer;
    return { issuer: issuer.issuer, audience, jwks: keys, ...issuer.feedOptions, token: issuer.token({ sid }) };
  }

  /** To the test issuer, for the browser as from this origin. */
  async function passOn(request: IncomingMessage, path: string): Promise<Reply> {
    const { authorization = "" } = request.headers;
    const answer = await fetch(`${issuerAddress}${path}`, { headers: { authorization } });
    const checkpoint = answer.headers.get("mapae-checkpoint");
    return {
      status: answer.status,
      type: answer.headers.get("content-type") ?? "text/plain",
      ...(checkpoint === null ? {} : { checkpoint }),
      body: Buffer.from(await answer.arrayBuffer()),
    };
  }

  async function reply(request: IncomingMessage, path: string): Promise<Reply> {
    const { pathname, searchParams } = new URL(path, "http://host");
    const sid = searchParams.get("sid") ?? "";
    if (pathname === "/feed") return json(feedOf(sid));
    if (pathname === "/revoke") return issuer.revoke("session", sid, "evicted").then(() => json({}));
    if (pathname.startsWith("/v1/revocations")) return passOn(request, path);
    if (path === "/") return { status: 200, type: "text/html", body: PAGE };
    if (path === "/envelopes.json") return json(ENVELOPES);
    if (pathname === "/open") return json(await openSealed(await bodyOf(request), searchParams));
    if (path === "/fixture.json") return json(fixture);
    if (path === "/jwks.json") return json(jwks);
    if (path === "/down") return { status: 503, type: "text/plain", body: "down" };
    if (!path.startsWith("/v1/")) return file(path);
    const { method = "GET" } = request;
    const headers = new Headers();
    for (const [name, value] of Object.entries(request.headers)) headers.set(name, String(value));
    const body = await bodyOf(request);
    const init = { method, headers, ...(body.length === 0 ? {} : { body: body.toString() }) };
    const answer = await login(`https://login.example${path}`, init);
    return {
      status: answer.status,
      type: answer.headers.get("content-type") ?? "text/plain",
      body: Buffer.from(await answer.arrayBuffer()),
    };
  }

  server.on("request", (request, response) => {
    reply(request, request.url ?? "").then(
      ({ status, type, checkpoint, body }) => {
        if (checkpoint !== undefined) response.setHeader("mapae-checkpoint", checkpoint);
        response.writeHead(status, { "content-type": type }).end(body);
      },
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  server.on("upgrade", (request, socket) => {
    const lines = [`${request.method} ${request.url} HTTP/1.1`];
    for (let at = 0; at < request.rawHeaders.length; at += 2) {
      lines.push(`${request.rawHeaders[at]}: ${request.rawHeaders[at + 1]}`);
    }
    const onward = connect(issuerPort, "127.0.0.1", () => onward.write(`${lines.join("\r\n")}\r\n\r\n`));
    socket.pipe(onward).pipe(socket);
    for (const [one, other] of [
      [socket, onward],
      [onward, socket],
    ] as const) {
      one.on("error", () => other.destroy());
      one.on("close", () => other.destroy());
    }
  });
  return {
    base,
    async close() {
      await issuer.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
