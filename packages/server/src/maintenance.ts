/** What has to happen from time to time: keys move along their schedule, what is over is forgotten. */
import type { Logger } from "pino";
import type { Keyring } from "./keys/keyring.ts";
import type { Clock } from "./prelude/world.ts";
import type { LiveSet } from "./revocation/live-set.ts";
import type { Storage } from "./storage/storage.ts";
import type { Vault } from "./vault/vault.ts";

const EVERY_MS = 30_000;

export interface MaintenanceSettings {
  readonly auditRetention: number;
  readonly sessionRetention: number;
}

/** One round of it. */
export async function maintain(
  services: { storage: Storage; vault: Vault; keyring: Keyring; live: LiveSet; clock: Clock },
  settings: MaintenanceSettings,
): Promise<void> {
  const { storage, vault, keyring, live, clock } = services;
  const now = clock.now();
  await vault.tick();
  await keyring.tick();
  await storage.revocation.compact();
  live.compact(now / 1000);
  await storage.sessions.sweep(now - settings.sessionRetention);
  await storage.audit.prune(now - settings.auditRetention);
}

/** Rounds until stopped; a round that fails is logged, and the next one tries again. */
export function startMaintenance(round: () => Promise<void>, logger: Logger): { stop(): Promise<void> } {
  let running: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    running = running.then(round).catch((error: unknown) => logger.warn({ err: error }, "maintenance failed"));
  }, EVERY_MS);
  timer.unref();
  return {
    stop: () => {
      clearInterval(timer);
      return running;
    },
  };
}
