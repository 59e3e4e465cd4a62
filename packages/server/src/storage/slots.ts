/**
 * Slots of status lists inside a step: taken where a token is about to be issued, and made invalid by whatever is written
 * into the log. So a list is derived from the same rows as everything else that tells of a revocation, and a driver that
 * has the log right has the lists right.
 */
import type { Grant } from "../grants/grant.ts";
import type { RevocationKind } from "../revocation/entry.ts";
import type { Session } from "../sessions/session.ts";
import { nextSlot, type Slot, type SlotHolder, slotOfJti, takesTokens } from "../status/slot.ts";
import type { Rows } from "./rows.ts";

export function holderOf(session: Session, grant: Grant): SlotHolder {
  return { grant: grant.id, session: session.id, user: session.user, client: grant.client };
}

/**
 * The slot that a grant's next token names: the one it has, or another.
 * @param of the grant, which may be in another store
 * @param seed for a list that has to be opened; `null`: tokens name none
 */
export function slotFor(rows: Rows, of: SlotHolder, seed: Buffer | null, now: number): Slot | null {
  if (seed === null) return null;
  const { status } = rows;
  const { epoch } = rows.position();
  const held = status.slotOf(of.grant);
  const itsList = held === undefined ? undefined : status.list(held.list);
  if (held !== undefined && itsList !== undefined && takesTokens(itsList, epoch, now)) return held;
  const { list, slot } = nextSlot(status.newest(), epoch, seed, now);
  status.putList(list);
  status.addSlot(slot, of);
  return slot;
}

/** Makes invalid what the entry that was just written concerns. */
export function invalidate(rows: Rows, kind: RevocationKind, value: string): void {
  const { status } = rows;
  if (!status.any()) return;
  switch (kind) {
    case "token": {
      // Its siblings share the bit. They are refused by those who go by lists, and the next refresh gets another slot.
      const slot = slotOfJti(value);
      if (slot !== null) status.invalidateSlot(slot, rows.position());
      return;
    }
    case "session":
    case "grant":
    case "user":
    case "client":
      status.invalidateHeld(kind, value, rows.position());
      return;
    case "key": {
      // Nobody notes which key signed for which grant: what a key has ever signed is all that there is. One that never
      // signed has no tokens, but for those of a thief, who writes into them what he likes.
      const key = rows.keySet().keys.find(({ kid }) => kid === value);
      if (key === undefined || key.activatedAt !== null) status.voidLists();
      return;
    }
    case "all":
      status.voidLists();
  }
}
