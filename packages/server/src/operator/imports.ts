/**
 * Imports, a batch of lines at a time: each line stands alone and gets its own answer (docs/decisions/0032). A batch is
 * what fits into a request; its accounts are written in one group commit.
 */
import { z } from "zod";
import type { ImportAction, ImportResult } from "../admin/import.ts";
import { identifier, name, role } from "../http/api/fields.ts";
import { json } from "../http/reply.ts";
import { operational, type Route } from "../http/route.ts";

const lineSchema = z.strictObject({
  identifier,
  name: name.optional(),
  roles: z.array(role).max(50).optional(),
  password_hash: z.string().nullable().optional(),
  created_at: z.iso.datetime({ offset: true }).optional(),
});

export const importResultSchema = z.object({
  line: z.number().int(),
  /** `null` where the line was refused, and in a dry run. */
  user_id: z.string().nullable(),
  /** The normalised identifier; `null` where the line was refused. */
  key: z.string().nullable(),
  refusal: z.object({ code: z.string(), message: z.string() }).nullable(),
  slow_hash: z.object({ format: z.string(), ms: z.number(), floor_ms: z.number() }).nullable(),
});
type ImportAnswer = z.infer<typeof importResultSchema>;

export const importAnswerSchema = z.object({ results: z.array(importResultSchema) });

function answer(line: number, result: ImportResult): ImportAnswer {
  if (!result.ok) return refusal(line, result.code, result.message);
  const { user, key, slow } = result;
  const slowHash = slow === null ? null : { format: slow.format, ms: slow.ms, floor_ms: slow.floorMs };
  return { line, user_id: user, key, refusal: null, slow_hash: slowHash };
}

function refusal(line: number, code: string, message: string): ImportAnswer {
  return { line, user_id: null, key: null, refusal: { code, message }, slow_hash: null };
}

/** The members that are wrong and how, never what they hold. */
function faultsOf(error: z.ZodError): string {
  return error.issues
    .map((issue) => {
      if (issue.code === "unrecognized_keys") return `unknown member ${issue.keys.join(", ").slice(0, 100)}`;
      return `${issue.path.join(".") || "the line"}: ${issue.message}`;
    })
    .join("; ");
}

export function importRoute(importUser: ImportAction): Route {
  return operational(
    {
      method: "POST",
      path: "/v1/operator/imports",
      group: "Operator",
      summary: "Take over users with their password hashes",
      body: z.strictObject({
        dry_run: z.boolean(),
        users: z.array(z.strictObject({ line: z.number().int().min(1), user: z.unknown() })).max(200),
      }),
      answer: { status: 200, schema: importAnswerSchema, says: "What became of each line." },
    },
    async ({ body, cause }) => {
      const one = async ({ line, user }: { line: number; user?: unknown }): Promise<ImportAnswer> => {
        const read = lineSchema.safeParse(user);
        if (!read.success) return refusal(line, "validation_failed", faultsOf(read.error));
        const { data } = read;
        const wish = {
          identifier: data.identifier,
          name: data.name ?? null,
          roles: [...new Set(data.roles)],
          passwordHash: data.password_hash ?? null,
          createdAt: data.created_at === undefined ? null : Date.parse(data.created_at),
        };
        return answer(line, await importUser(wish, body.dry_run, cause));
      };
      return json(200, { results: await Promise.all(body.users.map(one)) });
    },
  );
}
