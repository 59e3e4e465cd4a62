/** Status lists and their slots in the database. */
import type { GrantId } from "../../prelude/ids.ts";
import type { Position } from "../../revocation/entry.ts";
import type { InvalidSlot, Slot, SlotHolder, StatusList } from "../../status/slot.ts";
import type { HolderKind, StatusReads, StatusRows } from "../rows.ts";
import { bytes, integer, type Row } from "./columns.ts";
import type { Questions, Statements } from "./statements.ts";

const LIST = "id, epoch, seed, used, opened_at, void";

function listOf(row: Row): StatusList {
  return {
    id: integer(row, 0),
    epoch: integer(row, 1),
    seed: bytes(row, 2),
    used: integer(row, 3),
    openedAt: integer(row, 4),
    void: integer(row, 5) === 1,
  };
}

const slotIn = (row: Row): Slot => ({ list: integer(row, 0), idx: integer(row, 1) });

/** Where a slot says whom it stands for. */
const HOLDER: Record<HolderKind, string> = { grant: '"grant"', session: "session", user: '"user"', client: "client" };

export class SqlStatusReads<Engine extends Questions> implements StatusReads {
  protected readonly engine: Engine;

  constructor(engine: Engine) {
    this.engine = engine;
  }

  lists(): readonly StatusList[] {
    return this.engine.all(`SELECT ${LIST} FROM status_lists ORDER BY id`, listOf);
  }

  invalid({ epoch, seq, list, idx }: InvalidSlot, limit: number): readonly InvalidSlot[] {
    return this.engine.all(
      `SELECT list, idx, epoch, seq FROM status_slots
       WHERE epoch IS NOT NULL AND (epoch, seq, list, idx) > (?, ?, ?, ?) ORDER BY epoch, seq, list, idx LIMIT ?`,
      (row) => ({ ...slotIn(row), epoch: integer(row, 2), seq: integer(row, 3) }),
      ...[epoch, seq, list, idx, limit],
    );
  }
}

export class SqlStatus extends SqlStatusReads<Statements> implements StatusRows {
  any(): boolean {
    return this.engine.one("SELECT 1 FROM status_lists LIMIT 1", () => true) ?? false;
  }

  list(id: number): StatusList | undefined {
    return this.engine.one(`SELECT ${LIST} FROM status_lists WHERE id = ?`, listOf, id);
  }

  newest(): StatusList | undefined {
    return this.engine.one(`SELECT ${LIST} FROM status_lists ORDER BY id DESC LIMIT 1`, listOf);
  }

  putList(list: StatusList): void {
    // Not REPLACE: that deletes the row first, and its slots refer to it.
    this.engine.run(
      `INSERT INTO status_lists (${LIST}) VALUES (?, ?, ?, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET used = excluded.used, void = excluded.void`,
      ...[list.id, list.epoch, list.seed, list.used, list.openedAt, Number(list.void)],
    );
  }

  slotOf(grant: GrantId): Slot | undefined {
    return this.engine.one(
      'SELECT list, idx FROM status_slots WHERE "grant" = ? AND epoch IS NULL ORDER BY list DESC, idx DESC LIMIT 1',
      slotIn,
      grant,
    );
  }

  addSlot({ list, idx }: Slot, { grant, session, user, client }: SlotHolder): void {
    this.engine.run(
      'INSERT INTO status_slots (list, idx, "grant", session, "user", client) VALUES (?, ?, ?, ?, ?, ?)',
      ...[list, idx, grant, session, user, client],
    );
  }

  invalidateSlot({ list, idx }: Slot, { epoch, seq }: Position): void {
    this.engine.run(
      "UPDATE status_slots SET epoch = ?, seq = ? WHERE list = ? AND idx = ? AND epoch IS NULL",
      ...[epoch, seq, list, idx],
    );
  }

  invalidateHeld(kind: HolderKind, id: string, { epoch, seq }: Position): void {
    this.engine.run(
      `UPDATE status_slots SET epoch = ?, seq = ? WHERE ${HOLDER[kind]} = ? AND epoch IS NULL`,
      ...[epoch, seq, id],
    );
  }

  voidLists(): void {
    this.engine.run("UPDATE status_lists SET void = 1");
  }

  removeLists(openedBefore: number, limit: number): number {
    const removed = this.engine.changes(
      `DELETE FROM status_slots WHERE (list, idx) IN (
         SELECT s.list, s.idx FROM status_lists l JOIN status_slots s ON s.list = l.id WHERE l.opened_at < ? LIMIT ?)`,
      openedBefore,
      limit,
    );
    if (removed < limit) this.engine.run("DELETE FROM status_lists WHERE opened_at < ?", openedBefore);
    return removed;
  }
}
