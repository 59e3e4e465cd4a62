/** Who hears of new entries of the revocation log. A listener that throws is our fault and must not undo the commit. */
import type { RevocationEntry } from "../revocation/entry.ts";

export type CommitListener = (entries: readonly RevocationEntry[]) => void;

export class CommitListeners {
  readonly #listeners: CommitListener[] = [];

  add(listener: CommitListener): void {
    this.#listeners.push(listener);
  }

  /** Calls every listener now; what one throws becomes an uncaught exception, after the others were called. */
  tell(entries: readonly RevocationEntry[]): void {
    if (entries.length === 0) return;
    for (const listener of this.#listeners) {
      try {
        listener(entries);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
