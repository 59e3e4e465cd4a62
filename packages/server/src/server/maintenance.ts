/**
 * What has to happen from time to time: keys move along their schedule, what is over is forgotten.
 *
 * Forgetting is for good and goes by the wall clock, which can be wrong. A clock that is set a month ahead and back again
 * must not have cost the log its revocations, or the vault its keys: so nothing is forgotten while the wall clock is
 * further on than the time that has passed.
 */
import type { Logger } from "pino";
import type { Feed } from "../feed/feed.ts";
import type { Keyring } from "../keys/keyring.ts";
import type { Clock } from "../prelude/world.ts";
import type { LiveSet } from "../revocation/live-set.ts";
import { REMEMBERED_MS } from "../ssf/read-set.ts";
import { KEPT_MS } from "../status/slot.ts";
import type { Storage } from "../storage/storage.ts";
import type { Vault } from "../vault/vault.ts";

const EVERY_MS = 30_000;
/** How far ahead the wall clock may be of the time that passed since the last round. */
const JUMP_MS = 5 * 60_000;
/** After so long at its new time, a clock that jumped is believed: it may have been wrong before. */
const SETTLE_MS = 60 * 60_000;

export interface MaintenanceSettings {
  readonly auditRetention: number;
  readonly sessionRetention: number;
  readonly webhookRetention: number;
  readonly ssfRetention: number;
  readonly ssfInactivity: number;
}

/** One round of it. @param now of the clock as it was when it was believed: it may jump while others are waited for */
export async function maintain(
  services: { storage: Storage; vault: Vault; keyring: Keyring; live: LiveSet; feed: Feed },
  settings: MaintenanceSettings,
  now: number,
): Promise<void> {
  const { storage, vault, keyring, live, feed } = services;
  await vault.tick();
  await keyring.tick();
  live.compact(now / 1000);
  feed.compact(now / 1000);
  // The rest is in the store, and one process sees to it for all.
  if (!storage.duty.held) return;
  await storage.revocation.compact(now);
  await storage.sessions.sweep(now - settings.sessionRetention);
  await storage.status.prune(now - KEPT_MS);
  await storage.webhooks.prune(now - settings.webhookRetention);
  await storage.streams.pauseIdle(now - settings.ssfInactivity);
  await storage.streams.prune(now - settings.ssfRetention);
  await storage.receivers.forget(now - REMEMBERED_MS);
  await storage.audit.prune(now - settings.auditRetention);
}

/** Tells, at every call, whether the wall clock can be believed. One that went back can: it forgets nothing too early. */
export function watchClock(clock: Clock): () => boolean {
  let known = { wall: clock.now(), steady: clock.monotonic() };
  let doubtedSince: number | null = null;
  return () => {
    const steady = clock.monotonic();
    const wall = clock.now();
    const ahead = wall - known.wall - (steady - known.steady);
    doubtedSince = ahead <= JUMP_MS ? null : (doubtedSince ?? steady);
    if (doubtedSince !== null && steady - doubtedSince < SETTLE_MS) return false;
    known = { wall, steady };
    doubtedSince = null;
    return true;
  };
}

/** Rounds until stopped; a round that fails is logged, and the next one tries again. */
export function startMaintenance(
  round: (now: number) => Promise<void>,
  clock: Clock,
  logger: Logger,
): { stop(): Promise<void> } {
  const believable = watchClock(clock);
  let running: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    if (!believable()) {
      logger.warn("the clock jumped ahead: nothing is forgotten until it has settled");
      return;
    }
    const now = clock.now();
    running = running
      .then(() => round(now))
      .catch((error: unknown) => logger.warn({ err: error }, "maintenance failed"));
  }, EVERY_MS);
  timer.unref();
  return {
    stop: () => {
      clearInterval(timer);
      return running;
    },
  };
}
