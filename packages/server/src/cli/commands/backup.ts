/** `mapae backup`: asks for a copy of the database and waits for it. The server that serves it writes it. */
import { resolve } from "node:path";
import { type BackupJob, backupAnswerSchema } from "../../operator/backups.ts";
import { systemSleep } from "../../prelude/world.ts";
import { placesIn } from "../../settings/places.ts";
import type { Operator } from "../connection.ts";
import type { Command } from "../context.ts";
import { CommandFailed, exitCode } from "../exit.ts";
import type { Output } from "../output.ts";
import { size } from "../text.ts";

const POLL_MS = 100;
const PATH = "/v1/operator/backups";

async function follow(operator: Operator, file: string, output: Output): Promise<BackupJob> {
  let { backup: job } = await operator.ask(backupAnswerSchema, { method: "POST", path: PATH, body: { file } });
  while (job.state === "running") {
    if (job.total > 0) output.progress(`${size(job.done)} of ${size(job.total)} …`);
    await systemSleep(POLL_MS);
    job = (await operator.ask(backupAnswerSchema, { method: "GET", path: `${PATH}/${job.id}` })).backup;
  }
  return job;
}

export const backup: Command = async ({ given, output, config, operate }) => {
  const file = resolve(given.required("file"));
  const job = await operate((operator) => follow(operator, file, output));
  if (job.state === "failed") throw new CommandFailed("failed", job.message ?? "the backup failed");
  const settings = config();
  const where = settings.secret === null ? placesIn(settings.data).secret : "MAPAE_SECRET";
  output.result({ backup: job }, `${file} written, ${size(job.done)}`);
  output.say(`The secret is not in it, and without it the backup is of no use: keep ${where} too, apart from it.`);
  return exitCode("ok");
};
