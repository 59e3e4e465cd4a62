/** Making, changing and deleting webhooks: what the admin API and the command line share. */
import { type Cause, draft } from "../audit/event.ts";
import { faultOfTarget, type MayReach } from "../delivery/target.ts";
import { newId, type WebhookId } from "../prelude/ids.ts";
import type { Secret } from "../prelude/secret.ts";
import type { World } from "../prelude/world.ts";
import { audit } from "../revocation/effects.ts";
import type { Position, RevocationKind } from "../revocation/entry.ts";
import type { Vault } from "../vault/vault.ts";
import { newWebhookSecret } from "../webhooks/secret.ts";
import type { WebhookStore } from "../webhooks/store.ts";
import type { ChangeOutcome, Webhook } from "../webhooks/webhook.ts";

/** A webhook and its new secret, which is told this once. */
export interface Keyed {
  readonly webhook: Webhook;
  readonly secret: Secret;
}

export type WebhookCreated =
  | ({ readonly ok: true } & Keyed)
  | { readonly ok: false; readonly code: "conflict" }
  /** What is wrong with the URL. */
  | { readonly ok: false; readonly code: "validation_failed"; readonly detail: string };

export interface WebhookAction {
  create(wish: { url: string; kinds: readonly RevocationKind[] }, cause: Cause): Promise<WebhookCreated>;
  delete(id: WebhookId, cause: Cause): Promise<boolean>;
  /** @param overlapMs for so long messages are signed with the secret before as well */
  rotateSecret(id: WebhookId, overlapMs: number, cause: Cause): Promise<Keyed | "not_found">;
  /** @param after sends again what came behind it; `null`: goes on where it stopped */
  replay(id: WebhookId, after: Position | null, cause: Cause): Promise<ChangeOutcome>;
}

export function createWebhookAction(services: {
  readonly webhooks: WebhookStore;
  readonly vault: Vault;
  readonly mayReach: MayReach;
  /** There is something to deliver. */
  readonly wake: () => void;
  readonly world: World;
}): WebhookAction {
  const { webhooks, vault, mayReach, wake, world } = services;
  return {
    create: async ({ url, kinds }, cause) => {
      const fault = faultOfTarget(url, mayReach);
      if (fault !== null) return { ok: false, code: "validation_failed", detail: fault };
      const id = newId("webhook", world.random);
      const { told, sealed } = newWebhookSecret(id, vault, world);
      // Of the address only the host: some receivers have a secret in the path.
      const event = draft("webhook.created", cause, {}, { webhook: id, host: new URL(url).host });
      const webhook = await webhooks.create({ id, url, kinds, secret: sealed }, [audit(event)]);
      return webhook === "too_many" ? { ok: false, code: "conflict" } : { ok: true, webhook, secret: told };
    },
    delete: (id, cause) => webhooks.delete(id, [audit(draft("webhook.deleted", cause, {}, { webhook: id }))]),
    rotateSecret: async (id, overlapMs, cause) => {
      const { told, sealed } = newWebhookSecret(id, vault, world);
      const event = draft("webhook.secret_rotated", cause, {}, { webhook: id, overlap_ms: overlapMs });
      const changed = await webhooks.change(id, { change: "rotate_secret", secret: sealed, overlapMs }, [audit(event)]);
      return changed.ok ? { webhook: changed.webhook, secret: told } : "not_found";
    },
    replay: async (id, after, cause) => {
      const from = after === null ? {} : { epoch: after.epoch, seq: after.seq };
      const event = draft("webhook.replayed", cause, {}, { webhook: id, ...from });
      const changed = await webhooks.change(id, { change: "replay", after }, [audit(event)]);
      if (changed.ok) wake();
      return changed;
    },
  };
}
