/** Webhooks as this server runs them: who may be sent to, the runner, and what wakes it. */
import type { Logger } from "pino";
import { createCaller } from "../delivery/call.ts";
import { createReach, type MayReach } from "../delivery/target.ts";
import type { SetAlarm, World } from "../prelude/world.ts";
import type { Config } from "../settings/config.ts";
import type { Storage } from "../storage/storage.ts";
import type { Vault } from "../vault/vault.ts";
import { startWebhooks, type WebhookRunner } from "../webhooks/runner.ts";

export interface WebhookService {
  /** `null` in a process that delivers nothing. */
  readonly runner: WebhookRunner | null;
  readonly mayReach: MayReach;
  readonly wake: () => void;
}

export function startWebhookService(
  { storage, vault, config, logger }: { storage: Storage; vault: Vault; config: Config; logger: Logger },
  delivers: boolean,
  world: World,
  alarm: SetAlarm,
): WebhookService {
  const mayReach = createReach(config.dangerouslyAllowWebhooksTo);
  const fault = (error: unknown) => logger.warn({ err: error }, "a webhook could not be worked on");
  const runner = delivers
    ? startWebhooks({
        ...{ store: storage.webhooks, vault, world, alarm, fault },
        caller: createCaller(mayReach, alarm),
        mine: () => storage.duty.held,
      })
    : null;
  const wake = () => runner?.wake();
  storage.revocation.onCommit(wake);
  storage.duty.onCall(wake);
  return { runner, mayReach, wake };
}
