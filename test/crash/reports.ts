/** What the program that is killed reports, and what must then be true of the file it leaves behind. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { DEFAULT_CLIENT } from "../../packages/server/src/clients/client.ts";
import { asId } from "../../packages/server/src/prelude/ids.ts";
import { systemWorld } from "../../packages/server/src/prelude/world.ts";
import type { Position } from "../../packages/server/src/revocation/entry.ts";
import { CAUSE, FIRST_PAGE, SETTINGS } from "../../packages/server/src/storage/contract/stage.ts";
import { openSqlite } from "../../packages/server/src/storage/sqlite/sqlite.ts";

export type Report =
  | { readonly kind: "ready" }
  | { readonly kind: "unavailable"; readonly why: string }
  | { readonly kind: "user"; readonly user: string }
  | { readonly kind: "session"; readonly session: string; readonly secret: string }
  | { readonly kind: "refreshed"; readonly secret: string; readonly generation: number }
  | {
      readonly kind: "ended";
      readonly session: string;
      readonly secret: string;
      readonly generation: number;
      readonly head: Position;
    };

/** The acknowledgements of a killed program; the line that the kill cut is none. */
export function readReports(output: string): readonly Report[] {
  const lines = output.split("\n");
  return lines.slice(0, -1).map((line) => JSON.parse(line) as Report);
}

/** What was acknowledged so far, over all rounds. */
export class Acknowledged {
  readonly users = new Set<string>();
  readonly sessions = new Map<string, string>();
  /** By the grant's secret id: the highest generation handed out. */
  readonly generations = new Map<string, number>();
  readonly ended = new Map<string, { readonly session: string; readonly generation: number }>();
  seq = 0;

  add(reports: readonly Report[]): void {
    for (const report of reports) {
      if (report.kind === "user") this.users.add(report.user);
      if (report.kind === "session") {
        this.sessions.set(report.secret, report.session);
        this.generations.set(report.secret, 1);
      }
      if (report.kind === "refreshed") this.generations.set(report.secret, report.generation);
      if (report.kind === "ended") {
        this.ended.set(report.secret, report);
        this.seq = Math.max(this.seq, report.head.seq);
      }
    }
  }
}

/** Opens the file as the next start would and checks all of `now`, and of `before` that nothing refused lives again. */
export async function check(file: string, now: Acknowledged, before: Acknowledged): Promise<void> {
  const store = await openSqlite(file, systemWorld);
  const use = (secret: string, generation: number) =>
    store.grants.use(
      {
        secretId: Buffer.from(secret, "hex"),
        generation,
        client: DEFAULT_CLIENT,
        proof: null,
        device: null,
        macKey: 1,
        requiredRole: null,
        listSeed: null,
      },
      SETTINGS,
      CAUSE,
    );
  for (const id of now.users) assert(await store.users.find(asId("user", id)), "an acknowledged sign-up is gone");

  const entries = await store.revocation.after({ epoch: 0, seq: 0 }, Number.MAX_SAFE_INTEGER);
  assert.deepEqual(
    entries.map(({ seq }) => seq),
    entries.map((_, index) => index + 1),
  );
  const { seq } = store.revocation.head();
  assert.equal(seq, entries.length);
  assert(seq >= Math.max(now.seq, before.seq), "an acknowledged revocation is gone");

  for (const [secret, { session, generation }] of [...before.ended, ...now.ended]) {
    const found = await store.sessions.find(asId("session", session));
    assert(found?.ended, "an acknowledged revocation was undone");
    const outcome = await use(secret, generation);
    assert(!outcome.allow && outcome.refusal.code === "session_ended", "a refused token became valid again");
  }
  for (const [secret, session] of now.sessions) {
    const found = await store.sessions.find(asId("session", session));
    assert(found, "an acknowledged log-in is gone");
    // Ended without an acknowledgement: the kill came in between.
    if (found.ended !== null) continue;
    const outcome = await use(secret, now.generations.get(secret) ?? 1);
    assert(outcome.allow, "an acknowledged refresh is gone");
    assert(outcome.how === "rotated" || outcome.how === "repeated", `an acknowledged refresh was ${outcome.how}`);
  }
  assert.equal((await store.audit.list({ name: "refresh.fast_forwarded" }, FIRST_PAGE)).items.length, 0);
  await store.close();

  const db = new DatabaseSync(file, { readOnly: true });
  assert.deepEqual({ ...db.prepare("PRAGMA integrity_check").get() }, { integrity_check: "ok" });
  assert.deepEqual(db.prepare("PRAGMA foreign_key_check").all(), []);
  db.close();
}
