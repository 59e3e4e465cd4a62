/** Puts Shared Signals together: its streams, who waits for them and who is sent to, and what wakes those. */
import type { Logger } from "pino";
import type { Config } from "./config.ts";
import { createCaller } from "./delivery/call.ts";
import { createReach } from "./delivery/target.ts";
import type { SsfOptions } from "./http/api/ssf.ts";
import { isShared, type Keyring } from "./keys/keyring.ts";
import type { SetAlarm, World } from "./prelude/world.ts";
import { createStreamAction, type StreamAction } from "./ssf/manage.ts";
import { createPolls, type Polls } from "./ssf/poll.ts";
import { type Pushes, startPushes } from "./ssf/push.ts";
import { createSetMaker } from "./ssf/set.ts";
import type { Storage } from "./storage/storage.ts";
import type { Vault } from "./vault/vault.ts";

export interface Ssf {
  readonly streamAction: StreamAction;
  readonly polls: Polls;
  /** `null` in a process that delivers nothing. */
  readonly pushes: Pushes | null;
  readonly options: SsfOptions;
  stop(): Promise<void>;
}

/** Why there are no Shared Signals with a shared secret, to whoever asks. */
export function ssfOff({ signingAlg }: Pick<Config, "signingAlg">): string | null {
  if (!isShared(signingAlg)) return null;
  // A receiver that can verify such a signature could write the events of everyone else's streams as well.
  return `Shared Signals are off: events are signed with a private key, and this server signs with ${signingAlg}.`;
}

export function openSsf(
  parts: {
    readonly storage: Storage;
    readonly vault: Vault;
    readonly keyring: Keyring;
    readonly config: Config;
    readonly logger: Logger;
  },
  delivers: boolean,
  issuer: string,
  world: World,
  alarm: SetAlarm,
): Ssf {
  const { storage, vault, keyring, config, logger } = parts;
  const { streams, clients, users } = storage;
  const { clock } = world;
  const off = ssfOff(config);
  const mayReach = createReach(config.dangerouslyAllowSsfTo);
  const sets = createSetMaker({ keyring, users, issuer, clock });
  const polls = createPolls({ streams, sets, clock, alarm });
  const fault = (error: unknown) => logger.warn({ err: error }, "an event stream could not be worked on");
  const pushes =
    delivers && off === null
      ? startPushes({
          ...{ streams, sets, vault, world, alarm, fault },
          caller: createCaller(mayReach, alarm),
          mine: () => storage.duty.held,
        })
      : null;
  const wake = (): void => {
    polls.wake();
    pushes?.wake();
  };
  storage.revocation.onCommit(wake);
  storage.duty.onCall(wake);
  const { ssfDefaultSubjects: defaultSubjects, ssfInactivity: inactivity } = config;
  return {
    streamAction: createStreamAction({
      ...{ streams, clients, users, vault, mayReach, issuer, defaultSubjects, wake, world },
    }),
    polls,
    pushes,
    options: { issuer, inactivity, defaultSubjects, off },
    stop: async () => {
      polls.release();
      await pushes?.stop();
    },
  };
}
