/**
 * The secrets that messages are signed with: 256 random bits, told once as `whsec_…`, kept encrypted under the vault.
 * Written as the Standard Webhooks specification has it (standardwebhooks.com, "Signature scheme").
 */
import type { WebhookId } from "../prelude/ids.ts";
import { Secret } from "../prelude/secret.ts";
import type { World } from "../prelude/world.ts";
import { decrypt, encrypt, type Vault } from "../vault/vault.ts";
import type { SealedSecret, Webhook } from "./webhook.ts";

const BYTES = 32;

/** A fresh secret as its receiver writes it down, and what is stored of it. */
export function newWebhookSecret(id: WebhookId, vault: Vault, world: World): { told: Secret; sealed: SealedSecret } {
  const bytes = world.random.bytes(BYTES);
  const { id: dataKey, key } = vault.current("webhook");
  const sealed = encrypt(key, bytes, `webhook:${id}`, world);
  return { told: new Secret(`whsec_${bytes.toString("base64")}`), sealed: { dataKey, sealed } };
}

/**
 * The secrets that are good at a time (Unix milliseconds), newest first.
 * Throws where the vault cannot open one: its key is another database's.
 */
export function secretsOf(webhook: Webhook, vault: Vault, now: number): readonly Secret<Buffer>[] {
  const { secret, previous } = webhook;
  const good: readonly SealedSecret[] = previous !== null && now < previous.until ? [secret, previous] : [secret];
  return good.map(({ dataKey, sealed }) => {
    const key = vault.find("webhook", dataKey);
    const opened = key && decrypt(key.key, sealed, `webhook:${webhook.id}`);
    if (opened === undefined) throw new Error(`the secret of ${webhook.id} cannot be opened`);
    return new Secret(opened);
  });
}
