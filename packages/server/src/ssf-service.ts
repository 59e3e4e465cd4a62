/** Puts Shared Signals together: its streams, who waits for them, and what wakes those. */
import type { Config } from "./config.ts";
import type { SsfOptions } from "./http/api/ssf.ts";
import { isShared, type Keyring } from "./keys/keyring.ts";
import type { SetAlarm, World } from "./prelude/world.ts";
import { createStreamAction, type StreamAction } from "./ssf/manage.ts";
import { createPolls, type Polls } from "./ssf/poll.ts";
import { createSetMaker } from "./ssf/set.ts";
import type { Storage } from "./storage/storage.ts";

export interface Ssf {
  readonly streamAction: StreamAction;
  readonly polls: Polls;
  readonly options: SsfOptions;
}

/** Why there are no Shared Signals with a shared secret, to whoever asks. */
export function ssfOff({ signingAlg }: Pick<Config, "signingAlg">): string | null {
  if (!isShared(signingAlg)) return null;
  // A receiver that can verify such a signature could write the events of everyone else's streams as well.
  return `Shared Signals are off: events are signed with a private key, and this server signs with ${signingAlg}.`;
}

export function openSsf(parts: {
  readonly storage: Storage;
  readonly keyring: Keyring;
  readonly config: Config;
  readonly issuer: string;
  readonly world: World;
  readonly alarm: SetAlarm;
}): Ssf {
  const { storage, keyring, config, issuer, world, alarm } = parts;
  const { streams, clients, users } = storage;
  const { clock } = world;
  const sets = createSetMaker({ keyring, users, issuer, clock });
  const polls = createPolls({ streams, sets, clock, alarm });
  storage.revocation.onCommit(() => polls.wake());
  const { ssfDefaultSubjects: defaultSubjects, ssfInactivity: inactivity } = config;
  const streamAction = createStreamAction({
    ...{ streams, clients, users, issuer, defaultSubjects, world },
    wake: () => polls.wake(),
  });
  return { streamAction, polls, options: { issuer, inactivity, defaultSubjects, off: ssfOff(config) } };
}
