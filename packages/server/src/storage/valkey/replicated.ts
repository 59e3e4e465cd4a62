/**
 * The live store of the strategy `replicated`: every change is made in Valkey or Redis, in one step, and told to every
 * server over a stream; reading is from this server's own copy, and asks nobody.
 *
 *   change ──► program ──► store ──► stream ──► every server's copy
 *   read   ──► own copy ──► not there: perhaps a moment old ──► store
 */
import type { Clock, Sleep } from "../../prelude/world.ts";
import type { At, LiveStore } from "../live/live-store.ts";
import type { Ask, Script, Value } from "./connection.ts";
import { SessionCopy } from "./copy.ts";
import { type Follow, startFollowing } from "./follow.ts";
import { secretText } from "./records.ts";

export interface ReplicatedParts {
  readonly store: LiveStore;
  readonly prefix: string;
  readonly run: (script: Script, args: readonly Value[]) => Promise<unknown>;
  readonly ask: Ask;
  readonly clock: Clock;
  readonly sleep: Sleep;
  readonly fault: (error: unknown) => void;
  /** In the place of the server's clock: for tests that stop it. */
  readonly time?: Clock | undefined;
}

export interface Replicated {
  readonly live: LiveStore;
  readonly copy: SessionCopy;
  readonly follow: Follow;
}

/** How long past its end a log-in is held, so that its device can be told why. */
const KEEP_MS = 3_600_000;

export async function replicate(parts: ReplicatedParts): Promise<Replicated> {
  const { store, clock, time } = parts;
  const copy = new SessionCopy();
  let ahead = 0;
  const follow = await startFollowing({
    ...parts,
    copy,
    drift: (storeNow) => {
      ahead = storeNow - clock.now();
    },
  });
  const now = (): number => time?.now() ?? clock.now() + ahead;
  const here = <T>(found: T): Promise<At<T>> => Promise.resolve({ now: now(), found });

  const live: LiveStore = {
    ...store,
    grant: (secretId) => {
      const found = copy.grant(secretText(secretId));
      return found === undefined ? store.grant(secretId) : here(found);
    },
    session: (id) => {
      const found = copy.ofSession(id);
      return found === undefined ? store.session(id) : here(found);
    },
    use: async (presented, settings) => {
      const used = await store.use(presented, settings);
      if (used.before !== null && used.found !== undefined) {
        copy.expect(secretText(presented.secretId), used.found.revision);
      }
      return used;
    },
    write: async (held) => {
      const written = await store.write(held);
      if (written) copy.expect(secretText(held.grant.secretId), held.revision + 1);
      return written;
    },
    forget: async (endedBefore, limit) => {
      copy.forget(now() - KEEP_MS);
      const count = await store.forget(endedBefore, limit);
      // What is forgotten is not to be found here a moment later.
      if (count > 0) await follow.caughtUp();
      return count;
    },
    close: async () => {
      // Its question for changes waits: it ends with the connection.
      const stopped = follow.stop();
      await store.close();
      await stopped;
    },
  };
  return { live, copy, follow };
}
