/**
 * Reading a body, JSON or a form: type, size, UTF-8, JSON, depth, in this order; each its own problem, none with an effect.
 */
import type { Incoming } from "./incoming.ts";
import type { ProblemCode } from "./problem.ts";

export const BODY_LIMIT = 64 * 1024;
const DEPTH_LIMIT = 16;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export type ReadBody =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly code: ProblemCode };

export async function readJson(request: Incoming): Promise<ReadBody> {
  if (!/^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i.test(request.headers.get("content-type") ?? "")) {
    return { ok: false, code: "unsupported_media_type" };
  }
  // A client that left in the middle is no fault of ours; the answer is for the log.
  const bytes = await request.read(BODY_LIMIT).catch(() => undefined);
  if (bytes === undefined) return { ok: false, code: "malformed_request" };
  if (bytes === null) return { ok: false, code: "payload_too_large" };
  try {
    const value: unknown = JSON.parse(utf8.decode(bytes));
    return depth(value, DEPTH_LIMIT) ? { ok: true, value } : { ok: false, code: "malformed_json" };
  } catch {
    return { ok: false, code: "malformed_json" };
  }
}

export async function readSecevent(request: Incoming): Promise<ReadBody> {
  if (!/^application\/secevent\+jwt\s*(?:;|$)/i.test(request.headers.get("content-type") ?? "")) {
    return { ok: false, code: "unsupported_media_type" };
  }
  const bytes = await request.read(BODY_LIMIT).catch(() => undefined);
  if (bytes === undefined) return { ok: false, code: "malformed_request" };
  if (bytes === null) return { ok: false, code: "payload_too_large" };
  // A compact JWS is ASCII; what is not, is none.
  return { ok: true, value: Buffer.from(bytes).toString("latin1").trim() };
}

export type ReadForm =
  | { readonly ok: true; readonly value: URLSearchParams }
  | { readonly ok: false; readonly code: ProblemCode };

export async function readForm(request: Incoming): Promise<ReadForm> {
  if (!/^application\/x-www-form-urlencoded\s*(?:;|$)/i.test(request.headers.get("content-type") ?? "")) {
    return { ok: false, code: "unsupported_media_type" };
  }
  const bytes = await request.read(BODY_LIMIT).catch(() => undefined);
  if (bytes === undefined) return { ok: false, code: "malformed_request" };
  if (bytes === null) return { ok: false, code: "payload_too_large" };
  try {
    return { ok: true, value: new URLSearchParams(utf8.decode(bytes)) };
  } catch {
    return { ok: false, code: "malformed_request" };
  }
}

function depth(value: unknown, left: number): boolean {
  if (typeof value !== "object" || value === null) return true;
  return left > 0 && Object.values(value).every((member) => depth(member, left - 1));
}
