/**
 * The program that is killed: signs up, logs in, refreshes, replays, logs out and disables over the SQLite driver, many
 * at a time, and reports each acknowledgement on stdout the moment it has it. Arguments: the database file.
 */
import { Unavailable } from "../../packages/server/src/prelude/fault.ts";
import { systemWorld } from "../../packages/server/src/prelude/world.ts";
import { CAUSE, Cast, OWN_CLIENT, SETTINGS } from "../../packages/server/src/storage/contract/stage.ts";
import { openSqlite } from "../../packages/server/src/storage/sqlite/sqlite.ts";
import type { Report } from "./reports.ts";

const PEOPLE_AT_ONCE = 12;
const RETRY_MS = 20;

const [file] = process.argv.slice(2);
if (file === undefined) throw new Error("usage: writer.ts FILE");
const store = await openSqlite(file, systemWorld);
const cast = new Cast();

function report(acknowledged: Report): void {
  // On a pipe this is synchronous where it can be: a report that a kill cuts off is one fewer to check.
  process.stdout.write(`${JSON.stringify(acknowledged)}\n`);
}

/** Tries until the disk takes it: an outage is not an end. */
async function insist<T>(write: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await write();
    } catch (error) {
      if (!(error instanceof Unavailable)) throw error;
      report({ kind: "unavailable", why: error.message });
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

async function onePerson(): Promise<void> {
  await insist(() => store.clients.create(OWN_CLIENT, []));
  const user = { ...cast.newUser(), createdAt: Date.now() };
  await insist(() => store.users.create(user, []));
  report({ kind: "user", user: user.id });
  const now = Date.now();
  const times = { createdAt: now, idleExpiresAt: now + SETTINGS.idleMs };
  const logIn = cast.newLogIn(user.id, {
    session: { ...times, expiresAt: now + 2 * SETTINGS.idleMs },
    grant: { ...times, usedAt: now, rotatedAt: now },
  });
  const { session, grant } = logIn;
  const secret = grant.secretId.toString("hex");
  const refresh = (generation: number) =>
    insist(() => store.grants.use(cast.presented(grant, { generation }), SETTINGS, CAUSE));
  await insist(() => store.grants.open(logIn));
  report({ kind: "session", session: session.id, secret });
  const refreshes = 1 + Math.floor(Math.random() * 6);
  for (let generation = 1; generation <= refreshes; generation += 1) {
    const outcome = await refresh(generation);
    if (!outcome.allow) throw new Error(`an honest refresh was refused: ${outcome.refusal.code}`);
    report({ kind: "refreshed", secret, generation: outcome.standing.grant.generation });
  }
  const end = Math.random();
  if (end < 0.3) {
    await insist(() => store.sessions.end({ session: session.id }, "logout", CAUSE));
    report({ kind: "ended", session: session.id, secret, generation: refreshes + 1, head: store.revocation.head() });
  } else if (end < 0.5) {
    await insist(() => store.users.change(user.id, { kind: "disable" }, CAUSE));
    report({ kind: "ended", session: session.id, secret, generation: refreshes + 1, head: store.revocation.head() });
  } else if (end < 0.7 && refreshes >= 2) {
    // A copy of the first token, two generations behind: a thief's.
    const outcome = await refresh(1);
    if (outcome.allow) throw new Error("a replay was allowed");
    report({ kind: "ended", session: session.id, secret, generation: refreshes + 1, head: store.revocation.head() });
  }
}

async function people(): Promise<void> {
  for (;;) await onePerson();
}

report({ kind: "ready" });
await Promise.all(Array.from({ length: PEOPLE_AT_ONCE }, people));
