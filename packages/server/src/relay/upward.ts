/**
 * What a relay says upstream of those behind it: up to where no verifier behind it can accept what was revoked, and how
 * many those are. A relay speaks for others, so it asks itself what the login server asks (feed/confirm.ts) and answers
 * when that is confirmed:
 *
 *   applied ──► read the registry ──► all acknowledged, or hold no lease any more ──► acknowledge upstream
 *
 * Who comes later gets its first lease behind a head that has it. What an earlier process of this relay gave is no longer
 * than its own lease, for which upstream waits.
 */
import { type Behind, UNBOUND_MAX } from "@mapae/verifier/revocation";
import type { Standing } from "../feed/registry.ts";
import { isBefore, type Position } from "../revocation/entry.ts";

/** The verifiers behind a relay and a position, in as many parts as frames are needed to name those that may accept without a lease. */
export function behindAt(position: Position, standings: readonly Standing[]): readonly Behind[] {
  let verifiers = 0;
  let silent = 0;
  const unbound = new Set<string>();
  /** Of two who show one ticket, the slower counts. */
  const missing = new Set<string>();
  for (const { acked, behind, ticket } of standings) {
    if (isBefore(acked, position)) {
      silent += behind === null ? 1 : behind.verifiers + behind.silent;
      if (ticket !== undefined) missing.add(ticket);
      continue;
    }
    verifiers += behind?.verifiers ?? 1;
    silent += behind?.silent ?? 0;
    if (ticket !== undefined) unbound.add(ticket);
    for (const one of behind?.unbound ?? []) unbound.add(one);
  }
  const named = [...unbound].filter((ticket) => !missing.has(ticket));
  const parts: Behind[] = [];
  do parts.push({ verifiers, silent, unbound: named.splice(0, UNBOUND_MAX) });
  while (named.length > 0);
  return parts;
}

export interface UpwardParts {
  /** Resolves when no verifier behind this relay can accept what was revoked up to a position; `false`: it ends before. */
  readonly settled: (position: Position) => Promise<boolean>;
  readonly standings: () => readonly Standing[];
  readonly say: (position: Position, behind: Behind) => void;
}

/** One question at a time; what is applied meanwhile is asked about together, next. */
export class Upward {
  readonly #parts: UpwardParts;
  #asking = false;
  /** What was said last, and on which link. */
  #said: { readonly link: number; readonly position: Position } | null = null;
  #wanted: { readonly link: number; readonly position: Position } | null = null;

  constructor(parts: UpwardParts) {
    this.#parts = parts;
  }

  /** Everything up to a position is applied here, while upstream is heard on a link; `null` for none. */
  applied(position: Position, link: number | null): void {
    this.#wanted = link === null ? null : { link, position };
    const said = this.#said;
    if (link === null || this.#asking) return;
    if (said !== null && said.link === link && !isBefore(said.position, position)) return;
    this.#asking = true;
    this.#parts.settled(position).then((isConfirmed) => {
      this.#asking = false;
      if (!isConfirmed) return;
      for (const behind of behindAt(position, this.#parts.standings())) this.#parts.say(position, behind);
      this.#said = { link, position };
      if (this.#wanted !== null) this.applied(this.#wanted.position, this.#wanted.link);
    });
  }
}
