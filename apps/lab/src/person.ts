/**
 * A user with devices. Each device holds what its log-in gave it, cookies or tokens, and the ledger's entry of what that
 * entitles it to; every answer to it becomes a sighting.
 */
import type { Door, Reply, Sending } from "./http.ts";
import { type Answered, type EndCause, type Entitlement, judge, newEntitlement, type Verdict } from "./ledger.ts";

export const PASSWORD = "three servers for nine hundred";

export interface Sighting {
  readonly user: string;
  readonly action: Action;
  readonly verdict: Verdict;
  readonly status: number;
  /** What the server said it refused for. */
  readonly because: string;
  readonly sent: number;
  readonly received: number;
}

export type Action = "log_in" | "me" | "refresh" | "log_out" | "log_out_everywhere" | "poll";

type Held =
  | { readonly by: "cookies"; readonly jar: Map<string, string> }
  | { readonly by: "tokens"; access: string; refresh: string; renewAt: number; attempt: string };

export interface Login {
  readonly entitled: Entitlement;
  readonly held: Held;
}

export type DeviceClass = "desktop" | "mobile";
const USER_AGENTS: Readonly<Record<DeviceClass, string>> = {
  desktop: "Mozilla/5.0 (X11; Linux x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
  mobile:
    "Mozilla/5.0 (Linux; Android 16; Pixel 10) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36",
};
/** Renewed when this share of an access token's life is over. */
const RENEW_SHARE = 0.8;

export interface Person {
  readonly name: string;
  /** The live log-ins as the ledger has them, by the kind of device. */
  readonly logins: Map<DeviceClass, Login>;
  /** Those that have ended, lately. */
  readonly ended: Login[];
  logIn(door: Door, on: DeviceClass): Promise<boolean>;
  /** Shows the account; renews the token first where it is due. */
  look(door: Door, login: Login): Promise<Sighting>;
  refresh(door: Door, login: Login): Promise<Sighting | null>;
  logOut(door: Door, on: DeviceClass): Promise<void>;
  logOutEverywhere(door: Door, login: Login): Promise<boolean>;
  /** The same, waiting until no verifier accepts any of it. @returns the access tokens, where that was confirmed */
  logOutConfirmed(door: Door, login: Login): Promise<readonly string[] | null>;
  /** Shows one refresh token twice at once, as two tabs do. @returns how many successors it got; `null` without an answer to both */
  refreshTwice(door: Door, login: Login): Promise<number | null>;
  /** Shows what a log-in gives at a server, apart from the balancer. */
  poll(door: Door, login: Login): Promise<Sighting>;
  /** The log-in turned out to be gone: forgotten on both sides. */
  forget(on: DeviceClass): void;
}

const ENDED_KEPT = 4;
/** A request that nobody waits for any more may be under way for so long, through frozen and severed parts. */
const REQUESTS_LIVE_MS = 30_000;
/** Whoever waits for a confirmation waits for the end of leases, where a verifier or a server is away. */
const CONFIRM_MS = 12_000;

/** @param see is told every answer */
export function personOf(name: string, see: (sighting: Sighting) => void, next: () => string): Person {
  const logins = new Map<DeviceClass, Login>();
  const ended: Login[] = [];
  let unansweredAt = Number.NEGATIVE_INFINITY;

  const sighted = (action: Action, entitled: Entitlement, reply: Reply, answered = answeredBy(reply)): Sighting => {
    const { status, sent, received } = reply;
    // A log-in without an answer may be carried out later than the next one, and then replaces that.
    const evicted = reply.body.reason === "evicted" && performance.now() - unansweredAt < REQUESTS_LIVE_MS;
    if (evicted && entitled.endRequestedAt === null) {
      entitled.endRequestedAt = entitled.begun;
      entitled.cause = "evicted";
    }
    const verdict = judge(entitled, sent, received, answered);
    const because = [reply.body.code, reply.body.reason].filter((each) => typeof each === "string").join(", ");
    const sighting = { user: name, action, verdict, status, because, sent, received };
    see(sighting);
    return sighting;
  };

  const send = async (door: Door, login: Login, method: string, path: string, timeoutMs?: number): Promise<Reply> => {
    const reply = await door.ask(method, path, sendingOf(login.held, timeoutMs));
    // Whoever has a copy of the cookie does not delete it because the server says so.
    if (method !== "DELETE") keepCookies(login.held, reply);
    return reply;
  };

  const retire = (on: DeviceClass): void => {
    const login = logins.get(on);
    if (login === undefined) return;
    logins.delete(on);
    ended.push(login);
    if (ended.length > ENDED_KEPT) ended.shift();
  };

  const ending = (login: Login | undefined): void => {
    if (login !== undefined) login.entitled.endRequestedAt ??= performance.now();
  };
  /** By what was answered: an end that was asked for earlier, without an answer, may have come to nothing. */
  const over = ({ entitled }: Login, cause: EndCause): void => {
    if (entitled.endedAt !== null) return;
    entitled.endedAt = performance.now();
    entitled.cause = cause;
  };

  const endAll = async (door: Door, login: Login, path: string, timeoutMs?: number): Promise<Reply> => {
    const all = [...logins].map(([on, each]) => ({ on, each, asked: each.entitled.endRequestedAt }));
    for (const { each } of all) ending(each);
    const reply = await send(door, login, "DELETE", path, timeoutMs);
    sighted("log_out_everywhere", login.entitled, reply);
    if (reply.status === 204 || reply.status === 200) {
      for (const { on, each } of all) {
        over(each, "logout");
        retire(on);
      }
    } else if (reply.status === 401) {
      // A server that does not know the log-in has ended nothing.
      for (const { each, asked } of all) each.entitled.endRequestedAt = asked;
    }
    return reply;
  };

  const person: Person = {
    name,
    logins,
    ended,

    async logIn(door, on) {
      const before = logins.get(on);
      // Whatever becomes of the answer, the one before may be over from now on.
      ending(before);
      const headers = { "user-agent": USER_AGENTS[on], ...routing(before) };
      const reply = await door.ask("POST", "/v1/sessions", { json: { identifier: name, password: PASSWORD }, headers });
      const entitled = newEntitlement(name);
      sighted("log_in", entitled, reply, { ...answeredBy(reply), user: null } as Answered);
      if (reply.status === 0 || reply.status >= 500) unansweredAt = performance.now();
      if (reply.status !== 201) return false;
      if (before !== undefined) {
        over(before, "evicted");
        retire(on);
      }
      logins.set(on, { entitled, held: heldFrom(reply, before, next) });
      return true;
    },

    async look(door, login) {
      if (login.held.by === "tokens" && performance.now() > login.held.renewAt) {
        const renewed = await person.refresh(door, login);
        if (renewed !== null && renewed.verdict !== "right") return renewed;
      }
      return sighted("me", login.entitled, await send(door, login, "GET", "/v1/me"));
    },

    async refresh(door, login) {
      const { held } = login;
      if (held.by === "cookies") return null;
      const body = { refresh_token: held.refresh };
      const headers = { "idempotency-key": held.attempt };
      const reply = await door.ask("POST", "/v1/sessions/refresh", { json: body, headers });
      if (reply.status === 200) takeTokens(held, reply, next);
      return sighted("refresh", login.entitled, reply, { ...answeredBy(reply), user: null } as Answered);
    },

    async logOut(door, on) {
      const login = logins.get(on);
      if (login === undefined) return;
      ending(login);
      const reply = await send(door, login, "DELETE", "/v1/sessions/current");
      sighted("log_out", login.entitled, reply);
      if (reply.status === 204 || reply.status === 401) {
        // A server that does not know the log-in has not ended it either.
        if (reply.status === 204) over(login, "logout");
        retire(on);
      }
    },

    async logOutEverywhere(door, login) {
      return (await endAll(door, login, "/v1/sessions")).status === 204;
    },

    async logOutConfirmed(door, login) {
      const tokens = [...logins.values()].flatMap(({ held }) => (held.by === "tokens" ? [held.access] : []));
      const { status, body } = await endAll(
        door,
        login,
        `/v1/sessions?wait=all&timeout_ms=${CONFIRM_MS}`,
        2 * CONFIRM_MS,
      );
      return status === 200 && body.confirmed === true ? tokens : null;
    },

    async refreshTwice(door, login) {
      const { held } = login;
      if (held.by === "cookies") return null;
      const body = { refresh_token: held.refresh };
      const ask = () =>
        door.ask("POST", "/v1/sessions/refresh", { json: body, headers: { "idempotency-key": held.attempt } });
      const replies = await Promise.all([ask(), ask()]);
      for (const reply of replies) {
        sighted("refresh", login.entitled, reply, { ...answeredBy(reply), user: null } as Answered);
      }
      const good = replies.filter(({ status }) => status === 200);
      const [first] = good;
      if (first !== undefined) takeTokens(held, first, next);
      return good.length < replies.length ? null : new Set(good.map(({ body: told }) => told.refresh_token)).size;
    },

    async poll(door, login) {
      return sighted("poll", login.entitled, await send(door, login, "GET", "/v1/me"));
    },

    forget: (on) => void logins.delete(on),
  };
  return person;
}

export function answeredBy({ status, body }: Reply): Answered {
  if (status === 0 || status >= 500) return { is: "error" };
  if (status === 401 || status === 403) return { is: "refused" };
  if (status >= 400) return { is: "error" };
  const { user } = body;
  const identifier = typeof user === "object" && user !== null && "identifier" in user ? user.identifier : null;
  return { is: "accepted", user: typeof identifier === "string" ? identifier : null };
}

function sendingOf(held: Held, timeoutMs: number | undefined): Sending {
  const within = timeoutMs === undefined ? {} : { timeoutMs };
  if (held.by === "tokens") return { ...within, headers: { authorization: `Bearer ${held.access}` } };
  return { ...within, headers: { cookie: [...held.jar].map(([name, value]) => `${name}=${value}`).join("; ") } };
}

/** A browser shows the balancer's cookie at the log-in too. */
function routing(before: Login | undefined): Record<string, string> {
  if (before?.held.by !== "cookies") return {};
  const cookie = [...before.held.jar].find(([name]) => name === "mapae_server");
  return cookie === undefined ? {} : { cookie: cookie.join("=") };
}

function heldFrom(reply: Reply, before: Login | undefined, next: () => string): Held {
  const { access_token, refresh_token } = reply.body;
  if (typeof access_token !== "string" || typeof refresh_token !== "string") {
    const jar = new Map(before?.held.by === "cookies" ? before.held.jar : []);
    const held: Held = { by: "cookies", jar };
    keepCookies(held, reply);
    return held;
  }
  const held: Held = { by: "tokens", access: "", refresh: "", renewAt: 0, attempt: next() };
  takeTokens(held, reply, next);
  return held;
}

function takeTokens(held: Held & { by: "tokens" }, { body, received }: Reply, next: () => string): void {
  const { access_token, refresh_token, expires_in } = body;
  if (typeof access_token === "string") held.access = access_token;
  if (typeof refresh_token === "string") held.refresh = refresh_token;
  held.renewAt = received + Number(expires_in) * 1000 * RENEW_SHARE;
  held.attempt = next();
}

function keepCookies(held: Held, reply: Reply): void {
  if (held.by !== "cookies" || reply.status === 401) return;
  for (const line of reply.cookies) {
    const [pair = ""] = line.split(";");
    const at = pair.indexOf("=");
    held.jar.set(pair.slice(0, at), pair.slice(at + 1));
  }
}
