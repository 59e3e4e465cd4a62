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

/** What does not mend by itself. */
const GRAVE = /circle|refused the credentials|refused: unauthorized/;

/**
 * @param follows where upstream is, and as whom it is followed
 * @returns what there is to say since the last time; `null` for nothing
 */
export function createWatch(follows: {
  readonly upstream: string;
  readonly clientId: string;
}): (status: RelayStatus) => RelayNews | null {
  const without = `holds no lease from ${follows.upstream} (as ${follows.clientId}), and gives none`;
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
    if (now.trouble === null) return before === null ? null : { level: "warn", says: without };
    const level = GRAVE.test(now.trouble) ? "error" : "warn";
    return { level, says: `${without}: ${now.trouble}` };
  };
}
