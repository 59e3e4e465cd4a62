/** What a running server says of itself, for `mapae doctor` and for whoever asks whether one runs. */
import { z } from "zod";
import { time } from "../http/api/views.ts";
import { json } from "../http/reply.ts";
import { operational, type Route } from "../http/route.ts";
import type { Keyring } from "../keys/keyring.ts";
import { Unavailable } from "../prelude/fault.ts";
import { VERSION } from "../prelude/version.ts";
import type { World } from "../prelude/world.ts";
import type { Config } from "../settings/config.ts";
import type { Storage } from "../storage/storage.ts";

export const aboutSchema = z.object({
  version: z.string(),
  node: z.string(),
  pid: z.number().int(),
  /** Seconds since the process began. */
  uptime: z.number().int(),
  /** Bytes. */
  resident: z.number().int(),
  issuer: z.string(),
  audience: z.string(),
  clock: z.iso.datetime(),
  /** `null`: the store answers; otherwise why it does not. */
  store_fault: z.string().nullable(),
  revocation_head: z.object({ epoch: z.number().int(), seq: z.number().int() }),
  signing_key: z.object({
    kid: z.string().nullable(),
    alg: z.string(),
    /** `null`: only when an operator rotates. */
    next_rotation_at: z.iso.datetime().nullable(),
  }),
});
export type About = z.infer<typeof aboutSchema>;

async function faultOf(storage: Storage): Promise<string | null> {
  try {
    await storage.check();
    return null;
  } catch (error) {
    if (error instanceof Unavailable) return error.message;
    throw error;
  }
}

export function aboutRoute(
  services: {
    readonly storage: Storage;
    readonly keyring: Keyring;
    readonly world: World;
    readonly issuer: string;
    readonly audience: string;
  },
  config: Config,
): Route {
  const { storage, keyring, world, issuer, audience } = services;
  return operational(
    {
      method: "GET",
      path: "/v1/operator/server",
      group: "Operator",
      summary: "The server that answers here",
      answer: { status: 200, schema: aboutSchema, says: "Its version, address, keys and store." },
    },
    async () => {
      const active = keyring.records().find(({ state, alg }) => state === "active" && alg === config.signingAlg);
      const since = active?.activatedAt ?? active?.createdAt ?? null;
      const next = since === null || config.keyRotation === 0 ? null : time(since + config.keyRotation);
      const about: About = {
        version: VERSION,
        node: process.versions.node,
        pid: process.pid,
        uptime: Math.floor(process.uptime()),
        resident: process.memoryUsage.rss(),
        issuer,
        audience,
        clock: time(world.clock.now()),
        store_fault: await faultOf(storage),
        revocation_head: storage.revocation.head(),
        signing_key: { kid: active?.kid ?? null, alg: config.signingAlg, next_rotation_at: next },
      };
      return json(200, about);
    },
  );
}
