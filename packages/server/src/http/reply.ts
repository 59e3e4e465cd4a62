/**
 * What a route answers, before it is anybody's Response: plain data, which the socket writes as it is and which a
 * `fetch` handler turns into a Response at its edge. (Between the two lay a quarter of the cost of a refresh:
 * docs/decisions/0040-plain-replies.md.)
 */

export interface Reply {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Record<string, string>;
  /** Values of `Set-Cookie`, which alone may stand several times. */
  readonly cookies: string[];
  readonly body: string | Uint8Array<ArrayBuffer> | null;
  /** Of a refusal: its code. */
  readonly problem?: string;
}

/** A success. What an API answers is nobody's to cache (RFC 6749 §5.1), unless the headers say otherwise. */
export function json(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): Reply {
  return {
    status,
    headers: { "content-type": "application/json", "cache-control": "no-store", ...headers },
    cookies: [],
    body: JSON.stringify(body),
  };
}

export function noContent(): Reply {
  return { status: 204, headers: { "cache-control": "no-store" }, cookies: [], body: null };
}

/** A body that is no JSON of ours; the headers name its type. */
export function text(body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string>): Reply {
  return { status: 200, headers, cookies: [], body };
}

export function toResponse(reply: Reply): Response {
  const headers = new Headers(reply.headers);
  for (const cookie of reply.cookies) headers.append("set-cookie", cookie);
  return new Response(reply.body, { status: reply.status, headers });
}
