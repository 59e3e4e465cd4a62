/** Another provider on a port of its own: its configuration, its keys, a stream for us, and events that it signs and sends. */
import { generateKeyPairSync } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { bindSigningKey, signJws } from "@mapae/verifier/jose";
import { type Json, list, object, text } from "../stage.ts";

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  readonly body: Json;
}

export interface Provider {
  readonly issuer: string;
  /** Everything that it was asked, in order; without the keys and the configuration. */
  readonly asked: readonly Asked[];
  /** The stream that was made, as it was asked for. */
  stream(): Json;
  /** Members of the configuration, in place of its own. */
  configuration: Json;
  /** What it wants to see as `Authorization` of all but the public. */
  credential: string;
  /** Whether it answers anything. */
  away: boolean;
  /** By path: what it does in place of an answer. */
  instead: Readonly<Record<string, (response: ServerResponse) => void>>;
  /** Signs an event; what is given takes the place of its own claims. */
  sign(type: string, claims?: Json, members?: Json, typ?: string): string;
  /** Waits to be polled. */
  queue(...sets: readonly string[]): void;
  /** The names that were acknowledged, and refused with which error. */
  readonly acknowledged: string[];
  readonly refused: Map<string, unknown>;
  close(): Promise<void>;
}

const PUSH = "urn:ietf:rfc:8935";
const POLL = "urn:ietf:rfc:8936";
export const STREAM = "f67e39a0a4d3";

async function read(request: IncomingMessage): Promise<Json> {
  let raw = "";
  for await (const chunk of request.setEncoding("utf8")) raw += String(chunk);
  return raw === "" ? {} : object(JSON.parse(raw));
}

export async function openProvider(audience = "https://login.example"): Promise<Provider> {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const key = bindSigningKey(privateKey, { alg: "ES256", kid: "p1" });
  const jwks = { keys: [{ ...publicKey.export({ format: "jwk" }), kid: "p1", alg: "ES256", use: "sig" }] };
  const asked: Asked[] = [];
  const waiting = new Map<string, string>();
  let stream: Json = {};
  let count = 0;

  const server = createServer(async (request, response) => {
    const { method = "", url = "/", headers } = request;
    const path = url.split("?")[0] ?? "";
    const body = await read(request);
    if (provider.away) return void response.destroy();
    const odd = provider.instead[path];
    if (odd !== undefined) {
      asked.push({ method, path: url, authorization: headers.authorization, body });
      return odd(response);
    }
    const answer = (status: number, value: unknown = null): void => {
      response.writeHead(status, { "content-type": "application/json" });
      response.end(value === null ? undefined : JSON.stringify(value));
    };
    const base = provider.issuer;
    if (path === "/.well-known/ssf-configuration") {
      return answer(200, {
        issuer: base,
        jwks_uri: `${base}/jwks.json`,
        configuration_endpoint: `${base}/stream`,
        verification_endpoint: `${base}/verify`,
        ...provider.configuration,
      });
    }
    if (path === "/jwks.json") return answer(200, jwks);
    asked.push({ method, path: url, authorization: headers.authorization, body });
    if (provider.credential !== "" && headers.authorization !== provider.credential) return answer(401);
    if (path === "/stream" && method === "POST") {
      const wanted = object(body.delivery);
      const delivery = wanted.method === PUSH ? wanted : { method: POLL, endpoint_url: `${base}/poll` };
      stream = { stream_id: STREAM, iss: base, aud: audience, delivery, events_delivered: body.events_requested };
      return answer(201, stream);
    }
    if (path === "/stream" && method === "GET") return answer(200, stream);
    if (path === "/stream" && method === "DELETE") return answer(204);
    if (path === "/verify") return answer(204);
    if (path !== "/poll") return answer(404);
    for (const name of Array.isArray(body.ack) ? body.ack : []) {
      provider.acknowledged.push(String(name));
      waiting.delete(String(name));
    }
    for (const [name, error] of Object.entries(object(body.setErrs))) {
      provider.refused.set(name, object(error).err);
      waiting.delete(name);
    }
    return answer(200, { sets: Object.fromEntries(waiting) });
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const provider: Provider = {
    issuer: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    stream: () => stream,
    configuration: {},
    credential: "",
    away: false,
    instead: {},
    sign: (type, claims = {}, members = {}, typ = "secevent+jwt") => {
      count += 1;
      const own = {
        iss: provider.issuer,
        aud: audience,
        jti: `jti-${count}`,
        iat: 1_800_000_000,
        events: { [type]: members },
      };
      return signJws({ typ }, { ...own, ...claims }, key);
    },
    queue: (...sets) => {
      for (const set of sets) {
        const claims = object(JSON.parse(Buffer.from(set.split(".")[1] ?? "", "base64url").toString()));
        waiting.set(text(claims.jti), set);
      }
    },
    acknowledged: [],
    refused: new Map(),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return provider;
}

export function faultsOf(body: Json): string {
  return list(body.faults)
    .map(({ detail }) => String(detail))
    .join(" ");
}
