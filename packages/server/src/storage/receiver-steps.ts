/** The steps (steps.ts) of receivers. */
import type { ReceiverId } from "../prelude/ids.ts";
import type { Effect } from "../revocation/effects.ts";
import {
  beginReceiver,
  MOST_RECEIVERS,
  noteOf,
  type Receiver,
  type ReceiverDraft,
  type ReceiverNote,
} from "../ssf/receiver.ts";
import { apply } from "./apply.ts";
import type { Rows } from "./rows.ts";
import { SLICE } from "./slice.ts";

export const RECEIVER_STEPS = {
  createReceiver(rows: Rows, now: number, draft: ReceiverDraft, effects: readonly Effect[]): Receiver | "too_many" {
    if (rows.receivers.all().length >= MOST_RECEIVERS) return "too_many";
    const receiver = beginReceiver(draft, now);
    rows.receivers.put(receiver);
    apply(rows, effects, now);
    return receiver;
  },

  noteReceiver(
    rows: Rows,
    now: number,
    id: ReceiverId,
    note: ReceiverNote,
    effects: readonly Effect[],
  ): Receiver | undefined {
    const receiver = rows.receivers.find(id);
    if (receiver === undefined) return undefined;
    const noted = noteOf(receiver, note, now);
    rows.receivers.put(noted);
    apply(rows, effects, now);
    return noted;
  },

  deleteReceiver(rows: Rows, now: number, id: ReceiverId, effects: readonly Effect[]): boolean {
    if (rows.receivers.find(id) === undefined) return false;
    rows.receivers.remove(id);
    apply(rows, effects, now);
    return true;
  },

  /** One slice; returns how many names it removed. */
  forgetTaken(rows: Rows, _now: number, before: number): number {
    return rows.receivers.removeTaken(before, SLICE);
  },
} as const;
