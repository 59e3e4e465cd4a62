/** One at a time per key, in this process: what a row's lock is to a database. */
export class Locks {
  readonly #last = new Map<string, Promise<unknown>>();

  /** Runs a task once every task before it under the same key is over, however that ended. */
  run<T>(key: string, task: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key) ?? Promise.resolve();
    const mine = before.then(task, task);
    this.#last.set(key, mine);
    const tidy = () => {
      if (this.#last.get(key) === mine) this.#last.delete(key);
    };
    mine.then(tidy, tidy);
    return mine;
  }
}
