/**
 * The whole server in this process for tests of its HTTP API: real storage, real passwords, real tokens; only the clock,
 * the waiting and the log are ours. Requests go through the handler, without a socket.
 */
import { createHash } from "node:crypto";
import { SYSTEM } from "../packages/server/src/audit/event.ts";
import { asId } from "../packages/server/src/prelude/ids.ts";
import { createLogger } from "../packages/server/src/prelude/log.ts";
import { systemWorld, type World } from "../packages/server/src/prelude/world.ts";
import { type MapaeServer, openServer } from "../packages/server/src/server/server.ts";
import { type ConfigInput, readConfig } from "../packages/server/src/settings/config.ts";
import type { Storage } from "../packages/server/src/storage/storage.ts";
import { basicAuthorization } from "../packages/verifier/src/revocation/upstream.ts";

export const ISSUER = "https://login.example";
export const PASSWORD = "one horse, two batteries";
const START = 1_800_000_000_000;

/** JSON as it came: tests look into it without believing it. */
export type Json = Readonly<Record<string, unknown>>;

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as an object; empty where it is none. */
  readonly body: Json;
  /** Values of `Set-Cookie`, by name: the value and the attributes. */
  readonly cookies: ReadonlyMap<string, { readonly value: string; readonly attributes: string }>;
}

export interface Ask {
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Sent as it is. */
  readonly raw?: BodyInit;
  readonly headers?: Readonly<Record<string, string>>;
  /** The access token. */
  readonly token?: string;
  /** A resource server's id and secret. */
  readonly as?: ResourceServer;
  /** The peer's address. */
  readonly from?: string;
}

export interface ResourceServer {
  readonly id: string;
  readonly secret: string;
}

export interface Tokens {
  readonly access: string;
  readonly refresh: string;
  readonly device: string;
  readonly session: string;
  readonly user: string;
}

export interface Stage {
  readonly server: MapaeServer;
  readonly storage: Storage;
  /** Everything that was logged, as text. */
  log(): string;
  /** How long the server slept, in milliseconds, each time. */
  readonly slept: readonly number[];
  /** Time passes. */
  advance(ms: number): void;
  /** The wall clock is set to another time; the monotonic one goes on. */
  setBack(ms: number): void;
  call(method: string, path: string, ask?: Ask): Promise<Answer>;
  /** Makes an account and returns its id. */
  signUp(identifier: string): Promise<string>;
  /** Logs in; throws where that is refused. */
  logIn(identifier: string, ask?: Ask): Promise<Tokens>;
  refresh(token: string, ask?: Ask, more?: Json): Promise<Answer>;
  /** A resource server of an audience, or of the server's own. */
  resourceServer(id: string, audience?: string): Promise<ResourceServer>;
  /** An access token of the admin audience, of a user made for it. */
  admin(identifier?: string): Promise<string>;
  close(): Promise<void>;
}

export interface StageOptions {
  readonly settings?: ConfigInput;
  /** Wraps the storage, to count or to fail. */
  readonly over?: (storage: Storage) => Storage;
  /** Opens another storage than `memory:`. */
  readonly open?: (world: World) => Promise<Storage>;
}

export function text(value: unknown): string {
  if (typeof value !== "string") throw new TypeError(`expected text, got ${typeof value}`);
  return value;
}

export function object(value: unknown): Json {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
}

export function list(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value.map(object) : [];
}

export async function answerOf(response: Response): Promise<Answer> {
  const body = await response.text();
  let parsed: unknown = null;
  try {
    parsed = JSON.parse(body);
  } catch {
    // Not JSON: the text says what it is.
  }
  const cookies = new Map<string, { value: string; attributes: string }>();
  for (const line of response.headers.getSetCookie()) {
    const [pair = "", ...attributes] = line.split("; ");
    const at = pair.indexOf("=");
    cookies.set(pair.slice(0, at), { value: pair.slice(at + 1), attributes: attributes.join("; ") });
  }
  return { status: response.status, headers: response.headers, text: body, body: object(parsed), cookies };
}

/** A new server; `close` it when done. */
export async function openStage(options: StageOptions = {}): Promise<Stage> {
  let elapsed = 0;
  let offset = START;
  const world: World = {
    clock: { now: () => offset + elapsed, monotonic: () => elapsed },
    random: systemWorld.random,
  };
  const read = readConfig({ databaseUrl: "memory:", issuer: ISSUER, logLevel: "debug", ...options.settings });
  if (!read.ok) throw new Error(read.faults.join(" "));
  const { config } = read;
  const lines: string[] = [];
  const slept: number[] = [];
  const alarms = new Set<{ readonly at: number; readonly ring: () => void }>();
  const opened = options.open === undefined ? undefined : await options.open(world);
  const base = opened ?? (await (await import("../packages/server/src/storage/open.ts")).openStorage(config, world));
  const storage = options.over?.(base) ?? base;
  const server = await openServer({
    config,
    issuer: ISSUER,
    logger: createLogger(config.logLevel, { write: (line) => void lines.push(line) }),
    world,
    alarm: (ms, ring) => {
      const alarm = { at: elapsed + ms, ring };
      alarms.add(alarm);
      return () => alarms.delete(alarm);
    },
    sleep: async (ms) => void slept.push(ms),
    storage: Promise.resolve(storage),
  });

  const call = async (method: string, path: string, ask: Ask = {}): Promise<Answer> => {
    const headers = new Headers(ask.headers);
    if (ask.token !== undefined) headers.set("authorization", `Bearer ${ask.token}`);
    if (ask.body !== undefined && !headers.has("content-type")) headers.set("content-type", "application/json");
    if (ask.as !== undefined) headers.set("authorization", basicAuthorization(ask.as.id, ask.as.secret));
    const body = ask.raw ?? (ask.body === undefined ? null : JSON.stringify(ask.body));
    const streamed = body instanceof ReadableStream ? { duplex: "half" as const } : {};
    const request = new Request(`${ISSUER}${path}`, { method, headers, body, ...streamed });
    return answerOf(await server.handler(request, { remoteAddress: ask.from ?? "192.0.2.1" }));
  };
  const expecting = async (status: number, answer: Promise<Answer>): Promise<Answer> => {
    const got = await answer;
    if (got.status !== status) throw new Error(`expected ${status}, got ${got.status}: ${got.text}`);
    return got;
  };

  const stage: Stage = {
    server,
    storage,
    log: () => lines.join(""),
    slept,
    advance: (ms) => {
      elapsed += ms;
      for (const alarm of [...alarms].sort((a, b) => a.at - b.at)) {
        if (alarm.at > elapsed || !alarms.delete(alarm)) continue;
        alarm.ring();
      }
    },
    setBack: (ms) => {
      offset -= ms;
    },
    call,
    signUp: async (identifier) => {
      const made = await expecting(201, call("POST", "/v1/users", { body: { identifier, password: PASSWORD } }));
      return text(object(made.body.user).id);
    },
    logIn: async (identifier, ask = {}) => {
      const body = { identifier, password: PASSWORD, ...object(ask.body) };
      const answer = await expecting(201, call("POST", "/v1/sessions?mode=json", { ...ask, body }));
      return tokensOf(answer);
    },
    refresh: (refreshToken, ask = {}, more = {}) =>
      call("POST", "/v1/sessions/refresh", { ...ask, body: { refresh_token: refreshToken, ...more } }),
    resourceServer: async (id, audience) => {
      const { clientAction } = server.operations;
      const wish = {
        id,
        kind: "resource_server",
        name: id,
        scope: null,
        audience: audience ?? null,
        jwks: null,
      } as const;
      const made = await clientAction.create(wish, SYSTEM);
      if (!made.ok || made.secret === null) throw new Error("no resource server was made");
      return { id, secret: made.secret.reveal() };
    },
    admin: async (identifier = "administrator") => {
      const id = asId("user", await stage.signUp(identifier));
      await storage.users.change(id, { kind: "set_roles", roles: ["admin"] }, SYSTEM);
      const { refresh } = await stage.logIn(identifier);
      const answer = await expecting(200, stage.refresh(refresh, {}, { audience: `${ISSUER}/admin` }));
      return text(answer.body.access_token);
    },
    close: () => server.close(),
  };
  return stage;
}

export function tokensOf({ body }: Answer): Tokens {
  return {
    access: text(body.access_token),
    refresh: text(body.refresh_token),
    device: text(body.device_token),
    session: text(object(body.session).id),
    user: text(object(body.user).id),
  };
}

/** The claims of a token, unverified. */
export function claimsOf(token: string): Json {
  return object(JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()));
}

/** A text that appears nowhere by chance, to look for where it must not be. */
export function marked(name: string): string {
  return `${name}-${createHash("sha256").update(name).digest("hex").slice(0, 24)}`;
}
