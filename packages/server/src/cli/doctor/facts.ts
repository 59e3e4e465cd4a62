/** What the checks look at: gathered once, without changing anything. */
import { existsSync } from "node:fs";
import { type About, aboutSchema } from "../../operator/about.ts";
import { askSocket, type Presence, presenceAt } from "../../operator/socket.ts";
import { StartRefused } from "../../prelude/fault.ts";
import { systemWorld } from "../../prelude/world.ts";
import { type Config, readEnvironment } from "../../settings/config.ts";
import { type Places, placesIn } from "../../settings/places.ts";
import { type Examination, examineSqlite } from "../../storage/sqlite/examine.ts";
import { databaseFile } from "../connection.ts";

export interface Facts {
  readonly now: number;
  /** `null` where the settings are wrong: then `settingFaults` says how. */
  readonly config: Config | null;
  readonly settingFaults: readonly string[];
  readonly places: Places;
  /** The data folder. */
  readonly folder: string;
  /** `null` for an in-memory database. */
  readonly file: string | null;
  readonly presence: Presence;
  /** What the running server says of itself. */
  readonly about: About | null;
  /** `null` where there is no file; a text where it cannot be read. */
  readonly database: Examination | string | null;
}

export async function gather(env: NodeJS.ProcessEnv, data: string | undefined): Promise<Facts> {
  const read = readEnvironment(data === undefined ? env : { ...env, MAPAE_DATA: data });
  const config = read.ok ? read.config : null;
  const folder = config?.data ?? data ?? env.MAPAE_DATA ?? "./data";
  const places = placesIn(folder);
  const file = config === null ? places.database : databaseFile(config, places);
  const presence = await presenceAt(places.socket);
  return {
    now: systemWorld.clock.now(),
    config,
    settingFaults: read.ok ? [] : read.faults,
    places,
    folder,
    file,
    presence,
    about: presence === "live" ? await ask(places.socket) : null,
    database: file === null || !existsSync(file) ? null : examine(file),
  };
}

async function ask(socket: string): Promise<About | null> {
  try {
    const answer = await askSocket(socket, "GET", "/v1/operator/server", null);
    return answer.status === 200 ? aboutSchema.parse(JSON.parse(answer.body)) : null;
  } catch {
    return null; // the check of the socket tells it
  }
}

function examine(file: string): Examination | string {
  try {
    return examineSqlite(file);
  } catch (error) {
    if (error instanceof StartRefused) return error.message;
    throw error;
  }
}
