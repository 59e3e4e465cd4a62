/**
 * `mapae`: the login server as a handler, to mount in any app.
 *
 *   import { createMapae } from "mapae";
 *   const mapae = createMapae({ issuer: "https://login.example.com", data: "./data" });
 *   await mapae.fetch(request);
 */

import type { Connection } from "./http/app.ts";
import type { Upgrade } from "./http/stream.ts";
import { StartRefused, Unavailable } from "./prelude/fault.ts";
import { createLogger } from "./prelude/log.ts";
import { type MapaeServer, openServer } from "./server/server.ts";
import { readConfig, SETTINGS, type SettingName } from "./settings/config.ts";

export type { Connection } from "./http/app.ts";
export type { Upgrade } from "./http/stream.ts";
export { StartRefused } from "./prelude/fault.ts";

/** The settings of docs/settings.md by their short names, each as the text it has in the environment, or a number. */
export type MapaeOptions = { readonly [Name in SettingName]?: string | number };

export interface Mapae {
  /**
   * Answers a request. Everything lies under the path of the issuer. Waits for the start, and rejects as `ready` does.
   * @param connection the peer's address, for limits and the audit; without it all requests count as one address
   */
  readonly fetch: (request: Request, connection?: Connection) => Promise<Response>;
  /**
   * Takes over the WebSockets of verifiers: `server.on("upgrade", mapae.upgrade)`. Without it they poll.
   */
  readonly upgrade: Upgrade;
  /** Resolves once the server can answer. Rejects with `StartRefused`, whose message is one clear line. */
  readonly ready: () => Promise<void>;
  /** Stops what runs in the background and closes the store. Further requests are answered with an error. */
  readonly close: () => Promise<void>;
}

/** Reads the options; throws TypeError for a setting that is unknown or out of its bounds. Starts at once. */
export function createMapae(options: MapaeOptions = {}): Mapae {
  const input: { [Name in SettingName]?: string } = {};
  for (const [name, value] of Object.entries(options)) {
    if (!isSetting(name)) throw new TypeError(`createMapae has no option ${name}`);
    if (value !== undefined) input[name] = String(value);
  }
  const read = readConfig({ logLevel: "warn", ...input });
  if (!read.ok) throw new TypeError(read.faults.join(" "));
  const { config } = read;
  const issuer = `http://localhost:${config.port}`;
  const starting: Promise<MapaeServer> = openServer({ config, issuer, logger: createLogger(config.logLevel) });
  starting.catch(() => {}); // told by whoever asks: ready, fetch or close
  let closed = false;
  return {
    fetch: async (request, connection) => {
      const server = await starting;
      if (closed) throw new Unavailable("this server was closed");
      return server.handler(request, connection);
    },
    upgrade: (request, socket, head) => {
      starting.then(
        (server) => (closed ? socket.destroy() : server.upgrade(request, socket, head)),
        () => socket.destroy(),
      );
    },
    ready: async () => {
      await starting;
    },
    close: async () => {
      if (closed) return;
      closed = true;
      const server = await starting.catch((error: unknown) => {
        if (error instanceof StartRefused) return undefined;
        throw error;
      });
      await server?.close();
    },
  };
}

function isSetting(name: string): name is SettingName {
  return Object.hasOwn(SETTINGS, name);
}
