/**
 * `mapae restore`: a backup takes the place of the database. It works on the file alone, with no server beside it: one
 * that ran on would answer from memory what the file says no more.
 */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { presenceAt } from "../../operator/socket.ts";
import { systemWorld } from "../../prelude/world.ts";
import type { Config } from "../../settings/config.ts";
import { placesIn, preparePlaces } from "../../settings/places.ts";
import { examineSqlite } from "../../storage/sqlite/examine.ts";
import { restore as restoreSqlite } from "../../storage/sqlite/restore.ts";
import { requireFile } from "../connection.ts";
import type { Command } from "../context.ts";
import { openingFault, secretsAtHand } from "../doctor/opening.ts";
import { CommandFailed, exitCode } from "../exit.ts";
import { confirm } from "../prompt.ts";
import { plural } from "../text.ts";

/** Throws where the secret at hand does not open the backup: the server could not start on it. */
async function requireSecret(from: string, config: Config): Promise<void> {
  const dataKeys = examineSqlite(from).rows?.dataKeys ?? [];
  if (dataKeys.length === 0) return;
  const secrets = secretsAtHand(config);
  if (secrets === undefined) {
    const { secret } = placesIn(config.data);
    throw new CommandFailed("failed", `the secret of the backup is missing: put it at ${secret}, or set MAPAE_SECRET`);
  }
  const fault = await openingFault(dataKeys, secrets);
  if (fault !== null) throw new CommandFailed("failed", fault);
}

export const restore: Command = async ({ given, output, keyboard, config }) => {
  const settings = config();
  const from = resolve(given.required("file"));
  const to = requireFile(settings);
  const keepSessions = given.flag("keepSessions");
  if ((await presenceAt(placesIn(settings.data).socket)) !== "none") {
    throw new CommandFailed("failed", "a server runs on this data folder: stop it first, then restore");
  }
  if (!existsSync(from)) throw new CommandFailed("notFound", `there is no backup at ${from}`);
  await requireSecret(from, settings);
  const ends = keepSessions ? "Sessions stay as they were when it was made." : "Every session ends.";
  const told = `This puts the backup ${from} in the place of ${to}; what was written since is set aside. ${ends}`;
  await confirm(keyboard, given.flag("yes"), told, "restore");
  preparePlaces(settings.data);
  const restored = restoreSqlite(from, to, { keepSessions, clock: systemWorld.clock });
  output.result(
    {
      restored: to,
      replaced: restored.replaced,
      epoch: restored.epoch,
      sessions_ended: restored.sessionsEnded,
      keys_revoked: restored.keysRevoked,
    },
    [
      `${to} restored from ${from}`,
      ...(restored.replaced === null ? [] : [`the database before it is at ${restored.replaced}`]),
      keepSessions
        ? "sessions were kept: whatever was ended or revoked since the backup is alive again"
        : `${plural(restored.sessionsEnded, "session")} ended and ${plural(restored.keysRevoked, "signing key")} revoked: a backup revives what was taken back since`,
    ].join("\n"),
  );
  return exitCode("ok");
};
