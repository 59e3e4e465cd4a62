/** The contract suite: what every driver must do, whatever it stands on. */
import { describe } from "node:test";
import { describeAuditStore } from "./audit.ts";
import { describeClientStore } from "./clients.ts";
import { describeGrantStore } from "./grants.ts";
import { describeKeyStores } from "./keys.ts";
import { describeStateMachine } from "./machine.ts";
import { describeRaces } from "./races.ts";
import { describeReceiverStore } from "./receivers.ts";
import { describeRevocationStore } from "./revocation.ts";
import { describeSessionStore } from "./sessions.ts";
import type { Open } from "./stage.ts";
import { describeStatusStore } from "./status.ts";
import { describeStreamStore } from "./streams.ts";
import { describeUserStore } from "./users.ts";
import { describeWebhookStore } from "./webhooks.ts";

/** @param open opens a fresh, empty storage with the clock and randomness given */
export function describeStorage(name: string, open: Open): void {
  describe(`storage: ${name}`, () => {
    describeKeyStores(open);
    describeUserStore(open);
    describeClientStore(open);
    describeSessionStore(open);
    describeGrantStore(open);
    describeRevocationStore(open);
    describeStatusStore(open);
    describeWebhookStore(open);
    describeStreamStore(open);
    describeReceiverStore(open);
    describeAuditStore(open);
    describeRaces(open);
    describeStateMachine(open);
  });
}
