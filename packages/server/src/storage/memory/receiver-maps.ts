/** Receivers and the names of what they took, as Maps. */
import type { ReceiverId } from "../../prelude/ids.ts";
import type { TakeEvent } from "../../revocation/effects.ts";
import type { Receiver } from "../../ssf/receiver.ts";
import type { ReceiverRows } from "../receiver-rows.ts";

export class ReceiverMaps implements ReceiverRows {
  /** In the order in which they were made. */
  readonly #receivers = new Map<ReceiverId, Receiver>();
  /** When each event was taken, by its name; oldest first. */
  readonly #taken = new Map<ReceiverId, Map<string, number>>();

  /** Rows are replaced and never changed in place, so that sharing them is a copy. */
  copyFrom(other: ReceiverMaps): void {
    for (const [id, receiver] of other.#receivers) this.#receivers.set(id, receiver);
    for (const [id, taken] of other.#taken) this.#taken.set(id, new Map(taken));
  }

  all(): readonly Receiver[] {
    return [...this.#receivers.values()];
  }

  find(id: ReceiverId): Receiver | undefined {
    return this.#receivers.get(id);
  }

  hasTaken(id: ReceiverId, jti: string): boolean {
    return this.#taken.get(id)?.has(jti) ?? false;
  }

  put(receiver: Receiver): void {
    this.#receivers.set(receiver.id, receiver);
  }

  remove(id: ReceiverId): void {
    this.#receivers.delete(id);
    this.#taken.delete(id);
  }

  take({ receiver: id, jti, as }: Omit<TakeEvent, "effect">, at: number): void {
    const receiver = this.#receivers.get(id);
    if (receiver === undefined || this.hasTaken(id, jti)) return;
    this.#taken.set(id, (this.#taken.get(id) ?? new Map<string, number>()).set(jti, at));
    if (as === "control") return;
    const unmatched = receiver.unmatched + Number(as === "unmatched");
    this.put({ ...receiver, events: receiver.events + 1, unmatched, heardAt: at, eventAt: at });
  }

  removeTaken(before: number, limit: number): number {
    let removed = 0;
    for (const taken of this.#taken.values()) {
      for (const [jti, at] of taken) {
        if (at >= before || removed >= limit) break;
        taken.delete(jti);
        removed += 1;
      }
    }
    return removed;
  }
}
