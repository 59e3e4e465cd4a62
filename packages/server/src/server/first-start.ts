/** What an empty store begins with: the server's own client, and a resource server to try things out with. */

import type { ClientAction } from "../admin/clients.ts";
import { SYSTEM } from "../audit/event.ts";
import { ACCOUNT_SCOPE, DEFAULT_CLIENT } from "../clients/client.ts";
import type { ClientStore } from "../clients/store.ts";
import type { Secret } from "../prelude/secret.ts";

/** The id of the resource server that the first start makes. */
export const EXAMPLE_API = "example-api";

/** The example's secret, told once; `null` where this was not the first start. */
export async function firstStart(clients: ClientStore, action: ClientAction): Promise<Secret | null> {
  if ((await clients.find(DEFAULT_CLIENT)) !== undefined) return null;
  const own = {
    id: DEFAULT_CLIENT,
    kind: "first_party",
    name: "Mapae",
    scope: [ACCOUNT_SCOPE],
    audience: null,
    jwks: null,
  } as const;
  const example = {
    id: EXAMPLE_API,
    kind: "resource_server",
    name: "Example API",
    scope: null,
    audience: null,
    jwks: null,
  } as const;
  const made = await action.create(own, SYSTEM);
  if (!made.ok) return null; // another process was first
  const trial = await action.create(example, SYSTEM);
  return trial.ok ? trial.secret : null;
}
