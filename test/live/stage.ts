/** What tests of a live store stand on: a real server, and storages with their sessions in it. */
import { systemAlarm, type World } from "../../packages/server/src/prelude/world.ts";
import { DAY, SESSION_MS } from "../../packages/server/src/storage/contract/stage.ts";
import { withLive } from "../../packages/server/src/storage/live/compose.ts";
import type { LiveStore } from "../../packages/server/src/storage/live/live-store.ts";
import type { Storage } from "../../packages/server/src/storage/storage.ts";
import { type OpenedValkey, openValkey, type ValkeySettings } from "../../packages/server/src/storage/valkey/valkey.ts";

let made = 0;
const opened: LiveStore[] = [];

/** Closes what was opened: a connection that a failed test left behind would keep its process for ever. */
export async function closeAll(): Promise<void> {
  await Promise.all(opened.splice(0).map((live) => live.close()));
}

export interface LiveTraits extends Partial<Omit<ValkeySettings, "url">> {
  readonly tell?: (line: string) => void;
}

/** Opens the live store of an installation; under a prefix of its own unless one is given. */
export async function openLive(
  url: string,
  truth: Storage,
  world: World,
  traits: LiveTraits = {},
): Promise<OpenedValkey> {
  made += 1;
  const { tell = () => {}, ...given } = traits;
  const settings = { url, password: null, prefix: `test-${process.pid}-${made}:`, wait: 0, keepMs: DAY, ...given };
  const installation = await truth.elsewhere.installation();
  const store = await openValkey(settings, { clock: world.clock, alarm: systemAlarm, installation, tell });
  opened.push(store.live);
  const replicate: OpenedValkey["replicate"] = async (sleep) => {
    const replicated = await store.replicate(sleep);
    opened.push(replicated.live);
    return replicated;
  };
  return { ...store, replicate };
}

/** A storage with its sessions in the store at an address. */
export async function beside(truth: Storage, url: string, world: World, traits: LiveTraits = {}): Promise<Storage> {
  const { live } = await openLive(url, truth, world, traits);
  return withLive(truth, live, { clock: world.clock, leaseMs: 5000, sessionMs: SESSION_MS });
}
