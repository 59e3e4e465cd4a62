/**
 * A model of the login server for this package's tests: the documented wire over plain objects, with the refresh table
 * of the design in full (grace, proof, replay, fast-forward), and a resource server beside it. The real one is tested
 * against in `test/client/`.
 */
import { createHash } from "node:crypto";

export interface Grant {
  readonly id: string;
  readonly session: string;
  generation: number;
  rotatedAt: number;
  proof: string | null;
}

interface ModelSession {
  readonly id: string;
  readonly user: string;
  ended: string | null;
}

/** What a browser keeps between requests, out of reach of scripts. */
export type CookieJar = Map<string, string>;

const GRACE_MS = 10_000;
export const ISSUER = "https://login.example";
export const API = "https://api.example";

const hash = (text: string) => createHash("sha256").update(text).digest("hex");

export function problem(
  status: number,
  code: string,
  more: object = {},
  headers: Record<string, string> = {},
): Response {
  return new Response(JSON.stringify({ type: "about:blank", title: code, status, code, ...more }), {
    status,
    headers: { "content-type": "application/problem+json", ...headers },
  });
}

const json = (status: number, body: object) => Response.json(body, { status });

export function modelServer(options: { now: () => number; accessSeconds?: number; sessionLimit?: number }) {
  const { now, accessSeconds = 300, sessionLimit = Number.POSITIVE_INFINITY } = options;
  const users = new Map<string, { id: string; identifier: string; name: string | null; password: string }>();
  const sessions = new Map<string, ModelSession>();
  const grants = new Map<string, Grant>();
  const access = new Map<string, { session: string; expires: number; audience: string; revoked: boolean }>();
  /** What arrived, as `METHOD /path`, in order. */
  const log: string[] = [];
  const counts = { refresh: 0, rotations: 0 };
  let serial = 0;
  const fresh = (kind: string) => `${kind}-${++serial}`;

  function end(session: ModelSession, reason: string): void {
    session.ended ??= reason;
  }

  function issue(session: string, audience: string): object {
    const token = fresh("at");
    access.set(token, { session, expires: now() + accessSeconds * 1000, audience, revoked: false });
    return { access_token: token, token_type: "Bearer", expires_in: accessSeconds };
  }

  function bearer(request: Request, audience: string) {
    const token = /^Bearer (.+)$/.exec(request.headers.get("authorization") ?? "")?.[1];
    const known = token === undefined ? undefined : access.get(token);
    const session = known && sessions.get(known.session);
    if (!known || !session || known.revoked || known.audience !== audience || known.expires <= now()) return null;
    return session;
  }

  const noToken = () => problem(401, "invalid_token", {}, { "www-authenticate": 'Bearer error="invalid_token"' });

  /** The design's table, row by row. Returns the generation that the client is to hold now. */
  function decide(grant: Grant, presented: number, proof: string | null): number | "replay" {
    if (presented >= grant.generation) {
      counts.rotations += 1;
      Object.assign(grant, { generation: presented + 1, rotatedAt: now(), proof });
      return grant.generation;
    }
    if (presented === grant.generation - 1) {
      if (now() - grant.rotatedAt <= GRACE_MS) return grant.generation;
      if (proof !== null && proof === grant.proof) return grant.generation;
    }
    return "replay";
  }

  function refresh(token: string | undefined, key: string | null, audience: string | undefined) {
    counts.refresh += 1;
    const [, id = "", generation = ""] = /^rt\.(.+)\.(\d+)$/.exec(token ?? "") ?? [];
    const grant = grants.get(id);
    const session = grant && sessions.get(grant.session);
    if (!grant || !session) return { refused: problem(401, "invalid_refresh_token") };
    if (session.ended !== null) return { refused: problem(401, "session_ended", { reason: session.ended }) };
    if (audience !== undefined && audience !== `${ISSUER}/reports`) return { refused: problem(403, "forbidden") };
    const decision = decide(grant, Number(generation), key === null ? null : hash(key));
    if (decision === "replay") {
      end(session, "replayed");
      return { refused: problem(401, "refresh_token_replayed") };
    }
    return { body: issue(session.id, audience ?? ISSUER), successor: `rt.${grant.id}.${decision}` };
  }

  const describe = (session: ModelSession) => ({ id: session.id, device: { name: "test" }, current: false });
  const userOf = (session: ModelSession) => {
    const user = users.get(session.user);
    return { id: user?.id, identifier: session.user, name: user?.name ?? null };
  };
  const live = (user: string) => [...sessions.values()].filter((s) => s.user === user && s.ended === null);

  function logIn(body: Record<string, unknown>, jar: CookieJar | null): Response {
    const user = users.get(String(body.identifier));
    if (user === undefined || user.password !== body.password) return problem(401, "invalid_credentials");
    const chosen = sessions.get(String(body.end_session));
    if (chosen?.user === user.identifier) end(chosen, "evicted");
    if (live(user.identifier).length >= sessionLimit) {
      return problem(409, "session_limit", { sessions: live(user.identifier).map(describe) });
    }
    const session: ModelSession = { id: fresh("sid"), user: user.identifier, ended: null };
    const grant: Grant = { id: fresh("g"), session: session.id, generation: 1, rotatedAt: now(), proof: null };
    sessions.set(session.id, session);
    grants.set(grant.id, grant);
    const token = `rt.${grant.id}.1`;
    jar?.set("refresh", token);
    const secrets = jar === null ? { refresh_token: token, device_token: fresh("device") } : {};
    return json(201, { session: describe(session), user: userOf(session), ...issue(session.id, ISSUER), ...secrets });
  }

  async function route(request: Request, jar: CookieJar): Promise<Response> {
    const url = new URL(request.url);
    log.push(`${request.method} ${url.pathname}`);
    const text = await request.text();
    const body = text === "" ? {} : (JSON.parse(text) as Record<string, unknown>);
    const cookies = url.searchParams.get("mode") === "cookie" ? jar : null;
    if (url.origin === API) {
      const session = bearer(request, ISSUER);
      return session === null ? noToken() : json(200, { sub: session.user, sent: body });
    }
    switch (`${request.method} ${url.pathname}`) {
      case "POST /v1/users": {
        const identifier = String(body.identifier);
        if (users.has(identifier)) return problem(409, "identifier_taken");
        const user = { id: fresh("user"), identifier, name: String(body.name ?? ""), password: String(body.password) };
        users.set(identifier, user);
        return json(201, { user: { id: user.id, identifier, name: user.name } });
      }
      case "POST /v1/sessions":
        return logIn(body, cookies);
      case "POST /v1/sessions/refresh": {
        const token = cookies === null ? body.refresh_token : cookies.get("refresh");
        const result = refresh(
          typeof token === "string" ? token : undefined,
          request.headers.get("idempotency-key"),
          typeof body.audience === "string" ? body.audience : undefined,
        );
        if ("refused" in result) return result.refused;
        cookies?.set("refresh", result.successor);
        return json(200, { ...result.body, ...(cookies === null && { refresh_token: result.successor }) });
      }
    }
    const session = bearer(request, ISSUER);
    if (session === null) return noToken();
    if (session.ended !== null) return problem(401, "session_ended", { reason: session.ended });
    switch (`${request.method} ${url.pathname}`) {
      case "GET /v1/me":
        return json(200, { user: userOf(session), session: describe(session) });
      case "GET /v1/sessions":
        return json(200, { sessions: live(session.user).map(describe) });
      case "DELETE /v1/sessions":
        for (const one of live(session.user)) end(one, "logout");
        return new Response(null, { status: 204 });
      case "DELETE /v1/sessions/current":
        end(session, "logout");
        jar.delete("refresh");
        return new Response(null, { status: 204 });
      case "PATCH /v1/me": {
        const user = users.get(session.user);
        if (user !== undefined) user.name = String(body.name);
        return json(200, { user: userOf(session) });
      }
      case "POST /v1/me/password":
        if (users.get(session.user)?.password !== body.current_password) return problem(401, "invalid_credentials");
        if (body.end_other_sessions !== false) {
          for (const one of live(session.user)) if (one !== session) end(one, "password_changed");
        }
        return new Response(null, { status: 204 });
    }
    const named = sessions.get(decodeURIComponent(/^\/v1\/sessions\/(.+)$/.exec(url.pathname)?.[1] ?? ""));
    if (request.method !== "DELETE" || named?.user !== session.user) return problem(404, "not_found");
    end(named, "logout");
    return new Response(null, { status: 204 });
  }

  return {
    log,
    counts,
    sessions,
    grants,
    access,
    end: (session: string, reason: string) => {
      const found = sessions.get(session);
      if (found !== undefined) end(found, reason);
    },
    /** A way to this server for one browser: its cookies, and nothing lost on the way. */
    connect(jar: CookieJar = new Map()) {
      return (input: string | URL | Request, init?: RequestInit) => {
        const request = new Request(input, init);
        return route(request, request.credentials === "omit" ? new Map() : jar);
      };
    },
  };
}

export type ModelServer = ReturnType<typeof modelServer>;
