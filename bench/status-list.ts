/**
 * What status lists cost: reading what was revoked for the first time, telling of one more, and the bytes of both sides.
 *
 *   a SQLite file with 10⁵ and 10⁶ slots, every second one invalid (which no compressor can shorten) ──► the lists, signed
 *
 * `pause` is the longest that the event loop was held up meanwhile; the bar is 10 ms.
 */
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { bindSigningKey, signJws } from "@mapae/verifier/jose";
import { DEFAULT_CLIENT } from "../packages/server/src/clients/client.ts";
import { newId } from "../packages/server/src/prelude/ids.ts";
import { systemAlarm, systemWorld } from "../packages/server/src/prelude/world.ts";
import { SIGNED_LIST_MAX, STATUS_LIST_TYP } from "../packages/server/src/status/encode.ts";
import { createStatusLists } from "../packages/server/src/status/lists.ts";
import { nextSlot, SEED_BYTES, type StatusList } from "../packages/server/src/status/slot.ts";
import { openWriter } from "../packages/server/src/storage/sqlite/connection.ts";
import { prepare } from "../packages/server/src/storage/sqlite/prepare.ts";
import { openSqlite } from "../packages/server/src/storage/sqlite/sqlite.ts";
import { SqliteRows } from "../packages/server/src/storage/sqlite/statements.ts";
import type { Report } from "./harness.ts";

const SIZES = [100_000, 1_000_000];
const TTL_MS = 30_000;
const { clock, random } = systemWorld;

/** Gives out slots and makes every second one invalid, as log-ins and log-outs would. */
function fill(file: string, slots: number): { micros: number; bytes: number } {
  prepare(file, clock.now());
  const before = statSync(file).size;
  const db = openWriter(file);
  const rows = new SqliteRows(db);
  const { epoch } = rows.position();
  const now = clock.now();
  db.exec("BEGIN IMMEDIATE");
  const began = performance.now();
  let list: StatusList | undefined;
  for (let count = 0; count < slots; count += 1) {
    const next = nextSlot(list, epoch, random.bytes(SEED_BYTES), now);
    list = next.list;
    rows.status.putList(list);
    rows.status.addSlot(next.slot, {
      ...{ grant: newId("grant", random), session: newId("session", random) },
      ...{ user: newId("user", random), client: DEFAULT_CLIENT },
    });
    if (count % 2 === 0) rows.status.invalidateSlot(next.slot, { epoch, seq: count + 1 });
  }
  const micros = ((performance.now() - began) * 1000) / slots;
  db.exec("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)");
  db.close();
  return { micros, bytes: (statSync(file).size - before) / slots };
}

async function measure(report: Report, slots: number, folder: string): Promise<void> {
  const file = join(folder, `${slots}.db`);
  const filled = fill(file, slots);
  const storage = await openSqlite(file, systemWorld);
  const key = bindSigningKey(generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey, { alg: "ES256", kid: "k" });
  const lists = createStatusLists({
    store: storage.status,
    issuer: "https://login.example.com",
    ttlMs: TTL_MS,
    sign: async (claims) => ({ text: signJws({ typ: STATUS_LIST_TYP }, claims, key, SIGNED_LIST_MAX), kid: "k" }),
    verifies: () => true,
    clock,
    alarm: systemAlarm,
  });
  const ids = (await storage.status.lists()).map(({ id }) => id);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const busy = process.cpuUsage();
  delay.enable();
  const began = performance.now();
  const signed = await Promise.all(ids.map((id) => lists.signed(id)));
  const took = performance.now() - began;
  delay.disable();
  const { user, system } = process.cpuUsage(busy);
  const row = { case: `${slots} slots, ${ids.length} lists, half invalid`, subject: "mapae", runs: 1 };
  report({ ...row, metric: "first, all signed", value: took, unit: "ms" });
  report({ ...row, metric: "cpu", value: (user + system) / 1000, unit: "ms" });
  // The monitor's own resolution is part of what it sees.
  report({ ...row, metric: "pause", value: delay.max / 1e6, unit: "ms" });
  const largest = Math.max(...signed.map((list) => list?.text.length ?? 0));
  const packed = Math.max(...signed.map((list) => list?.gzip?.length ?? 0));
  report({ ...row, metric: "largest list", value: largest / 1024, unit: "KiB" });
  report({ ...row, metric: "largest list, gzip", value: packed / 1024, unit: "KiB" });
  report({ ...row, metric: "rows on disk", value: filled.bytes, unit: "B/slot" });
  report({ ...row, metric: "a slot given, and half of one made invalid", value: filled.micros, unit: "us" });

  const later = performance.now();
  await new Promise((wake) => setTimeout(wake, 1_100));
  const again = performance.now();
  await Promise.all(ids.map((id) => lists.signed(id)));
  report({ ...row, metric: "asked again, nothing changed", value: performance.now() - again, unit: "ms" });
  if (again - later < 1_000) throw new Error("the lists had not to look again");
  await storage.close();
}

export async function run(report: Report): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "mapae-status-"));
  try {
    for (const slots of SIZES) await measure(report, slots, folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
