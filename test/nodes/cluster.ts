/**
 * Several nodes of the login server on one PostgreSQL: in this process and with real time, each with storage, keys and feed
 * of its own, as so many processes would have. Requests go through the handlers, without sockets.
 */

import { createLogger } from "../../packages/server/src/prelude/log.ts";
import { type MapaeServer, openServer } from "../../packages/server/src/server/server.ts";
import { type ConfigInput, readConfig } from "../../packages/server/src/settings/config.ts";
import {
  type Answer,
  type Ask,
  answerOf,
  ISSUER,
  type Json,
  object,
  PASSWORD,
  type Tokens,
  text,
  tokensOf,
} from "../stage.ts";

export interface Node {
  readonly server: MapaeServer;
  call(method: string, path: string, ask?: Ask): Promise<Answer>;
  signUp(identifier: string): Promise<string>;
  logIn(identifier: string): Promise<Tokens>;
  refresh(token: string, more?: Json): Promise<Answer>;
  close(): Promise<void>;
}

/** The settings of every node of these tests. */
export function nodeSettings(databaseUrl: string, settings: ConfigInput = {}): ConfigInput {
  return {
    databaseUrl,
    issuer: ISSUER,
    secret: "s".repeat(40),
    rateLimit: "off",
    loginFloor: "0",
    logLevel: "silent",
    databaseTimeout: "20s",
    ...settings,
  };
}

export async function openNode(settings: ConfigInput): Promise<Node> {
  const read = readConfig(settings);
  if (!read.ok) throw new Error(read.faults.join(" "));
  const { config } = read;
  const server = await openServer({ config, issuer: config.issuer ?? ISSUER, logger: createLogger(config.logLevel) });
  const call = async (method: string, path: string, ask: Ask = {}): Promise<Answer> => {
    const headers = new Headers(ask.headers);
    if (ask.token !== undefined) headers.set("authorization", `Bearer ${ask.token}`);
    if (ask.body !== undefined) headers.set("content-type", "application/json");
    const body = ask.body === undefined ? null : JSON.stringify(ask.body);
    const request = new Request(`${ISSUER}${path}`, { method, headers, body });
    return answerOf(await server.handler(request, { remoteAddress: "192.0.2.1" }));
  };
  const made = async (answer: Promise<Answer>): Promise<Answer> => {
    const got = await answer;
    if (got.status !== 201) throw new Error(`expected 201, got ${got.status}: ${got.text}`);
    return got;
  };
  return {
    server,
    call,
    signUp: async (identifier) => {
      const { body } = await made(call("POST", "/v1/users", { body: { identifier, password: PASSWORD } }));
      return text(object(body.user).id);
    },
    logIn: async (identifier) =>
      tokensOf(await made(call("POST", "/v1/sessions", { body: { identifier, password: PASSWORD } }))),
    refresh: (refreshToken, more = {}) =>
      call("POST", "/v1/sessions/refresh", { body: { refresh_token: refreshToken, ...more } }),
    close: () => server.close(),
  };
}

/** Asks a server process over its socket. */
export async function answered(url: string, method: string, path: string, ask: Ask = {}): Promise<Answer> {
  const headers = new Headers(ask.headers);
  if (ask.token !== undefined) headers.set("authorization", `Bearer ${ask.token}`);
  if (ask.body !== undefined) headers.set("content-type", "application/json");
  const body = ask.body === undefined ? null : JSON.stringify(ask.body);
  return answerOf(await fetch(`${url}${path}`, { method, headers, body }));
}

/** So many nodes on one database. */
export async function openNodes(count: number, settings: ConfigInput): Promise<readonly Node[]> {
  return Promise.all(Array.from({ length: count }, () => openNode(settings)));
}

/** The nodes in turn. */
export function turns(nodes: readonly Node[]): (index: number) => Node {
  return (index) => {
    const node = nodes[index % nodes.length];
    if (node === undefined) throw new Error("there is no node");
    return node;
  };
}

/** Waits until something is true, looking often; throws after some seconds. */
export async function eventually(what: string, is: () => boolean | Promise<boolean>): Promise<void> {
  const until = performance.now() + 20_000;
  while (!(await is())) {
    if (performance.now() > until) throw new Error(`${what} did not come true`);
    await new Promise((wake) => setTimeout(wake, 10));
  }
}
