/**
 * Backups, written by whoever has the database open. A copy of a large database outlasts any request, so asking for one
 * starts it, and asking again tells how far it is.
 *
 *   POST …/backups {file} ──► running ──► written | failed
 */
import { isAbsolute } from "node:path";
import { z } from "zod";
import { draft } from "../audit/event.ts";
import { problem } from "../http/problem.ts";
import { json } from "../http/reply.ts";
import { operational, type Route } from "../http/route.ts";
import type { World } from "../prelude/world.ts";
import type { Storage } from "../storage/storage.ts";

export const backupSchema = z.object({
  id: z.string(),
  file: z.string(),
  state: z.enum(["running", "written", "failed"]),
  /** Bytes. */
  done: z.number().int(),
  total: z.number().int(),
  /** Why it failed; `null` otherwise. */
  message: z.string().nullable(),
});
export type BackupJob = z.infer<typeof backupSchema>;

export const backupAnswerSchema = z.object({ backup: backupSchema });

/** How many are remembered, so that whoever asked hears of the end. */
const REMEMBERED = 20;

export function backupRoutes(services: { readonly storage: Storage; readonly world: World }): readonly Route[] {
  const { storage, world } = services;
  const jobs = new Map<string, BackupJob>();

  const put = (job: BackupJob): BackupJob => {
    jobs.set(job.id, job);
    for (const id of jobs.keys()) {
      if (jobs.size <= REMEMBERED) break;
      jobs.delete(id);
    }
    return job;
  };

  return [
    operational(
      {
        method: "POST",
        path: "/v1/operator/backups",
        group: "Operator",
        summary: "Begin a backup into a file that does not exist yet",
        body: z.strictObject({ file: z.string().min(1).max(4096).refine(isAbsolute, "must be an absolute path") }),
        answer: { status: 202, schema: backupAnswerSchema, says: "It has begun." },
        problems: ["conflict"],
      },
      async ({ body, cause }) => {
        const { backup } = storage;
        if (backup === null)
          return problem("conflict", { detail: "This database has its own tools for backups (PostgreSQL: pg_dump)." });
        const { file } = body;
        const id = world.random.bytes(12).toString("base64url");
        const begun = put({ id, file, state: "running", done: 0, total: 0, message: null });
        const run = async (): Promise<BackupJob> => {
          const written = await backup(file, (done, total) => put({ ...begun, done, total }));
          if (!written.ok) return { ...begun, state: "failed", message: written.message };
          await storage.audit.append([draft("store.backed_up", cause, {}, { file, bytes: written.bytes })]);
          return { ...begun, state: "written", done: written.bytes, total: written.bytes };
        };
        run().then(put, (error: unknown) => {
          put({ ...begun, state: "failed", message: error instanceof Error ? error.message : String(error) });
        });
        return json(202, { backup: begun });
      },
    ),
    operational(
      {
        method: "GET",
        path: "/v1/operator/backups/{id}",
        group: "Operator",
        summary: "How far a backup is",
        answer: { status: 200, schema: backupAnswerSchema, says: "The backup." },
        problems: ["not_found"],
      },
      async ({ params }) => {
        const job = jobs.get(params.id ?? "");
        return job === undefined ? problem("not_found") : json(200, { backup: job });
      },
    ),
  ];
}
