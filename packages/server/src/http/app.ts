/**
 * The HTTP application: from a Request to a Response through the table of routes.
 *
 *   Request ──► id, address ──► origin ──► route ──► access ──► query, body ──► handle ──► Response
 *                                 403       404 405    401        415 413 400 422
 *
 * Whatever is thrown inside becomes a 503 that says "try again" or a 500 that says "do not"; neither says more.
 */
import { Hono } from "hono";
import type { Logger } from "pino";
import type { z } from "zod";
import type { Cause } from "../audit/event.ts";
import { ACCOUNT_SCOPE } from "../clients/client.ts";
import { Unavailable } from "../prelude/fault.ts";
import { type Secret, sameBytes } from "../prelude/secret.ts";
import type { World } from "../prelude/world.ts";
import { ADMIN_ROLE } from "../users/user.ts";
import { type AddressReader, isLoopbackAddress, networkOf } from "./address.ts";
import type { Authenticated, Authenticator, Caller } from "./authenticate.ts";
import { readJson } from "./body.ts";
import type { OriginPolicy } from "./origin.ts";
import { problem } from "./problem.ts";
import type { Access, Route } from "./route.ts";

/** What the server around the handler knows of the connection. */
export interface Connection {
  /** The address of the peer; unknown where Mapae is mounted in another server that does not say. */
  readonly remoteAddress?: string | undefined;
}

export interface AppOptions {
  readonly routes: readonly Route[];
  /** The path under which everything is mounted; empty at the root. */
  readonly base: string;
  readonly authenticator: Authenticator;
  readonly origins: OriginPolicy;
  readonly addresses: AddressReader;
  readonly metricsTokens: readonly Secret[];
  readonly logger: Logger;
  readonly world: World;
  readonly observe: (route: string, method: string, status: number, seconds: number) => void;
  /** Only for the handler behind the local socket, whose file mode has let the operator in: serves `operator` rows. */
  readonly operatorDoor?: boolean;
}

export type Handler = (request: Request, connection?: Connection) => Promise<Response>;

/** What a request carries through its steps. */
interface Visit {
  readonly id: string;
  readonly address: string | null;
  /** The pattern of the route that was found, for log and metrics: a raw path may carry what nobody should read. */
  route: string;
}

const ALLOWED_ALWAYS = ["OPTIONS"];

export function createApp(options: AppOptions): Handler {
  const { routes, base, authenticator, origins, addresses, logger, world } = options;
  const app = new Hono<{ Bindings: Visit }>();
  const addressed = Map.groupBy(routes, ({ path }) => path);

  for (const [path, rows] of addressed) {
    const pattern = base + path.replace(/\{(\w+)\}/g, ":$1");
    for (const route of rows) {
      app.on(route.method, pattern, (context) => {
        context.env.route = path;
        return serve(route, context.req.raw, context.req.param(), context.env);
      });
    }
    const methods = rows.map(({ method }) => method);
    const allow = [...methods, ...(methods.includes("GET") ? ["HEAD"] : []), ...ALLOWED_ALWAYS].join(", ");
    app.all(pattern, (context) => {
      context.env.route = path;
      if (context.req.method === "OPTIONS") return origins.preflight(context.req.raw);
      return problem("method_not_allowed", { headers: { allow } });
    });
  }
  app.notFound(() => problem("not_found"));
  app.onError((error, context) => failure(error, context.env));

  function failure(error: unknown, visit: Visit): Response {
    if (error instanceof Unavailable) {
      logger.warn({ request_id: visit.id, route: visit.route, err: error }, "store unavailable");
      return problem("unavailable", { retryAfter: error.retryAfter });
    }
    logger.error({ request_id: visit.id, route: visit.route, err: error }, "request failed");
    return problem("internal_error", { members: { request_id: visit.id } });
  }

  async function serve(
    route: Route,
    request: Request,
    params: Record<string, string>,
    visit: Visit,
  ): Promise<Response> {
    if (route.method !== "GET" && !origins.allows(request)) {
      return problem("forbidden", { detail: "Pages of another origin may not do this." });
    }
    const access = await ACCESS[route.access](request, visit);
    if (!access.ok) return access.response;
    const query = parse(route.query, Object.fromEntries(new URL(request.url).searchParams), "query");
    if (!query.ok) return query.response;
    const body = route.body === null ? NOTHING : await parseBody(route.body, request);
    if (!body.ok) return body.response;
    const network = visit.address === null ? "unknown" : networkOf(visit.address);
    const cause: Cause = { actor: actorOf(route.access, access.caller), address: visit.address, requestId: visit.id };
    return route.handle(
      { body: body.value, query: query.value, params, headers: request.headers, cause, network },
      access.caller,
    );
  }

  const ACCESS: Record<Access, (request: Request, visit: Visit) => Promise<Allowed>> = {
    anyone: async () => ({ ok: true, caller: null }),
    account: async (request) =>
      require(await authenticator.account(request.headers), (caller) => caller.scope.includes(ACCOUNT_SCOPE)),
    admin: async (request) =>
      require(await authenticator.admin(request.headers), (caller) => caller.roles.includes(ADMIN_ROLE)),
    metrics: async (request, visit) => {
      const given = /^Bearer (\S+)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
      const known = given !== undefined && options.metricsTokens.some((token) => sameBytes(token.reveal(), given));
      // A proxy on this machine forwards for the whole world: then only the credential counts.
      const local = isLoopbackAddress(visit.address) && !request.headers.has("x-forwarded-for");
      return known || local ? { ok: true, caller: null } : { ok: false, response: problem("forbidden") };
    },
    // A row that strayed into the public table stays shut.
    operator: async () =>
      options.operatorDoor === true ? { ok: true, caller: null } : { ok: false, response: problem("forbidden") },
  };

  return async (request, connection = {}) => {
    const started = world.clock.monotonic();
    const id = world.random.bytes(12).toString("base64url");
    const visit: Visit = {
      id,
      address: addresses.clientOf(connection.remoteAddress ?? null, request.headers),
      route: "unknown",
    };
    let response: Response;
    try {
      response = await app.fetch(request, visit);
    } catch (error) {
      response = failure(error, visit);
    }
    response.headers.set("x-request-id", id);
    response.headers.set("x-content-type-options", "nosniff");
    for (const [name, value] of Object.entries(origins.headers(request))) response.headers.append(name, value);
    const ms = world.clock.monotonic() - started;
    options.observe(visit.route, request.method, response.status, ms / 1000);
    logger.info(
      {
        request_id: id,
        method: request.method,
        route: visit.route,
        status: response.status,
        ms: Math.round(ms * 10) / 10,
        address: visit.address,
      },
      "request",
    );
    return response;
  };
}

type Allowed =
  | { readonly ok: true; readonly caller: Caller | null }
  | { readonly ok: false; readonly response: Response };
type Parsed = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly response: Response };
const NOTHING: Parsed = { ok: true, value: null };

function require(authenticated: Authenticated, allowed: (caller: Caller) => boolean): Allowed {
  if (!authenticated.ok || allowed(authenticated.caller)) return authenticated;
  return { ok: false, response: problem("forbidden") };
}

function actorOf(access: Access, caller: Caller | null): Cause["actor"] {
  if (access === "operator") return { kind: "operator" };
  if (caller === null) return { kind: "anyone" };
  return { kind: access === "admin" ? "administrator" : "user", id: caller.user };
}

async function parseBody(schema: z.ZodType, request: Request): Promise<Parsed> {
  const read = await readJson(request);
  return read.ok ? parse(schema, read.value, "body") : { ok: false, response: problem(read.code) };
}

/** One fault a member, each with a JSON Pointer (RFC 6901). What was sent is never repeated. */
function parse(schema: z.ZodType | null, value: unknown, part: "body" | "query"): Parsed {
  if (schema === null) return NOTHING;
  const result = schema.safeParse(value);
  if (result.success) return { ok: true, value: result.data };
  const faults = result.error.issues.flatMap((issue) => {
    const members = issue.code === "unrecognized_keys" ? issue.keys.map((key) => [...issue.path, key]) : [issue.path];
    const detail = issue.code === "unrecognized_keys" ? "is not known here" : issue.message;
    return members.map((path) => ({ pointer: pointer(path), detail, ...(part === "query" ? { in: "query" } : {}) }));
  });
  return { ok: false, response: problem("validation_failed", { members: { faults } }) };
}

function pointer(path: readonly PropertyKey[]): string {
  return path.map((part) => `/${String(part).slice(0, 100).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}
