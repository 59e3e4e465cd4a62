/**
 * Requests over the network: one question, at most one answer. A question may arrive twice (a proxy that tries again),
 * answers to different questions overtake each other, and what is lost in the dark is simply never answered.
 */
import type { Machine } from "./machine.ts";
import type { Network } from "./network.ts";

export type Answerer = (request: Request) => Promise<Response>;

export interface Route {
  readonly network: Network;
  readonly from: Machine;
  readonly to: Machine;
  /** Who answers on the other machine now; `null` for nobody. */
  readonly answerer: () => Answerer | null;
}

/** `fetch` from one machine to another. Rejects as fetch does: a TypeError where the connection fails, or as aborted. */
export function request(route: Route, url: string, init: RequestInit): Promise<Response> {
  const { network, from, to, answerer } = route;
  const deliver = from.toThisProcess();
  return new Promise((resolve, reject) => {
    const back = (tell: () => void): void => {
      if (!network.loses(to, from)) network.bring(to, from, () => deliver(tell));
    };
    const ask = (): void => {
      if (network.loses(from, to)) return;
      network.bring(from, to, () => {
        const answer = answerer();
        if (answer === null || !to.alive || network.refuses(from, to)) {
          back(() => reject(new TypeError("fetch failed")));
          return;
        }
        const silence = to.onCrash((silently) => {
          // Its kernel says that nobody is there any more.
          if (!silently) back(() => reject(new TypeError("fetch failed")));
        });
        to.deliver(() => {
          answer(new Request(url, { ...init, signal: null })).then(
            (response) => {
              silence();
              back(() => resolve(response));
            },
            () => back(() => reject(new TypeError("fetch failed"))),
          );
        });
      });
    };
    const { signal } = init;
    if (signal?.aborted) {
      reject(new DOMException("aborted", "AbortError"));
      return;
    }
    signal?.addEventListener("abort", () => reject(new DOMException("aborted", "AbortError")), { once: true });
    ask();
    if ((init.method ?? "GET") === "GET" && network.doubles(from, to)) ask();
  });
}
