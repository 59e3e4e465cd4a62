/** Troubles that only a database over a network has, with a real PostgreSQL: docs/revocation.md has the list. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Verifier } from "@mapae/verifier";
import pg from "pg";
import { type Postgres, startPostgres, withoutPostgres } from "../components/postgres.ts";
import type { Tokens } from "../stage.ts";
import { type Service, startService } from "./service.ts";

const skip = withoutPostgres();
const REVOKERS = 16;
const EACH = 6;

let postgres: Postgres;
let database: string;
let service: Service;
let verifier: Verifier;
let admin: string;

before(async () => {
  if (skip !== false) return;
  const started = await startPostgres();
  assert(started !== null);
  postgres = started;
  database = await postgres.database();
  service = await startService({ databaseUrl: database, secret: Buffer.alloc(32, 7).toString("base64url") });
  verifier = await service.verifier(await service.resourceServer("orders"));
  admin = await service.admin();
  await service.signUp("kim");
});
after(async () => {
  await service?.close();
  await postgres?.remove();
});

const codeOf = (token: string): string => {
  const verdict = verifier.verify(token);
  return verdict.ok ? "ok" : verdict.code;
};

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(10);
}

/** A transaction that somebody else has open. */
async function transaction(...statements: readonly string[]): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: database });
  client.on("error", () => {});
  await client.connect();
  for (const statement of ["BEGIN", ...statements]) await client.query(statement);
  return client;
}

async function undo(client: pg.Client): Promise<void> {
  await client.query("ROLLBACK");
  await client.end();
}

test("16 concurrent revokers with aborted and long transactions: no number is missing, and what was answered is known", {
  skip,
  timeout: 120_000,
}, async () => {
  const sessions: Tokens[][] = [];
  for (let revoker = 0; revoker < REVOKERS; revoker += 1) {
    sessions.push(await Promise.all(Array.from({ length: EACH }, () => service.logIn("kim"))));
  }
  const answered: Tokens[] = [];
  const revoking = sessions.map(async (own) => {
    for (const [index, tokens] of own.entries()) {
      const query = index % 3 === 0 ? "?wait=all" : "";
      const answer = await service.call("DELETE", `/v1/admin/sessions/${tokens.session}${query}`, { token: admin });
      if (answer.status < 300) answered.push(tokens);
      else assert.equal(answer.status, 503, answer.text);
      if (answer.body.confirmed === true) assert.equal(codeOf(tokens.access), "token_revoked");
    }
  });
  // One that reads for long, one that has the counter and gives it back unused, and some that are aborted.
  const reads = await transaction("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SELECT * FROM log");
  for (let round = 0; round < 4; round += 1) {
    const holds = await transaction("UPDATE state SET seq = seq + 1000");
    await sleep(50);
    await postgres.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE backend_type = 'client backend' AND state LIKE 'idle in transaction%' AND pid % 3 = ${round % 3}`,
      database,
    );
    await undo(holds).catch(() => undefined); // it may have been among them
    await sleep(50);
  }
  await Promise.all(revoking);
  await undo(reads).catch(() => undefined);
  assert(answered.length > 0);
  const { epoch, seq } = service.position;
  const rows = await postgres.query<{ seq: string }>(
    `SELECT seq FROM log WHERE epoch = ${epoch} ORDER BY seq`,
    database,
  );
  assert.deepEqual(
    rows.map((row) => Number(row.seq)),
    Array.from({ length: seq }, (_, index) => index + 1),
  );
  await until(() => verifier.status()?.trust === "live" && verifier.status()?.position === `${epoch}.${seq}`);
  for (const { access } of answered) assert.equal(codeOf(access), "token_revoked");
});

test("a node cut off from the database but not from its verifiers: leases end by themselves, and nothing is answered", {
  skip,
  timeout: 120_000,
}, async () => {
  const [{ access, session }, { access: other }] = [await service.logIn("kim"), await service.logIn("kim")];
  await until(() => codeOf(access) === "ok");
  postgres.freeze();
  const revoked = service.call("DELETE", `/v1/admin/sessions/${session}?wait=all`, { token: admin });
  await until(() => verifier.status()?.trust === "stale");
  assert.equal(codeOf(other), "revocation_unknown");
  postgres.thaw();
  const answer = await revoked;
  if (answer.status < 300) assert.equal(answer.body.confirmed, true);
  else assert.equal(answer.status, 503, answer.text);
  await until(() => codeOf(other) === "ok");
  const again = await service.call("DELETE", `/v1/admin/sessions/${session}?wait=all`, { token: admin });
  assert(again.status < 300 || again.status === 404, again.text);
  assert.notEqual(codeOf(access), "ok");
});
