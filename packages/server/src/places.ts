/** Where things lie in the data folder. The secret is apart from the database: a copy of one folder is not both. */
import { join, resolve } from "node:path";

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
