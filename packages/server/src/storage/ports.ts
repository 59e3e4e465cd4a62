/** The ports of the capabilities over `Reads` and the table of steps: shared by the drivers whose rows are at hand. */

import type { Nodes } from "../feed/nodes.ts";
import { decodeCursor, type Page, type PageRequest, pageOf } from "../prelude/page.ts";
import type { Clock } from "../prelude/world.ts";
import type { Position, RevocationEntry } from "../revocation/entry.ts";
import { isLive } from "../sessions/session.ts";
import type { After, Reads } from "./rows.ts";
import { SLICE } from "./slice.ts";
import { dueSignals } from "./ssf-steps.ts";
import type { StepArguments, StepName, StepResult } from "./steps.ts";
import type { Backup, Duty, Nature, Storage } from "./storage.ts";

/** What a driver gives: a way to read, a way to run a step atomically, and news of the log. */
export interface Engine {
  readonly nature: Nature;
  readonly clock: Clock;
  /** Answers from one snapshot that has every acknowledged write. */
  read<T>(query: (reads: Reads) => T): Promise<T>;
  /** Runs a step; settles once it is durable and the log's listeners have been called. */
  write<Name extends StepName>(name: Name, ...args: StepArguments<Name>): Promise<StepResult<Name>>;
  head(): Position;
  /** See RevocationStore. */
  readHead(): Promise<Position>;
  onCommit(listener: (entries: readonly RevocationEntry[]) => void): void;
  /** See Storage. */
  onKeys(listener: () => void): void;
  readonly duty: Duty;
  readonly nodes: Nodes | null;
  readonly backup: Backup | null;
  check(): Promise<void>;
  close(): Promise<void>;
}

function afterOf(page: PageRequest): After | null {
  if (page.after === null) return null;
  const after = decodeCursor(page.after);
  // The edge refuses what a client made up (400); what gets here is a mistake of ours.
  if (after === null) throw new RangeError("not a cursor of ours");
  return after;
}

async function paged<T>(
  engine: Engine,
  page: PageRequest,
  rows: (reads: Reads, after: After | null, limit: number) => readonly T[],
  key: (row: T) => readonly [number, string | number],
): Promise<Page<T>> {
  const after = afterOf(page);
  return pageOf(await engine.read((reads) => rows(reads, after, page.limit + 1)), page.limit, key);
}

const byCreation = (row: { readonly createdAt: number; readonly id: string }) => [row.createdAt, row.id] as const;

/** Repeats a step that works in slices until one comes back short. */
async function inSlices(slice: () => Promise<number>): Promise<number> {
  let total = 0;
  for (;;) {
    const count = await slice();
    total += count;
    if (count < SLICE) return total;
  }
}

export function portsOver(engine: Engine): Storage {
  const { clock, read, write } = engine;
  return {
    nature: engine.nature,
    vault: {
      all: () => read((reads) => reads.dataKeys()),
      add: (keys) => write("addDataKeys", keys),
      rewrap: async (keys) => {
        if (keys.length > 0) await write("rewrapDataKeys", keys);
      },
      remove: async (ids) => {
        if (ids.length > 0) await write("removeDataKeys", ids);
      },
    },
    keys: {
      all: () => read((reads) => reads.keySet()),
      replace: (version, keys, effects) => write("replaceKeys", version, keys, effects),
      raiseMark: (kid, exp) => write("raiseMark", kid, exp),
    },
    revocation: {
      head: engine.head,
      readHead: engine.readHead,
      after: (position, limit) => read((reads) => reads.entries(position, limit)),
      apply: (effects) => write("applyEffects", effects),
      restart: async (lost, keepSessions) => {
        const begun = await write("restartLog", lost, keepSessions);
        // Where sessions are kept, no entry tells of the new epoch: the engine is asked.
        if (begun !== null) await engine.readHead();
        return begun;
      },
      onCommit: engine.onCommit,
      compact: (now) => inSlices(() => write("compactLog", now)),
      count: () => read((reads) => reads.entryCounts()),
    },
    feed: {
      leaseMs: () => read((reads) => reads.leaseMs()),
      setLeaseMs: (ms) => write("setLeaseMs", ms),
      unbound: () => read((reads) => reads.unbound()),
      addUnbound: (instance) => write("addUnbound", instance),
      removeUnbound: (id) => write("removeUnbound", id),
    },
    status: {
      lists: () => read((reads) => reads.status.lists()),
      invalid: (after, limit) => read((reads) => reads.status.invalid(after, limit)),
      prune: (openedBefore) => inSlices(() => write("forgetLists", openedBefore)),
    },
    webhooks: {
      create: (webhook, effects) => write("createWebhook", webhook, effects),
      list: () => read((reads) => reads.webhooks.all()),
      find: (id) => read((reads) => reads.webhooks.find(id)),
      change: (id, wish, effects) => write("changeWebhook", id, wish, effects),
      delete: (id, effects) => write("deleteWebhook", id, effects),
      queued: (after, limit) => read((reads) => reads.webhooks.queued(after, limit)),
      skip: (id, from, upTo) => write("skipWebhook", id, from, upTo),
      settle: (id, attempt, jitter) => write("settleWebhook", id, attempt, jitter),
      attempts: (id, limit) => read((reads) => reads.webhooks.attempts(id, limit)),
      prune: (before) => inSlices(() => write("pruneWebhookQueue", before)),
    },
    streams: {
      create: (stream, effects) => write("createStream", stream, effects),
      list: () => read((reads) => reads.ssf.streams()),
      find: (id) => read((reads) => reads.ssf.stream(id)),
      change: (id, wish, effects) => write("changeStream", id, wish, effects),
      delete: (id, effects) => write("deleteStream", id, effects),
      tell: (id, user, told, effects) => write("tellStream", id, user, told, effects),
      due: (id, limit) => read((reads) => dueSignals(reads, id, limit)),
      receive: (id, receipt, cause) => write("receiveReceipt", id, receipt, cause),
      passOver: (id) => write("passOverSignals", id),
      settle: (id, attempt, jitter) => write("settlePush", id, attempt, jitter),
      pauseIdle: (before) => write("pauseIdleStreams", before),
      prune: (before) => inSlices(() => write("pruneSignals", before)),
    },
    receivers: {
      create: (receiver, effects) => write("createReceiver", receiver, effects),
      list: () => read((reads) => reads.receivers.all()),
      find: (id) => read((reads) => reads.receivers.find(id)),
      hasTaken: (id, jti) => read((reads) => reads.receivers.hasTaken(id, jti)),
      note: (id, note, effects) => write("noteReceiver", id, note, effects),
      delete: (id, effects) => write("deleteReceiver", id, effects),
      forget: (before) => inSlices(() => write("forgetTaken", before)),
    },
    audit: {
      append: async (events) => {
        if (events.length > 0) await write("appendEvents", events);
      },
      list: (filter, page) =>
        paged(
          engine,
          page,
          (reads, after, limit) => reads.events(filter, after === null ? null : Number(after.id), limit),
          (event) => [event.at, event.id],
        ),
      prune: (before) => inSlices(() => write("pruneEvents", before)),
    },
    users: {
      create: (user, effects) => write("createUser", user, effects),
      find: (id) => read((reads) => reads.user(id)),
      findByIdentifier: (identifierKey) => read((reads) => reads.userByKey(identifierKey)),
      change: (id, wish, cause) => write("changeUser", id, wish, cause),
      list: (filter, page) =>
        paged(engine, page, (reads, after, limit) => reads.users(filter, after, limit), byCreation),
    },
    clients: {
      create: (client, effects) => write("createClient", client, effects),
      find: (id) => read((reads) => reads.client(id)),
      list: (page) => paged(engine, page, (reads, after, limit) => reads.clients(after, limit), byCreation),
      audiences: () => read((reads) => reads.audiences()),
      keysFor: async (audience) => {
        const meant = await read((reads) => reads.clientsOf(audience));
        // Where one has keys, it is alone (`mayShare`).
        return meant.length === 0 ? undefined : (meant.find(({ jwks }) => jwks !== null)?.jwks ?? null);
      },
      publish: (id, keys, effects) => write("publishKeys", id, keys, effects),
      delete: (id, effects) => write("deleteClient", id, effects),
      endGrants: (id, reason, effects) => write("endGrantsOfClient", id, reason, effects),
    },
    sessions: {
      find: (id) => read((reads) => reads.session(id)),
      listLive: async (user) => {
        const now = clock.now();
        const sessions = await read((reads) => reads.unended(user));
        return sessions.filter((session) => isLive(session, now));
      },
      list: (filter, page) => {
        const now = clock.now();
        return paged(engine, page, (reads, after, limit) => reads.sessions(filter, now, after, limit), byCreation);
      },
      end: (target, reason, cause) => write("endSessions", target, reason, cause),
      sweep: async (forgetBefore) => {
        await inSlices(() => write("endExpired"));
        return inSlices(() => write("forgetSessions", forgetBefore));
      },
    },
    grants: {
      open: (logIn) => write("open", logIn),
      use: (presented, settings, cause) => write("use", presented, settings, cause),
      find: (secretId) =>
        read((reads) => {
          const held = reads.held(secretId);
          return held && { ...held, position: engine.head(), slot: null };
        }),
      end: (target, reason, cause) => write("endGrant", target, reason, cause),
    },
    elsewhere: {
      installation: () => read((reads) => reads.installation()),
      keepUntil: (exp) => write("keepUntil", exp),
      slot: (of, seed) => write("slotElsewhere", of, seed),
    },
    onKeys: engine.onKeys,
    duty: engine.duty,
    nodes: engine.nodes,
    throttle: null,
    backup: engine.backup,
    check: engine.check,
    close: engine.close,
  };
}
