/** What status lists need of the rest of the server: a signature of the active key, under a type of its own. */
import { signJws } from "@mapae/verifier/jose";
import { isShared, type Keyring } from "../keys/keyring.ts";
import type { SetAlarm, World } from "../prelude/world.ts";
import type { Config } from "../settings/config.ts";
import { SIGNED_LIST_MAX, STATUS_LIST_TYP } from "../status/encode.ts";
import { createStatusLists, type StatusLists } from "../status/lists.ts";
import { SEED_BYTES } from "../status/slot.ts";
import type { StatusStore } from "../status/store.ts";

/** Lists that are out are served for as long as a token may name one, also when tokens name none any more. */
const TTL_WHEN_OFF_MS = 60_000;

const NONE: StatusLists = { ttlSeconds: 0, signed: async () => undefined, uris: async () => [] };

export interface StatusService {
  readonly lists: StatusLists;
  /** Whether tokens name a list. */
  readonly on: boolean;
  readonly listSeed: () => Buffer | null;
}

export function openStatusService(
  store: StatusStore,
  keyring: Keyring,
  settings: { readonly issuer: string } & Pick<Config, "statusListTtl" | "signingAlg">,
  world: World,
  alarm: SetAlarm,
): StatusService {
  // With a shared secret, whoever could check a list could make one: there are none.
  if (isShared(settings.signingAlg)) return { lists: NONE, on: false, listSeed: () => null };
  const on = settings.statusListTtl > 0;
  const lists = createStatusLists({
    store,
    issuer: settings.issuer,
    ttlMs: on ? settings.statusListTtl : TTL_WHEN_OFF_MS,
    sign: async (claims) => {
      const key = await keyring.signer(claims.exp);
      return { text: signJws({ typ: STATUS_LIST_TYP }, claims, key, SIGNED_LIST_MAX), kid: key.kid ?? "" };
    },
    verifies: (kid) => keyring.find(kid) !== undefined,
    clock: world.clock,
    alarm,
  });
  return { lists, on, listSeed: () => (on ? world.random.bytes(SEED_BYTES) : null) };
}
