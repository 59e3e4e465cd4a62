/**
 * A route is a row: address, who may call, what it takes and answers, and what it does. The table (routes.ts) routes,
 * answers 405 with `Allow`, and prints itself as /openapi.json.
 */
import type { z } from "zod";
import type { Cause } from "../audit/event.ts";
import type { Verifier } from "../feed/verifiers.ts";
import type { Caller } from "./authenticate.ts";
import type { HeaderReader } from "./incoming.ts";
import type { ProblemCode } from "./problem.ts";
import type { Reply } from "./reply.ts";

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/**
 * Who may call. `account`: a user's token with the account scope. `admin`: a token of the admin audience. `metrics`:
 * loopback or a credential. `revoker`: either of the first two tokens, and the route tells them apart. `verifier`: a
 * resource server's id and secret. `follower`: those, or its ticket. `provider`: another provider, with the credential that was made for it; the route knows
 * for whom. `operator`: whoever may open the local socket in the data folder; nobody over the network.
 */
export type Access =
  | "anyone"
  | "account"
  | "admin"
  | "revoker"
  | "verifier"
  | "follower"
  | "provider"
  | "metrics"
  | "operator";

export interface Call<Body, Query> {
  readonly body: Body;
  readonly query: Query;
  readonly params: Readonly<Record<string, string>>;
  readonly headers: HeaderReader;
  /** On whose behalf and from where, for the audit. */
  readonly cause: Cause;
  /** The network that limits count by. */
  readonly network: string;
}

export interface Route {
  readonly method: Method;
  /** With `{name}` for parameters. */
  readonly path: string;
  /** Of an issuer with a path: answered with that path at its end as well, where RFC 8414 §3.1 puts metadata. */
  readonly inserted?: boolean;
  /** One of the groups of the reference. */
  readonly group:
    | "Users"
    | "Sessions"
    | "Account"
    | "Administration"
    | "Revocation"
    | "Shared Signals"
    | "OAuth"
    | "Discovery"
    | "Operations"
    | "Operator"
    | "Pages";
  readonly summary: string;
  readonly access: Access;
  readonly body: z.ZodType | null;
  readonly query: z.ZodType | null;
  /** Status of success, and the schema of its body. */
  readonly answer: { readonly status: number; readonly schema: z.ZodType | null; readonly says: string };
  /** The refusals it can give beside those that every route can. */
  readonly problems: readonly ProblemCode[];
  /**
   * `oauth`: bodies are forms, and errors are as RFC 6749 §5.2 has them. `ssf`: errors have the statuses that the Shared
   * Signals Framework lists. `secevent`: the body is a signed event, and errors are as RFC 8935 §2.3 has them.
   */
  readonly style: "api" | "oauth" | "ssf" | "secevent";
  handle(call: Call<unknown, unknown>, caller: Caller | null, verifier: Verifier | null): Promise<Reply>;
}

interface Definition<Body extends z.ZodType | null, Query extends z.ZodType | null> {
  readonly method: Method;
  readonly path: string;
  readonly inserted?: boolean;
  readonly group: Route["group"];
  readonly summary: string;
  readonly body?: Body;
  readonly query?: Query;
  readonly answer: Route["answer"];
  readonly problems?: readonly ProblemCode[];
}
type Parsed<Schema> = Schema extends z.ZodType ? z.infer<Schema> : null;

function row(
  definition: Definition<z.ZodType | null, z.ZodType | null>,
  access: Access,
  handle: Route["handle"],
): Route {
  return { body: null, query: null, problems: [], style: "api", ...definition, access, handle };
}

/** A route that anyone may call. */
export function open<Body extends z.ZodType | null = null, Query extends z.ZodType | null = null>(
  definition: Definition<Body, Query>,
  handle: (call: Call<Parsed<Body>, Parsed<Query>>) => Promise<Reply>,
): Route {
  return row(definition, "anyone", (call) => handle(call as Call<Parsed<Body>, Parsed<Query>>));
}

/** A route that needs a token of the account. */
export function guarded<Body extends z.ZodType | null = null, Query extends z.ZodType | null = null>(
  definition: Definition<Body, Query>,
  handle: (call: Call<Parsed<Body>, Parsed<Query>>, caller: Caller) => Promise<Reply>,
): Route {
  return row(definition, "account", (call, caller) => {
    if (caller === null) throw new Error(`${definition.path} was reached without its caller`);
    return handle(call as Call<Parsed<Body>, Parsed<Query>>, caller);
  });
}

/** A route that takes back: `caller` is `null` for an administrator and for the operator, who may do so to anyone. */
export function revoking<Body extends z.ZodType | null = null, Query extends z.ZodType | null = null>(
  definition: Definition<Body, Query>,
  handle: (call: Call<Parsed<Body>, Parsed<Query>>, caller: Caller | null) => Promise<Reply>,
): Route {
  return row(definition, "revoker", (call, caller) =>
    handle(call as Call<Parsed<Body>, Parsed<Query>>, call.cause.actor.kind === "user" ? caller : null),
  );
}

/** A route for resource servers. @param access `follower`: a ticket does, too */
export function following<Body extends z.ZodType | null = null, Query extends z.ZodType | null = null>(
  definition: Definition<Body, Query>,
  handle: (call: Call<Parsed<Body>, Parsed<Query>>, verifier: Verifier) => Promise<Reply>,
  access: "verifier" | "follower" = "verifier",
): Route {
  return row(definition, access, (call, _caller, verifier) => {
    if (verifier === null) throw new Error(`${definition.path} was reached without its resource server`);
    return handle(call as Call<Parsed<Body>, Parsed<Query>>, verifier);
  });
}

/** A route that other providers call: it judges the credential itself. */
export function provided<Body extends z.ZodType | null = null>(
  definition: Definition<Body, null>,
  handle: (call: Call<Parsed<Body>, null>) => Promise<Reply>,
): Route {
  const route = row(definition, "provider", (call) => handle(call as Call<Parsed<Body>, null>));
  return { ...route, style: "secevent" };
}

/** A route of the admin API. Who acts stands in the cause: an administrator, or the operator at the local socket. */
export function administrative<Body extends z.ZodType | null = null, Query extends z.ZodType | null = null>(
  definition: Definition<Body, Query>,
  handle: (call: Call<Parsed<Body>, Parsed<Query>>) => Promise<Reply>,
): Route {
  return row(definition, "admin", (call) => handle(call as Call<Parsed<Body>, Parsed<Query>>));
}

/** A route of the operator API, which only the local socket answers (operator/). */
export function operational<Body extends z.ZodType | null = null, Query extends z.ZodType | null = null>(
  definition: Definition<Body, Query>,
  handle: (call: Call<Parsed<Body>, Parsed<Query>>) => Promise<Reply>,
): Route {
  return row(definition, "operator", (call) => handle(call as Call<Parsed<Body>, Parsed<Query>>));
}
