/**
 * Sessions and grants in Valkey or Redis: opens the connections, looks at what they lead to, and puts the live store and the
 * shared throttle on them.
 *
 *   one connection        everything                           the same server, looked at anew with every connection:
 *   another, with WAIT    what a log-in is confirmed by        a primary? ours? one that keeps what it has?
 */
import type { Secret } from "../../prelude/secret.ts";
import type { Clock, SetAlarm, Sleep } from "../../prelude/world.ts";
import type { ThrottleStore } from "../../throttle/store.ts";
import type { LiveStore } from "../live/live-store.ts";
import { openMemoryThrottle } from "../memory/throttle.ts";
import { readValkeyAddress } from "./address.ts";
import { type Ask, Connection, type Script, type Value } from "./connection.ts";
import { inspect, parseInfo } from "./inspect.ts";
import { liveOver } from "./live.ts";
import { ReplicatedWrites, WAIT_MS } from "./replicas.ts";
import { type Replicated, replicate as replicateOver } from "./replicated.ts";
import { throttleOver } from "./throttle.ts";

/** Longer than a store that works ever takes, shorter than a person waits. */
const ANSWER_MS = 1000;
/** A server may be starting as well; a failover that is under way takes longer. */
const START_MS = { server: 3000, sentinels: 8000 } as const;

export interface ValkeySettings {
  readonly url: string;
  readonly password: Secret | null;
  /** Before every key. */
  readonly prefix: string;
  /** How many replicas must have a log-in; `null`: one where Sentinels are named, else none. */
  readonly wait: number | null;
  /** How long a session is kept after its absolute expiry, at the longest: milliseconds. */
  readonly keepMs: number;
  /** In the place of the server's clock: for tests that stop it. */
  readonly time?: Clock;
}

export interface ValkeyServices {
  readonly clock: Clock;
  readonly alarm: SetAlarm;
  /** The id of this installation: whose sessions may be in the store. */
  readonly installation: string;
  /** Told what an operator should read, a line each. */
  readonly tell: (line: string) => void;
}

export interface OpenedValkey {
  readonly live: LiveStore;
  readonly throttle: ThrottleStore;
  /** The live store with a copy of every log-in in this process, kept by the stream of changes. */
  replicate(sleep: Sleep): Promise<Replicated>;
  /** For people: the address without credentials. */
  readonly says: string;
  /** What could be lost, and how: a sentence each. */
  readonly warnings: readonly string[];
}

/** Throws `StartRefused`. */
export async function openValkey(settings: ValkeySettings, services: ValkeyServices): Promise<OpenedValkey> {
  const { prefix } = settings;
  const { clock, alarm, installation, tell } = services;
  const address = readValkeyAddress(settings.url, settings.password);
  const waits = settings.wait ?? ("sentinels" in address.at ? 1 : 0);
  let warnings: readonly string[] = [];
  let opened = false;

  const admit = async (ask: Ask): Promise<string | null> => {
    const info = parseInfo(String(await ask("INFO")));
    const [seconds = 0] = (await ask("TIME")) as readonly unknown[];
    const found = inspect(info, waits, Number(seconds) * 1000 - clock.now());
    warnings = found.warnings;
    if (found.refusal !== null) return found.refusal;
    const owner = await ask("SET", `${prefix}id`, installation, "NX", "GET");
    if (owner !== null && owner !== installation) {
      return `holds the sessions of another installation under ${prefix}: give this one a MAPAE_VALKEY_PREFIX of its own`;
    }
    if (owner === null && opened) tell("the live store came back empty: the sessions that were in it are lost");
    return null;
  };
  const returned: (() => void)[] = [];
  const changed = (usable: boolean, why: string | null): void => {
    if (!opened) return;
    tell(usable ? "the live store answers again" : `the live store is away: ${why ?? "connection lost"}`);
    if (usable) for (const listener of returned) listener();
  };
  const common = new Connection(address, { name: "mapae", timeoutMs: ANSWER_MS, admit, changed, alarm });
  const withinMs = "sentinels" in address.at ? START_MS.sentinels : START_MS.server;
  await common.open(withinMs);
  const safe =
    waits === 0 ? null : new Connection(address, { name: "mapae-wait", timeoutMs: ANSWER_MS + WAIT_MS, admit, alarm });
  try {
    await safe?.open(withinMs);
  } catch (error) {
    await common.close();
    throw error;
  }
  opened = true;
  const writes = safe === null ? common : new ReplicatedWrites(safe, waits);
  const run = (script: Script, args: readonly Value[]) => common.run(script, args);
  const time = settings.time === undefined ? {} : { clock: settings.time };
  const live = liveOver(
    {
      run,
      runSafely: (script, args) => writes.run(script, args),
      ask: (command, ...args) => common.ask(command, ...args),
      onReturn: (listener) => void returned.push(listener),
      close: async () => {
        await safe?.close();
        await common.close();
      },
    },
    { prefix, keepMs: settings.keepMs, ...time },
  );
  const throttle = throttleOver(run, openMemoryThrottle(clock), { prefix, ...time });
  const replicate = async (sleep: Sleep): Promise<Replicated> => {
    const own = new Connection(address, { name: "mapae-copy", timeoutMs: ANSWER_MS, admit, alarm });
    await own.open(withinMs);
    const ask: Ask = (command, ...args) => own.ask(command, ...args);
    const fault = (error: unknown): void => tell(`the copy of the log-ins: ${String(error)}`);
    const store: LiveStore = {
      ...live,
      close: async () => {
        await own.close();
        await live.close();
      },
    };
    try {
      return await replicateOver({ store, prefix, run, ask, clock, sleep, fault, time: settings.time });
    } catch (error) {
      await own.close();
      throw error;
    }
  };
  return { live, throttle, replicate, says: address.says, warnings };
}
