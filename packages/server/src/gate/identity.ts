/**
 * Who the request comes from, as headers that the proxy hands to the API behind it. The closed list is also what a
 * proxy's configuration has to take out of every request from outside: docs/gate.md, deploy/gate/.
 *
 *   claims ──► one header a row ──► values in letters that cannot end a header, a list or a line
 *
 * Claims of a verified token come from a cache and are the same object each time, so what was written for them once is
 * kept beside them.
 */
import type { AccessTokenClaims } from "@mapae/verifier";

/** Header, and what it says; `undefined` where the token does not say it, and then there is no header. */
export const IDENTITY = {
  "X-Mapae-Subject": (claims) => encoded(claims.sub),
  "X-Mapae-Session": (claims) => encoded(claims.sid),
  "X-Mapae-Client": (claims) => encoded(claims.client_id),
  "X-Mapae-Scope": ({ scope }) => (typeof scope === "string" ? joined(scope.split(" "), " ") : undefined),
  "X-Mapae-Roles": ({ roles }: { readonly roles?: unknown }) => (Array.isArray(roles) ? joined(roles, ",") : undefined),
} as const satisfies Record<string, (claims: AccessTokenClaims) => string | undefined>;

/** Letters that no proxy, log or list reads as anything but themselves. */
const PLAIN = /^[A-Za-z0-9\-._~:/@+=]+$/;
const NOT_PLAIN = /%(2[BF]|3[AD]|40)/g;

/** A value for a header: plain letters as they are, all others as percent-encoded UTF-8 (RFC 3986 §2.1). */
export function encoded(value: unknown): string | undefined {
  if (typeof value !== "string" || value === "") return undefined;
  if (PLAIN.test(value)) return value;
  // encodeURIComponent leaves !'()* and takes : / @ + = as well; a lone surrogate never got past the verifier.
  return encodeURIComponent(value)
    .replace(NOT_PLAIN, decodeURIComponent)
    .replace(/[!'()*]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`);
}

function joined(values: readonly unknown[], by: string): string | undefined {
  const items = values.map(encoded).filter((item) => item !== undefined);
  return items.length === 0 ? undefined : items.join(by);
}

const written = new WeakMap<AccessTokenClaims, readonly string[]>();

/** @returns names and values by turns, as `writeHead` takes them */
export function identityOf(claims: AccessTokenClaims): readonly string[] {
  const known = written.get(claims);
  if (known !== undefined) return known;
  const headers: string[] = [];
  for (const [name, say] of Object.entries(IDENTITY)) {
    const value = say(claims);
    if (value !== undefined) headers.push(name, value);
  }
  written.set(claims, headers);
  return headers;
}
