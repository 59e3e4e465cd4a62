/**
 * A login server on a real socket with real time, and verifiers that follow it: for tests of what only a network shows.
 * N is one second, so that what waits for a lease does not hold up the suite.
 */
import { once } from "node:events";
import { createVerifier, type Verifier, type VerifierOptions } from "@mapae/verifier";
import {
  decodeServerFrame,
  encodeClientFrame,
  FEED_PATHS,
  type Position,
  type ServerFrame,
  SUBPROTOCOL,
} from "@mapae/verifier/revocation";
import { type RawData, WebSocket } from "ws";
import { SYSTEM } from "../../packages/server/src/audit/event.ts";
import { asId } from "../../packages/server/src/prelude/ids.ts";
import { createLogger } from "../../packages/server/src/prelude/log.ts";
import { systemWorld } from "../../packages/server/src/prelude/world.ts";
import { type Listening, listen } from "../../packages/server/src/server/listen.ts";
import { type MapaeServer, openServer } from "../../packages/server/src/server/server.ts";
import { type ConfigInput, readConfig } from "../../packages/server/src/settings/config.ts";
import { openStorage } from "../../packages/server/src/storage/open.ts";
import { type Answer, answerOf, object, PASSWORD, type ResourceServer, type Tokens, text, tokensOf } from "../stage.ts";

export const LEASE_MS = 1_000;

export interface Followed {
  readonly socket: WebSocket;
  readonly frames: readonly ServerFrame[];
}

export interface Service {
  readonly url: string;
  readonly server: MapaeServer;
  readonly position: Position;
  call(
    method: string,
    path: string,
    ask?: { body?: unknown; token?: string; headers?: Record<string, string> },
  ): Promise<Answer>;
  signUp(identifier: string): Promise<string>;
  logIn(identifier: string): Promise<Tokens>;
  admin(): Promise<string>;
  resourceServer(id: string, audience?: string): Promise<ResourceServer>;
  /** A verifier that follows; closed with the service. */
  verifier(as: ResourceServer, options?: Partial<VerifierOptions>): Promise<Verifier>;
  /** A bare socket at the stream, and the frames as they come. */
  socket(): Promise<Followed>;
  hello(as: ResourceServer, after?: Position): string;
  /** Stops it as SIGTERM would. */
  stop(withinMs: number): Promise<void>;
  close(): Promise<void>;
}

/** @param port of a service that was stopped, to be the same issuer again */
export async function startService(settings: ConfigInput = {}, port = 0): Promise<Service> {
  const read = readConfig({
    databaseUrl: "memory:",
    logLevel: "silent",
    loginFloor: "0",
    rateLimit: "off",
    revocationLease: `${LEASE_MS}ms`,
    ...settings,
  });
  if (!read.ok) throw new Error(read.faults.join(" "));
  const { config } = read;
  const listening: Listening = await listen("127.0.0.1", port);
  const url = `http://localhost:${listening.port}`;
  const storage = openStorage(config, systemWorld);
  const server = await openServer({ config, issuer: url, logger: createLogger("silent"), storage });
  listening.answerWith(server.app, server.upgrade);
  const verifiers: Verifier[] = [];
  const sockets: WebSocket[] = [];

  const service: Service = {
    url,
    server,
    get position() {
      return server.operations.storage.revocation.head();
    },
    call: async (method, path, { body, token, headers = {} } = {}) => {
      const bearer = token === undefined ? {} : { authorization: `Bearer ${token}` };
      const json = body === undefined ? {} : { "content-type": "application/json" };
      const init: RequestInit = { method, headers: { ...bearer, ...json, ...headers } };
      if (body !== undefined) init.body = typeof body === "string" ? body : JSON.stringify(body);
      return answerOf(await fetch(`${url}${path}`, init));
    },
    signUp: async (identifier) => {
      const made = await service.call("POST", "/v1/users", { body: { identifier, password: PASSWORD } });
      return text(object(made.body.user).id);
    },
    logIn: async (identifier) =>
      tokensOf(await service.call("POST", "/v1/sessions", { body: { identifier, password: PASSWORD } })),
    admin: async () => {
      const id = asId("user", await service.signUp("administrator"));
      await server.operations.storage.users.change(id, { kind: "set_roles", roles: ["admin"] }, SYSTEM);
      const { refresh } = await service.logIn("administrator");
      const body = { refresh_token: refresh, audience: `${url}/admin` };
      return text((await service.call("POST", "/v1/sessions/refresh", { body })).body.access_token);
    },
    resourceServer: async (id, audience) => {
      const wish = {
        id,
        kind: "resource_server",
        name: id,
        scope: null,
        audience: audience ?? null,
        jwks: null,
      } as const;
      const made = await server.operations.clientAction.create(wish, SYSTEM);
      if (!made.ok || made.secret === null) throw new Error("no resource server was made");
      return { id, secret: made.secret.reveal() };
    },
    verifier: async ({ id, secret }, options = {}) => {
      const verifier = createVerifier({
        issuer: url,
        audience: url,
        credentials: { clientId: id, clientSecret: secret },
        revocation: { onStale: "reject" },
        ...options,
      });
      verifiers.push(verifier);
      await verifier.ready();
      return verifier;
    },
    socket: async () => {
      const socket = new WebSocket(`${url.replace("http", "ws")}${FEED_PATHS.stream}`, SUBPROTOCOL);
      sockets.push(socket);
      const frames: ServerFrame[] = [];
      socket.on("message", (data: RawData, isBinary: boolean) => {
        const octets = data instanceof Buffer ? data : Buffer.alloc(0);
        const frame = decodeServerFrame(isBinary ? new Uint8Array(octets) : octets.toString());
        if (frame === null) throw new Error("the server sent what is no frame");
        frames.push(frame);
      });
      await once(socket, "open");
      return { socket, frames };
    },
    hello: ({ id, secret }, after = service.position) =>
      encodeClientFrame({ type: "hello", clientId: id, clientSecret: secret, after, instance: null, acceptMs: 0 }),
    stop: (withinMs) => server.drain(withinMs),
    close: async () => {
      for (const verifier of verifiers) verifier.close();
      for (const socket of sockets) socket.terminate();
      await server.drain(0);
      await listening.close(0);
      await server.close();
    },
  };
  return service;
}
