/**
 * The cookies. `__Secure-` and a narrow path for the refresh token, which only the session routes need; the same for the
 * device. `__Host-` for the session token, which every route of the API takes: no other host can have set it. All HttpOnly,
 * Secure, SameSite=Strict: no page script and no other site ever sees or sends one. (Browsers treat http://localhost as
 * secure, so that development needs no exception.)
 */
import type { HeaderReader } from "./incoming.ts";

export const COOKIES = {
  session: { name: "__Host-mapae_session", path: null },
  refresh: { name: "__Secure-mapae_refresh", path: "/v1/sessions" },
  device: { name: "__Secure-mapae_device", path: "/v1/sessions" },
} as const;
type Cookie = keyof typeof COOKIES;

/** The longest that browsers keep a cookie (RFC 6265bis §5.5): 400 days. */
const MAX_AGE = 400 * 86_400;

/** The value of a cookie of ours; `null` where it is not there. Two of one name: neither (one may be planted). */
export function readCookie(headers: HeaderReader, cookie: Cookie): string | null {
  const header = headers.get("cookie");
  if (header === null) return null;
  const prefix = `${COOKIES[cookie].name}=`;
  const values = header.split(";").flatMap((part) => {
    const text = part.trim();
    return text.startsWith(prefix) ? [text.slice(prefix.length)] : [];
  });
  return values.length === 1 ? (values[0] ?? null) : null;
}

/** @param maxAge seconds */
export function setCookie(cookie: Cookie, base: string, value: string, maxAge: number): string {
  const { name, path } = COOKIES[cookie];
  // RFC 6265bis §4.1.3.2: `__Host-` goes with the path "/" alone.
  const scope = path === null ? "/" : `${base}${path}`;
  const age = Math.min(MAX_AGE, Math.max(0, Math.floor(maxAge)));
  return `${name}=${value}; Path=${scope}; Max-Age=${age}; HttpOnly; Secure; SameSite=Strict`;
}

export function clearCookie(cookie: Cookie, base: string): string {
  return setCookie(cookie, base, "", 0);
}

export function deviceCookie(value: string, base: string): string {
  return setCookie("device", base, value, MAX_AGE);
}
