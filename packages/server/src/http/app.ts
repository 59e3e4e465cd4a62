/**
 * The HTTP application: from a request to a reply through the table of routes.
 *
 *   incoming ──► id, address ──► route ──► origin ──► access ──► query, body ──► handle ──► reply
 *                               404 405     403       401 403    415 413 400 422
 *
 * Whatever is thrown inside becomes a 503 that says "try again" or a 500 that says "do not"; neither says more.
 */
import type { Logger } from "pino";
import type { Cause } from "../audit/event.ts";
import { ACCOUNT_SCOPE } from "../clients/client.ts";
import type { Verifier } from "../feed/verifiers.ts";
import { Unavailable } from "../prelude/fault.ts";
import { type Secret, sameBytes } from "../prelude/secret.ts";
import type { World } from "../prelude/world.ts";
import { ADMIN_ROLE } from "../users/user.ts";
import { type AddressReader, isLoopbackAddress, networkOf } from "./address.ts";
import type { Authenticated, Authenticator, Caller } from "./authenticate.ts";
import { fromRequest, type HeaderReader, type Incoming } from "./incoming.ts";
import { oauthReply } from "./oauth-error.ts";
import type { OriginPolicy } from "./origin.ts";
import { parseBody, parseForm, parseQuery, parseSecevent } from "./parse.ts";
import { problem } from "./problem.ts";
import { type Reply, toResponse } from "./reply.ts";
import type { Access, Route } from "./route.ts";
import { createRouter } from "./router.ts";
import { setErrorReply } from "./set-error.ts";
import { ssfReply } from "./ssf-error.ts";

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
  readonly observe: (observation: { route: string; method: string; status: number; seconds: number }) => void;
  /** Only for the handler behind the local socket, whose file mode has let the operator in: serves `operator` rows. */
  readonly operatorDoor?: boolean;
}

/** Answers whatever comes; never rejects. */
export type App = (incoming: Incoming, connection: Connection) => Promise<Reply>;
export type Handler = (request: Request, connection?: Connection) => Promise<Response>;

/** The same application as a `fetch` handler. */
export function handlerOf(app: App): Handler {
  return async (request, connection = {}) => {
    const reply = await app(fromRequest(request), connection);
    return toResponse(request.method === "HEAD" ? { ...reply, body: null } : reply);
  };
}

/** What a request carries through its steps. */
interface Visit {
  readonly id: string;
  readonly address: string | null;
  /** The pattern of the route that was found, for log and metrics: a raw path may carry what nobody should read. */
  route: string;
  style: Route["style"];
}

type Allowed =
  | { readonly ok: true; readonly caller: Caller | null; readonly verifier?: Verifier; readonly administers?: boolean }
  | { readonly ok: false; readonly reply: Reply };

export function createApp(options: AppOptions): App {
  const { authenticator, origins, addresses, logger, world } = options;
  const router = createRouter(options.routes, options.base);

  function failure(error: unknown, visit: Visit): Reply {
    if (error instanceof Unavailable) {
      logger.warn({ request_id: visit.id, route: visit.route, err: error }, "store unavailable");
      return problem("unavailable", { retryAfter: error.retryAfter });
    }
    logger.error({ request_id: visit.id, route: visit.route, err: error }, "request failed");
    return problem("internal_error", { members: { request_id: visit.id } });
  }

  const administrator = async (headers: HeaderReader): Promise<Allowed> => {
    const allowed = require(await authenticator.admin(headers), (caller) => caller.roles.includes(ADMIN_ROLE));
    return allowed.ok ? { ...allowed, administers: true } : allowed;
  };

  const ACCESS: Record<Access, (incoming: Incoming, visit: Visit) => Promise<Allowed> | Allowed> = {
    anyone: () => ANYONE,
    account: async ({ headers }) =>
      require(await authenticator.account(headers), (caller) => caller.scope.includes(ACCOUNT_SCOPE)),
    admin: ({ headers }) => administrator(headers),
    revoker: async ({ headers }) => {
      const admin = await authenticator.admin(headers);
      return admin.ok
        ? administrator(headers)
        : require(await authenticator.account(headers), (caller) => caller.scope.includes(ACCOUNT_SCOPE));
    },
    verifier: async ({ headers }) => {
      const authenticated = await authenticator.verifier(headers);
      return authenticated.ok ? { ok: true, caller: null, verifier: authenticated.verifier } : authenticated;
    },
    follower: async ({ headers }) => {
      const authenticated = await authenticator.follower(headers);
      return authenticated.ok ? { ok: true, caller: null, verifier: authenticated.verifier } : authenticated;
    },
    provider: () => ANYONE,
    metrics: ({ headers }, visit) => {
      const given = /^Bearer (\S+)$/i.exec(headers.get("authorization") ?? "")?.[1];
      const known = given !== undefined && options.metricsTokens.some((token) => sameBytes(token.reveal(), given));
      // A proxy on this machine forwards for the whole world: then only the credential counts.
      const forwarded = FORWARDING.some((name) => headers.get(name) !== null);
      const local = isLoopbackAddress(visit.address) && !forwarded;
      return known || local ? ANYONE : forbidden();
    },
    // A row that strayed into the public table stays shut.
    operator: () => (options.operatorDoor === true ? ANYONE : forbidden()),
  };

  async function serve(incoming: Incoming, visit: Visit): Promise<Reply> {
    const match = router(incoming.method, incoming.path);
    if (match.found === "nothing") return problem("not_found");
    if (match.found === "path") {
      visit.route = match.path;
      const headers = { allow: match.allow };
      if (incoming.method !== "OPTIONS") return problem("method_not_allowed", { headers });
      const preflight = origins.preflight(incoming);
      return { ...preflight, headers: { ...preflight.headers, ...headers } };
    }
    const { route, params } = match;
    visit.route = route.path;
    visit.style = route.style;
    if (route.method !== "GET" && !origins.allows(incoming)) {
      return problem("forbidden", { detail: "Pages of another origin may not do this." });
    }
    const access = await ACCESS[route.access](incoming, visit);
    if (!access.ok) return access.reply;
    const query = parseQuery(route.query, incoming.query);
    if (!query.ok) return query.reply;
    const body = await BODIES[route.style](route.body, incoming);
    if (!body.ok) return body.reply;
    const network = visit.address === null ? "unknown" : networkOf(visit.address);
    const cause: Cause = { actor: actorOf(route.access, access), address: visit.address, requestId: visit.id };
    const { headers } = incoming;
    const call = { body: body.value, query: query.value, params, headers, cause, network };
    return route.handle(call, access.caller, access.verifier ?? null);
  }

  return async (incoming, connection) => {
    const started = world.clock.monotonic();
    const id = world.random.bytes(12).toString("base64url");
    const address = addresses.clientOf(connection.remoteAddress ?? null, incoming.headers);
    const visit: Visit = { id, address, route: "unknown", style: "api" };
    const answered = await serve(incoming, visit).catch((error: unknown) => failure(error, visit));
    const reply = STYLES[visit.style](answered);
    reply.headers["x-request-id"] = id;
    reply.headers["x-content-type-options"] = "nosniff";
    origins.mark(incoming, reply);
    const ms = world.clock.monotonic() - started;
    const { method } = incoming;
    options.observe({ route: visit.route, method, status: reply.status, seconds: ms / 1000 });
    const took = Math.round(ms * 10) / 10;
    logger.info({ request_id: id, method, route: visit.route, status: reply.status, ms: took, address }, "request");
    return reply;
  };
}

/** What proxies add to a request that they pass on. */
const FORWARDING = ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "forwarded", "via"];

const STYLES: Record<Route["style"], (reply: Reply) => Reply> = {
  api: (reply) => reply,
  oauth: oauthReply,
  ssf: ssfReply,
  secevent: setErrorReply,
};

const BODIES: Record<Route["style"], typeof parseBody> = {
  api: parseBody,
  oauth: parseForm,
  ssf: parseBody,
  secevent: parseSecevent,
};

const ANYONE: Allowed = { ok: true, caller: null };

/** A reply is written to on its way out: each refusal is its own. */
function forbidden(): Allowed {
  return { ok: false, reply: problem("forbidden") };
}

function require(authenticated: Authenticated, allowed: (caller: Caller) => boolean): Allowed {
  if (!authenticated.ok || allowed(authenticated.caller)) return authenticated;
  return forbidden();
}

function actorOf(access: Access, { caller, verifier, administers }: Allowed & { ok: true }): Cause["actor"] {
  if (access === "operator") return { kind: "operator" };
  if (verifier !== undefined) return { kind: "client", id: verifier.client };
  if (caller === null) return { kind: "anyone" };
  return { kind: administers === true ? "administrator" : "user", id: caller.user };
}
