/** Puts webhooks together: what an administrator does with them, and who delivers, woken by every commit. */
import type { Logger } from "pino";
import { createWebhookAction, type WebhookAction } from "./admin/webhooks.ts";
import type { Config } from "./config.ts";
import type { SetAlarm, World } from "./prelude/world.ts";
import type { Storage } from "./storage/storage.ts";
import type { Vault } from "./vault/vault.ts";
import { startWebhooks, type WebhookRunner } from "./webhooks/runner.ts";
import { createSender } from "./webhooks/send.ts";
import { createReach } from "./webhooks/target.ts";

export interface Webhooks {
  /** `null` in a process that delivers nothing. */
  readonly webhooks: WebhookRunner | null;
  readonly webhookAction: WebhookAction;
}

export function openWebhooks(parts: {
  readonly storage: Storage;
  readonly vault: Vault;
  readonly config: Config;
  readonly world: World;
  readonly alarm: SetAlarm;
  readonly logger: Logger;
  readonly delivers: boolean;
}): Webhooks {
  const { storage, vault, config, world, alarm, logger } = parts;
  const mayReach = createReach(config.dangerouslyAllowWebhooksTo);
  const runner = (): WebhookRunner =>
    startWebhooks({
      ...{ store: storage.webhooks, vault, world, alarm },
      sender: createSender(mayReach, alarm),
      fault: (error) => logger.warn({ err: error }, "a webhook could not be worked on"),
    });
  const webhooks = parts.delivers ? runner() : null;
  const wake = () => webhooks?.wake();
  storage.revocation.onCommit(wake);
  return { webhooks, webhookAction: createWebhookAction({ webhooks: storage.webhooks, vault, mayReach, wake, world }) };
}
