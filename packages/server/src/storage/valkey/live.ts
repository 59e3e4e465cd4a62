/** The live store over Valkey or Redis: each question and each change is one program (lua.ts), and one round trip. */
import type { Clock } from "../../prelude/world.ts";
import type { Position, RevocationEntry } from "../../revocation/entry.ts";
import { isBefore } from "../../revocation/entry.ts";
import type { At, LiveSession, LiveStore } from "../live/live-store.ts";
import type { Script, Value } from "./connection.ts";
import {
  accountText,
  beginning,
  changing,
  grantOf,
  proofText,
  type Reply,
  secretText,
  sessionOf,
  varying,
} from "./records.ts";
import { SESSION_SCRIPTS } from "./session-scripts.ts";
import { UPKEEP_SCRIPTS } from "./upkeep-scripts.ts";

/** How long a session that was begun waits to be confirmed. */
const UNCONFIRMED_MS = 60_000;
/** A node that was given sessions whose time ran out marks them within this time, or another one does. */
const CLAIM_MS = 60_000;
const ANYWHERE = { epoch: 0, seq: 0 } as const;

export interface LiveOptions {
  /** Before every key. */
  readonly prefix: string;
  /** How long a session is kept after its absolute expiry, at the longest: milliseconds. */
  readonly keepMs: number;
  /** In the place of the server's clock: for tests that stop it. */
  readonly clock?: Clock;
}

export interface Runner {
  run(script: Script, args: readonly Value[]): Promise<unknown>;
  /** Resolves once so many replicas have it as a log-in waits for. */
  runSafely(script: Script, args: readonly Value[]): Promise<unknown>;
  ask(command: string, ...args: readonly Value[]): Promise<unknown>;
  onReturn(listener: () => void): void;
  close(): Promise<void>;
}

function positionOf(text: unknown): Position | null {
  const [epoch, seq] = typeof text === "string" ? text.split(".") : [];
  return epoch === undefined || seq === undefined ? null : { epoch: Number(epoch), seq: Number(seq) };
}

export function liveOver(runner: Runner, { prefix, keepMs, clock }: LiveOptions): LiveStore {
  const args = (...values: readonly Value[]): Value[] => [prefix, clock?.now() ?? "", ...values];
  const run = (script: Script, ...values: readonly Value[]) => runner.run(script, args(...values));

  const sessions = async (reply: Promise<unknown>): Promise<At<readonly LiveSession[]>> => {
    const [now, found] = (await reply) as [string, readonly Reply[]];
    return { now: Number(now), found: found.map(sessionOf) };
  };

  /** Marks what an entry for everyone ends, a slice at a time: what begins meanwhile is younger than the entry. */
  const markEveryone = async ({ epoch, seq, at, reason }: RevocationEntry): Promise<void> => {
    let cursor = "0";
    do cursor = String(await run(UPKEEP_SCRIPTS.markSlice, cursor, epoch, seq, at, reason));
    while (cursor !== "0");
  };

  const settle = async (after: Position, entries: readonly RevocationEntry[]): Promise<Position> => {
    const told = entries.flatMap(({ epoch, seq, kind, value, at, reason }) => [epoch, seq, kind, value, at, reason]);
    return positionOf(await run(UPKEEP_SCRIPTS.settle, after.epoch, after.seq, ...told)) ?? ANYWHERE;
  };

  /**
   * That there is no such log-in is believed of a primary alone: a deposed one may have lost it, and refuses to write. One
   * that was frozen while another was promoted does not know it for some seconds, and lacks what began there meanwhile: it
   * writes, and its replicas have left it. So the write has to reach as many as a log-in waits for.
   */
  const believed = async (nothing: boolean): Promise<void> => {
    if (nothing) await runner.runSafely(UPKEEP_SCRIPTS.attest, args());
  };

  return {
    grant: async (secretId) => {
      const [now, found] = (await run(SESSION_SCRIPTS.grant, secretText(secretId))) as [string, Reply | null];
      await believed(found === null);
      return { now: Number(now), found: found === null ? undefined : grantOf(secretId, found) };
    },
    grantById: async (id) => {
      const [now, secret, found] = (await run(SESSION_SCRIPTS.grantById, id)) as [string, string | null, Reply | null];
      const known = secret !== null && found !== null;
      await believed(!known);
      return { now: Number(now), found: known ? grantOf(Buffer.from(secret, "base64url"), found) : undefined };
    },
    session: async (id) => {
      const [now, found] = (await run(SESSION_SCRIPTS.session, id)) as [string, Reply | null];
      await believed(found === null);
      return { now: Number(now), found: found === null ? undefined : sessionOf(found) };
    },
    unended: (user) => sessions(run(SESSION_SCRIPTS.unended, user)),
    list: (user, after, limit) =>
      sessions(run(SESSION_SCRIPTS.list, user ?? "", after?.at ?? "", after?.id ?? "", limit)),
    countUnended: async () => Number(await run(SESSION_SCRIPTS.countUnended)),
    begin: async (begun, among) => {
      const others = among === null ? [0, ""] : [1, among.join()];
      const about = [...beginning(begun), ...others, accountText(begun.account), UNCONFIRMED_MS];
      return (await run(SESSION_SCRIPTS.begin, ...about)) === 1;
    },
    confirm: async (session) => (await runner.runSafely(SESSION_SCRIPTS.confirm, args(session, keepMs))) === 1,
    discard: async (session) => {
      await run(SESSION_SCRIPTS.discard, session);
    },
    use: async ({ secretId, generation, client, macKey, proof }, { idleMs }) => {
      const given = [secretText(secretId), client, generation, macKey, proofText(proof), idleMs];
      const [now, was, reply] = (await run(SESSION_SCRIPTS.use, ...given)) as [string, Reply | null, Reply | null];
      await believed(reply === null);
      if (reply === null) return { now: Number(now), before: null, found: undefined };
      const found = grantOf(secretId, reply);
      return { now: Number(now), before: was === null ? null : { ...found.grant, ...varying(was) }, found };
    },
    write: async ({ grant, revision, account }) => {
      const given = [secretText(grant.secretId), revision, ...changing(grant), accountText(account)];
      return (await run(SESSION_SCRIPTS.write, ...given)) === 1;
    },
    position: async () => positionOf(await run(UPKEEP_SCRIPTS.position)),
    settle: async (after, entries) => {
      let at = after;
      let batch: RevocationEntry[] = [];
      for (const entry of entries) {
        if (entry.kind !== "all") {
          batch.push(entry);
          continue;
        }
        // What was told before it is marked before it, so that each session is told what ended it first.
        const reached = await settle(at, batch);
        if (isBefore(reached, at)) return reached;
        at = reached;
        if (isBefore(reached, entry)) await markEveryone(entry);
        batch = [entry];
      }
      return settle(at, batch);
    },
    end: async (over) => {
      await run(UPKEEP_SCRIPTS.end, ...over.flatMap(({ id, ended }) => [id, ended.at, ended.reason]));
    },
    due: async (limit) => {
      const found: LiveSession[] = [];
      for (;;) {
        const [now, more, page] = (await run(UPKEEP_SCRIPTS.due, limit - found.length, CLAIM_MS)) as [
          string,
          number,
          Reply[],
        ];
        found.push(...page.map(sessionOf));
        if (more === 0 || found.length >= limit) return { now: Number(now), found };
      }
    },
    forget: async (endedBefore, limit) => Number(await run(UPKEEP_SCRIPTS.forget, endedBefore, limit)),
    check: async () => {
      await runner.ask("PING");
    },
    onReturn: (listener) => runner.onReturn(listener),
    close: () => runner.close(),
  };
}
