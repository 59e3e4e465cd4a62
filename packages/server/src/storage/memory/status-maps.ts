/** Status lists and their slots, as Maps. */
import type { GrantId } from "../../prelude/ids.ts";
import { isBefore, type Position } from "../../revocation/entry.ts";
import type { InvalidSlot, Slot, SlotHolder, StatusList } from "../../status/slot.ts";
import type { HolderKind, StatusRows } from "../rows.ts";

interface Held {
  readonly slot: Slot;
  readonly of: SlotHolder;
  readonly by: Position | null;
}

const nameOf = ({ list, idx }: Slot): string => `${list}.${idx}`;
const bySlot = (left: Slot, right: Slot): number => left.list - right.list || left.idx - right.idx;

function byEntry(left: InvalidSlot, right: InvalidSlot): number {
  if (isBefore(left, right)) return -1;
  return isBefore(right, left) ? 1 : bySlot(left, right);
}

export class StatusMaps implements StatusRows {
  /** In the order of their numbers. */
  readonly #lists = new Map<number, StatusList>();
  readonly #slots = new Map<string, Held>();
  readonly #namesOf = new Map<GrantId, readonly string[]>();

  /** Rows are replaced and never changed in place, so that sharing them is a copy. */
  copyFrom(other: StatusMaps): void {
    for (const [id, list] of other.#lists) this.#lists.set(id, list);
    for (const [name, held] of other.#slots) this.#slots.set(name, held);
    for (const [grant, names] of other.#namesOf) this.#namesOf.set(grant, names);
  }

  lists(): readonly StatusList[] {
    return [...this.#lists.values()];
  }

  any(): boolean {
    return this.#lists.size > 0;
  }

  list(id: number): StatusList | undefined {
    return this.#lists.get(id);
  }

  newest(): StatusList | undefined {
    return this.lists().at(-1);
  }

  putList(list: StatusList): void {
    this.#lists.set(list.id, list);
  }

  slotOf(grant: GrantId): Slot | undefined {
    const good = this.#heldBy(grant).filter(({ by }) => by === null);
    return good
      .map(({ slot }) => slot)
      .sort(bySlot)
      .at(-1);
  }

  #heldBy(grant: GrantId): readonly Held[] {
    return (this.#namesOf.get(grant) ?? []).flatMap((name) => this.#slots.get(name) ?? []);
  }

  addSlot(slot: Slot, of: SlotHolder): void {
    const { grant } = of;
    const name = nameOf(slot);
    if (this.#slots.has(name)) throw new Error("a slot is given once");
    this.#slots.set(name, { slot, of, by: null });
    this.#namesOf.set(grant, [...(this.#namesOf.get(grant) ?? []), name]);
  }

  invalidateSlot(slot: Slot, by: Position): void {
    const held = this.#slots.get(nameOf(slot));
    if (held !== undefined && held.by === null) this.#slots.set(nameOf(slot), { ...held, by });
  }

  invalidateHeld(kind: HolderKind, id: string, by: Position): void {
    for (const { slot, of } of this.#slots.values()) if (of[kind] === id) this.invalidateSlot(slot, by);
  }

  voidLists(): void {
    for (const list of this.#lists.values()) this.#lists.set(list.id, { ...list, void: true });
  }

  invalid(after: InvalidSlot, limit: number): readonly InvalidSlot[] {
    return [...this.#slots.values()]
      .flatMap(({ slot, by }) => (by === null ? [] : [{ ...slot, ...by }]))
      .filter((slot) => byEntry(after, slot) < 0)
      .sort(byEntry)
      .slice(0, limit);
  }

  removeLists(openedBefore: number, limit: number): number {
    const old = new Set(this.lists().flatMap(({ id, openedAt }) => (openedAt < openedBefore ? [id] : [])));
    const gone = [...this.#slots.values()].filter(({ slot }) => old.has(slot.list)).slice(0, limit);
    for (const { slot, of } of gone) {
      const { grant } = of;
      const names = (this.#namesOf.get(grant) ?? []).filter((name) => name !== nameOf(slot));
      this.#slots.delete(nameOf(slot));
      if (names.length > 0) this.#namesOf.set(grant, names);
      else this.#namesOf.delete(grant);
    }
    if (gone.length < limit) for (const id of old) this.#lists.delete(id);
    return gone.length;
  }
}
