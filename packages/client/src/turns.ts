/**
 * Turns: pieces of work of one name run one after the other, within this process. A failed one does not stop the next.
 * As with a Web Lock, the signal ends the waiting, not the work: where it fires first the work is never begun.
 */

const last = new Map<string, Promise<unknown>>();

export function inTurn<T>(name: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  const before = last.get(name) ?? Promise.resolve();
  const mine = new Promise<T>((resolve, reject) => {
    const begin = () => {
      if (signal?.aborted) return;
      signal?.removeEventListener("abort", giveUp);
      work().then(resolve, reject);
    };
    const giveUp = () => reject(signal?.reason);
    signal?.addEventListener("abort", giveUp, { once: true });
    before.then(begin, begin);
  });
  // Who gave up waiting leaves the queue to those behind, who still wait for the one before.
  const end = Promise.allSettled([before, mine]);
  last.set(name, end);
  end.then(() => {
    if (last.get(name) === end) last.delete(name);
  });
  return mine;
}
