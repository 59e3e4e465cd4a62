/** Event streams and their queue, as Maps and lists. */
import type { StreamId, UserId } from "../../prelude/ids.ts";
import type { NewSignal, Signal } from "../../ssf/signal.ts";
import type { Stream } from "../../ssf/stream.ts";
import type { SsfRows } from "../ssf-rows.ts";

export class SsfMaps implements SsfRows {
  readonly #epoch: () => number;
  /** In the order in which they were made. */
  readonly #streams = new Map<StreamId, Stream>();
  readonly #exceptions = new Map<StreamId, ReadonlySet<UserId>>();
  #queue: Signal[] = [];
  #seq = 0;

  /** @param epoch of the log */
  constructor(epoch: () => number) {
    this.#epoch = epoch;
  }

  /** Rows are replaced and never changed in place, so that sharing them is a copy. */
  copyFrom(other: SsfMaps): void {
    for (const [id, stream] of other.#streams) this.#streams.set(id, stream);
    for (const [id, users] of other.#exceptions) this.#exceptions.set(id, users);
    this.#queue = [...other.#queue];
    this.#seq = other.#seq;
  }

  streams(): readonly Stream[] {
    return [...this.#streams.values()];
  }

  stream(id: StreamId): Stream | undefined {
    return this.#streams.get(id);
  }

  anyStream(): boolean {
    return this.streams().some(({ status }) => status !== "disabled");
  }

  putStream(stream: Stream): void {
    this.#streams.set(stream.id, stream);
  }

  removeStream(id: StreamId): void {
    this.#streams.delete(id);
    this.#exceptions.delete(id);
  }

  exceptions(stream: StreamId, users: readonly UserId[]): readonly UserId[] {
    return users.filter((user) => this.#exceptions.get(stream)?.has(user));
  }

  addException(stream: StreamId, user: UserId): void {
    this.#exceptions.set(stream, new Set([...(this.#exceptions.get(stream) ?? []), user]));
  }

  removeException(stream: StreamId, user: UserId): void {
    const others = [...(this.#exceptions.get(stream) ?? [])].filter((other) => other !== user);
    this.#exceptions.set(stream, new Set(others));
  }

  signalHead(): number {
    return this.#seq;
  }

  signals(after: number, limit: number): readonly Signal[] {
    return this.#queue.filter(({ seq }) => seq > after).slice(0, limit);
  }

  enqueueSignal({ nth, ...signal }: NewSignal): void {
    this.#seq += 1;
    this.#queue.push({ ...signal, seq: this.#seq, epoch: this.#epoch(), cause: this.#seq - nth });
  }

  outdatedSignals(before: number, upTo: number, limit: number): readonly Signal[] {
    const fresh = this.#queue.findIndex(({ at, seq }) => at >= before && seq > upTo);
    return this.#queue.slice(0, Math.min(limit, fresh < 0 ? this.#queue.length : fresh));
  }

  dequeueSignals(upTo: number): void {
    this.#queue = this.#queue.filter(({ seq }) => seq > upTo);
  }
}
