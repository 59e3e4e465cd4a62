/**
 * From method and path to a row of the table, by Hono's routers. A path that exists under other methods is told apart
 * from one that does not: 405 with `Allow` (RFC 9110 §15.5.6), not 404.
 */
import { RegExpRouter } from "hono/router/reg-exp-router";
import { SmartRouter } from "hono/router/smart-router";
import { TrieRouter } from "hono/router/trie-router";
import type { Route } from "./route.ts";

export type Match =
  | { readonly found: "route"; readonly route: Route; readonly params: Readonly<Record<string, string>> }
  /** The path is there, the method is not (or it is OPTIONS, which every path answers). */
  | { readonly found: "path"; readonly path: string; readonly allow: string }
  | { readonly found: "nothing" };

export type Router = (method: string, path: string) => Match;

const NO_ROWS: [[Route, Record<string, string>][]] = [[]];

/** @param base the path under which everything is mounted; empty at the root */
export function createRouter(routes: readonly Route[], base: string): Router {
  const make = <T>() => new SmartRouter<T>({ routers: [new RegExpRouter(), new TrieRouter()] });
  const router = make<Route>();
  const methods = new Set<string>(routes.map((route) => route.method));
  const paths = make<{ readonly path: string; readonly allow: string }>();
  for (const [path, rows] of Map.groupBy(routes, (route) => route.path)) {
    const named = path.replace(/\{(\w+)\}/g, ":$1");
    const inserted = base !== "" && rows.some((row) => row.inserted === true);
    const patterns = inserted ? [base + named, named + base] : [base + named];
    const own = rows.map((row) => row.method);
    const allow = [...own, ...(own.includes("GET") ? ["HEAD"] : []), "OPTIONS"].join(", ");
    for (const pattern of patterns) {
      for (const route of rows) router.add(route.method, pattern, route);
      paths.add("ALL", pattern, { path, allow });
    }
  }
  return (asked, path) => {
    const method = asked === "HEAD" ? "GET" : asked;
    // A method can be any token (RFC 9110 §9.1): "constructor" must not reach a look-up by name.
    const [rows, stash] = methods.has(method) ? router.match(method, path) : NO_ROWS;
    const first = rows[0];
    if (first === undefined) {
      const other = paths.match("ALL", path)[0][0]?.[0];
      return other === undefined ? { found: "nothing" } : { found: "path", ...other };
    }
    const params: Record<string, string> = {};
    for (const [name, value] of Object.entries(first[1])) {
      const text = typeof value === "number" ? (stash?.[value] ?? "") : value;
      // Percent-encoding that is none names nothing.
      if (/%(?![0-9a-f]{2})/i.test(text)) return { found: "nothing" };
      params[name] = decode(text);
    }
    return { found: "route", route: first[0], params };
  };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return "\uFFFD"; // no id has it: it names nothing
  }
}
