/** Query and body against their schemas: one fault a member, each with a JSON Pointer (RFC 6901). What was sent is never repeated. */
import type { z } from "zod";
import { readForm, readJson, readSecevent } from "./body.ts";
import type { Incoming } from "./incoming.ts";
import { problem } from "./problem.ts";
import type { Reply } from "./reply.ts";

export type Parsed = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly reply: Reply };
const NOTHING: Parsed = { ok: true, value: null };

export async function parseBody(schema: z.ZodType | null, incoming: Incoming): Promise<Parsed> {
  if (schema === null) return NOTHING;
  const read = await readJson(incoming);
  return read.ok ? parse(schema, read.value, "body") : { ok: false, reply: problem(read.code) };
}

/** RFC 6749 appendix B: parameters in a form; those without a value count as left out (§3.1), and none may stand twice. */
export async function parseForm(schema: z.ZodType | null, incoming: Incoming): Promise<Parsed> {
  if (schema === null) return NOTHING;
  const read = await readForm(incoming);
  if (!read.ok) return { ok: false, reply: problem(read.code) };
  const fields = [...read.value].filter(([, value]) => value !== "");
  const twice = fields.find(([name], index) => fields.findIndex(([other]) => other === name) !== index);
  if (twice !== undefined) return refused([{ pointer: pointer([twice[0]]), detail: "is given twice" }]);
  return parse(schema, Object.fromEntries(fields), "body");
}

/** A signed event as it is (RFC 8935 §2.1). */
export async function parseSecevent(schema: z.ZodType | null, incoming: Incoming): Promise<Parsed> {
  if (schema === null) return NOTHING;
  const read = await readSecevent(incoming);
  return read.ok ? parse(schema, read.value, "body") : { ok: false, reply: problem(read.code) };
}

export function parseQuery(schema: z.ZodType | null, query: URLSearchParams): Parsed {
  if (schema === null) return NOTHING;
  const names = [...query.keys()];
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    // RFC 6749 §3.1 says it of its own parameters; which of the two would count is anyone's guess here as well.
    return refused([{ pointer: pointer([twice]), detail: "is given twice", in: "query" }]);
  }
  return parse(schema, Object.fromEntries(query), "query");
}

function parse(schema: z.ZodType, value: unknown, part: "body" | "query"): Parsed {
  const result = schema.safeParse(value);
  if (result.success) return { ok: true, value: result.data };
  const faults = result.error.issues.flatMap((issue) => {
    const members = issue.code === "unrecognized_keys" ? issue.keys.map((key) => [...issue.path, key]) : [issue.path];
    const detail = issue.code === "unrecognized_keys" ? "is not known here" : issue.message;
    return members.map((path) => ({ pointer: pointer(path), detail, ...(part === "query" ? { in: "query" } : {}) }));
  });
  return refused(faults);
}

function refused(faults: readonly { pointer: string; detail: string; in?: string }[]): Parsed {
  return { ok: false, reply: problem("validation_failed", { members: { faults } }) };
}

function pointer(path: readonly PropertyKey[]): string {
  return path.map((part) => `/${String(part).slice(0, 100).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}
