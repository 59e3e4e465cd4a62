/**
 * A storage out of two: users, clients, keys, the log and the audit in the one (the truth: SQLite, PostgreSQL, memory),
 * sessions and grants in the other (the live store: Valkey, memory). The same ports with the same meaning, held to the same
 * contract suite.
 *
 *   what ends something     truth first, durable, then live (outbox.ts)
 *   what is read live       judged by the log (judged.ts), of which this node's copy is at most so old (copy-lease.ts)
 */
import { decodeCursor, type Page, pageOf } from "../../prelude/page.ts";
import type { Clock } from "../../prelude/world.ts";
import { EndedSet } from "../../revocation/ended-set.ts";
import type { Position, RevocationEntry } from "../../revocation/entry.ts";
import { isLive, type Session } from "../../sessions/session.ts";
import type { SessionStore } from "../../sessions/store.ts";
import type { After } from "../rows.ts";
import { SLICE } from "../slice.ts";
import type { Storage } from "../storage.ts";
import { CopyLease } from "./copy-lease.ts";
import { type Desk, endOfSession } from "./desk.ts";
import {
  createApply,
  createChangeUser,
  createEndGrant,
  createEndGrantsOfClient,
  createEndSessions,
  createRestart,
} from "./endings.ts";
import { judgedSession } from "./judged.ts";
import type { LiveStore } from "./live-store.ts";
import { Locks } from "./locks.ts";
import { createOpen } from "./log-in.ts";
import { Outbox } from "./outbox.ts";
import { createFind, createUse } from "./refresh.ts";

export interface LiveOptions {
  readonly clock: Clock;
  /** How old this node's copy of the log may be, in milliseconds. */
  readonly leaseMs: number;
  /** How long a session may live, in milliseconds: an end is remembered in memory for so long. */
  readonly sessionMs: number;
}

const PAGE = 1000;

/** Puts a live store beside a storage; closing the one closes both. */
export async function withLive(truth: Storage, live: LiveStore, options: LiveOptions): Promise<Storage> {
  const { clock } = options;
  const ended = new EndedSet();
  const outbox = new Outbox(truth.revocation, live);
  const heard: RevocationEntry[] = [];
  let listen = (entries: readonly RevocationEntry[]): void => {
    heard.push(...entries);
  };
  truth.revocation.onCommit((entries) => {
    ended.add(entries);
    listen(entries);
  });
  await readAll(truth, ended);
  const lease = new CopyLease(truth.revocation, clock, options.leaseMs);
  const desk: Desk = { truth, live, ended, outbox, locks: new Locks(), hold: () => lease.hold() };
  // Sessions from before this start may live as long as was said then.
  const latest = (await truth.elsewhere.keepUntil(0)) * 1000;
  const longest = Math.max(options.sessionMs, latest - clock.now());
  await outbox.catchUp();
  listen = (entries) => outbox.add(entries);
  live.onReturn(() => void outbox.catchUp());

  const sessions: SessionStore = {
    find: async (id) => {
      const { found } = await live.session(id);
      return found && judgedSession(found, ended);
    },
    listLive: async (user) => {
      const { now, found } = await live.unended(user);
      return found.map((each) => judgedSession(each, ended)).filter((session) => isLive(session, now));
    },
    list: (filter, page) => list(desk, filter, page),
    end: createEndSessions(desk),
    sweep: async (forgetBefore) => {
      await outbox.catchUp();
      await endExpired(desk);
      ended.forget(clock.now() - longest);
      return inSlices(() => live.forget(forgetBefore, SLICE));
    },
  };
  return {
    ...truth,
    users: { ...truth.users, change: createChangeUser(desk) },
    clients: {
      ...truth.clients,
      endGrants: createEndGrantsOfClient(desk),
      delete: async (id, effects) => {
        const done = await truth.clients.delete(id, effects);
        await outbox.flush();
        return done;
      },
    },
    revocation: { ...truth.revocation, apply: createApply(desk), restart: createRestart(desk) },
    sessions,
    grants: { open: createOpen(desk), use: createUse(desk), find: createFind(desk), end: createEndGrant(desk) },
    close: async () => {
      await outbox.flush();
      await live.close();
      await truth.close();
    },
  };
}

async function readAll(truth: Storage, ended: EndedSet): Promise<void> {
  let from: Position = { epoch: 0, seq: 0 };
  for (;;) {
    const page = await truth.revocation.after(from, PAGE);
    ended.add(page);
    const last = page.at(-1);
    if (last === undefined || page.length < PAGE) return;
    from = last;
  }
}

async function list(
  { live, ended }: Desk,
  filter: Parameters<SessionStore["list"]>[0],
  page: Parameters<SessionStore["list"]>[1],
): Promise<Page<Session>> {
  let after: After | null = page.after === null ? null : decodeCursor(page.after);
  // The edge refuses what a client made up (400); what gets here is a mistake of ours.
  if (page.after !== null && after === null) throw new RangeError("not a cursor of ours");
  const rows: Session[] = [];
  const wanted = page.limit + 1;
  for (;;) {
    const { now, found } = await live.list(filter.user ?? null, after, wanted);
    const judged = found.map((each) => judgedSession(each, ended));
    rows.push(...judged.filter((session) => filter.live !== true || isLive(session, now)));
    const last = found.at(-1)?.session;
    if (last === undefined || found.length < wanted || rows.length >= wanted) break;
    after = { at: last.createdAt, id: last.id };
  }
  return pageOf(rows.slice(0, wanted), page.limit, ({ createdAt, id }) => [createdAt, id]);
}

/** Marks what ran out, with an entry each; what the log has ended already gets none. */
async function endExpired({ live, truth, ended, outbox }: Desk): Promise<void> {
  await inSlices(async () => {
    const { now, found } = await live.due(SLICE);
    const judged = found.map((each) => judgedSession(each, ended));
    const over = judged.flatMap(({ id, ended: by }) => (by === null ? [] : [{ id, ended: by }]));
    if (over.length > 0) await live.end(over);
    const ranOut = judged.filter((session) => session.ended === null);
    if (ranOut.length > 0) {
      await truth.revocation.apply(ranOut.map((session) => endOfSession(session, "expired", now)));
      await outbox.flush();
    }
    return found.length;
  });
}

async function inSlices(slice: () => Promise<number>): Promise<number> {
  let total = 0;
  for (;;) {
    const count = await slice();
    total += count;
    if (count < SLICE) return total;
  }
}
