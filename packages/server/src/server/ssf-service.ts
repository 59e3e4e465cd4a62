/** Puts Shared Signals together: what is told to others (streams, polls, pushes), and what is heard from them (receivers). */
import type { Logger } from "pino";
import { createCaller } from "../delivery/call.ts";
import { createReach, type MayReach } from "../delivery/target.ts";
import type { SsfOptions } from "../http/api/ssf.ts";
import { isShared, type Keyring } from "../keys/keyring.ts";
import type { SetAlarm, World } from "../prelude/world.ts";
import type { Config } from "../settings/config.ts";
import { createAim } from "../ssf/aim.ts";
import { createIntake, type Intake } from "../ssf/intake.ts";
import { createVerify, type Listening, startListening } from "../ssf/listen.ts";
import { createStreamAction, type StreamAction } from "../ssf/manage.ts";
import { createPolls, type Polls } from "../ssf/poll.ts";
import { createProviderKeys } from "../ssf/provider-keys.ts";
import { type Pushes, startPushes } from "../ssf/push.ts";
import { createReceiverAction, type ReceiverAction } from "../ssf/receivers.ts";
import { createSetMaker } from "../ssf/set.ts";
import { createTransmitter } from "../ssf/transmitter.ts";
import type { Storage } from "../storage/storage.ts";
import type { Throttle } from "../throttle/throttle.ts";
import type { Vault } from "../vault/vault.ts";

export interface Ssf {
  readonly streamAction: StreamAction;
  readonly polls: Polls;
  /** `null` in a process that delivers nothing. */
  readonly pushes: Pushes | null;
  readonly options: SsfOptions;
  readonly receiverAction: ReceiverAction;
  readonly intake: Intake;
  /** `null` in a process that listens to nobody. */
  readonly listening: Listening | null;
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
    readonly throttle: Throttle;
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
  const heard = openReceivers(parts, mayReach, delivers, issuer, world, alarm);
  const { ssfDefaultSubjects: defaultSubjects, ssfInactivity: inactivity } = config;
  return {
    streamAction: createStreamAction({
      ...{ streams, clients, users, vault, mayReach, issuer, defaultSubjects, wake, world },
    }),
    polls,
    pushes,
    options: { issuer, inactivity, defaultSubjects, off },
    receiverAction: heard.receiverAction,
    intake: heard.intake,
    listening: heard.listening,
    stop: async () => {
      polls.release();
      await Promise.all([pushes?.stop(), heard.stop()]);
    },
  };
}

/** What is heard from other providers. */
function openReceivers(
  { storage, vault, logger, throttle }: Parameters<typeof openSsf>[0],
  mayReach: MayReach,
  delivers: boolean,
  issuer: string,
  world: World,
  alarm: SetAlarm,
): Pick<Ssf, "receiverAction" | "intake" | "listening" | "stop"> {
  const { receivers, users, sessions, revocation } = storage;
  const { clock } = world;
  const caller = createCaller(mayReach, alarm);
  const keys = createProviderKeys(caller, clock, alarm);
  const transmitter = createTransmitter(caller, mayReach);
  const intake = createIntake({
    ...{ receivers, revocation, users, keys, clock },
    aim: createAim({ users, sessions, issuer }),
    admit: throttle.admit,
    onRejected: ({ id, issuer: provider }, error, description) =>
      logger.warn({ receiver: id, provider, error, description }, "an event of another provider was refused"),
  });
  const parts = { receivers, transmitter, intake, vault, world, alarm };
  const listening = delivers
    ? startListening({
        ...parts,
        mine: () => storage.duty.held,
        onLost: ({ id, issuer: provider }, failure) =>
          logger.warn({ receiver: id, provider, failure }, "another provider cannot be listened to; it is tried again"),
        onBack: ({ id, issuer: provider }) =>
          logger.info({ receiver: id, provider }, "another provider is heard again"),
        fault: (error) => logger.warn({ err: error }, "what another provider sends could not be worked on"),
      })
    : null;
  const verify = createVerify(parts);
  const wake = () => listening?.wake();
  storage.duty.onCall(wake);
  return {
    intake,
    listening,
    receiverAction: createReceiverAction({ receivers, transmitter, verify, vault, mayReach, issuer, wake, world }),
    stop: async () => {
      await listening?.stop();
      keys.close();
      caller.close();
    },
  };
}
