/** Where things lie in the data folder. The secret is apart from the database: a copy of one folder is not both. */
import { mkdirSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { StartRefused } from "../prelude/fault.ts";

export interface Places {
  readonly database: string;
  readonly secret: string;
  /** The local socket that the command line speaks through while the server runs. */
  readonly socket: string;
}

export function placesIn(data: string): Places {
  const folder = resolve(data);
  return {
    database: join(folder, "database", "mapae.db"),
    secret: join(folder, "secrets", "mapae.secret"),
    socket: join(folder, "mapae.sock"),
  };
}

/** The places, with the database's folder made. Throws `StartRefused` where it cannot be. */
export function preparePlaces(data: string): Places {
  const places = placesIn(data);
  try {
    mkdirSync(dirname(places.database), { recursive: true, mode: 0o700 });
  } catch (error) {
    const reason = error instanceof Error && "code" in error ? ` (${String(error.code)})` : "";
    throw new StartRefused(`MAPAE_DATA: the folder ${resolve(data)} cannot be made or written${reason}.`);
  }
  return places;
}
