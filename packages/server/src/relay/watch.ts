/** Says what becomes of a relay's lease and why, once each time that it changes: for whoever reads its log. */
import type { RelayStatus } from "./relay.ts";

export interface RelayNews {
  readonly level: "info" | "warn" | "error";
  readonly says: string;
}

interface Told {
  readonly isLive: boolean;
  readonly trouble: string | null;
}

/** A circle does not mend by itself. */
const GRAVE = /circle/;

/** @returns what there is to say since the last time; `null` for nothing */
export function createWatch(): (status: RelayStatus) => RelayNews | null {
  let told: Told | null = null;
  return ({ leaseLeft, trouble, via, above, audience }) => {
    const now: Told = { isLive: leaseLeft > 0, trouble: leaseLeft > 0 ? null : trouble };
    const before = told;
    if (before?.isLive === now.isLive && before.trouble === now.trouble) return null;
    told = now;
    if (now.isLive) {
      const way =
        above.length === 0 ? "the issuer" : `${above.length} relay${above.length === 1 ? "" : "s"} to the issuer`;
      return { level: "info", says: `relays the revocations for ${audience} by ${via}, from ${way}` };
    }
    if (now.trouble === null) return before === null ? null : { level: "warn", says: "holds no lease, and gives none" };
    const level = GRAVE.test(now.trouble) ? "error" : "warn";
    return { level, says: `holds no lease, and gives none: ${now.trouble}` };
  };
}
