/**
 * What a move finds at both ends, and what it does then: pure decisions, taken again whenever it is run, so that it can be
 * broken off anywhere.
 *
 *   source   none ─► moving ───────────────────────► gone                    (sqlite/moved.ts)
 *   target   empty ────────► filling ─► compared ─────────► done             (postgres/moved.ts)
 *
 * The order of the two last steps is what keeps an installation in one place: the source is given up before the target may
 * be served. Broken off between them, nothing serves until the move is run again.
 */
import type { MoveRecord } from "../postgres/moved.ts";
import type { MoveMark } from "../sqlite/moved.ts";

/** What stands in a database that something is to be moved to. */
export type Occupancy =
  /** Nothing, or a schema of ours without rows. */
  | { readonly kind: "empty" }
  /** Tables of another program. */
  | { readonly kind: "foreign" }
  /** Only a part of our tables' rows. */
  | { readonly kind: "partial" }
  /** An installation that is, or may be, served. */
  | { readonly kind: "installation"; readonly installation: string; readonly record: MoveRecord | null }
  /** What a move has left. */
  | { readonly kind: "unserved"; readonly record: MoveRecord };

export interface Source {
  readonly installation: string;
  readonly mark: MoveMark | null;
}

export type MoveRefusal =
  | "foreign"
  | "partial"
  /** It holds an installation that is not this one. */
  | "occupied"
  /** Another installation's move is under way there. */
  | "taken"
  /** It holds this installation already, and this file is an older copy of it. */
  | "arrived"
  /** The source went elsewhere. */
  | "gone";

export type Course =
  /** `again`: what was carried over before is old, since a program has used the source. */
  | { readonly go: "begin"; readonly again: boolean }
  | { readonly go: "resume" }
  /** All is done. */
  | { readonly go: "nothing"; readonly record: MoveRecord }
  | { readonly go: "refuse"; readonly why: MoveRefusal };

const refuse = (why: MoveRefusal): Course => ({ go: "refuse", why });

export function courseOf({ installation, mark }: Source, target: Occupancy): Course {
  const gone = mark?.gone === true;
  switch (target.kind) {
    case "foreign":
    case "partial":
      return refuse(target.kind);
    case "installation": {
      const { record } = target;
      if (target.installation !== installation) return refuse("occupied");
      if (gone && record !== null && record.move === mark.move) return { go: "nothing", record };
      return refuse(gone ? "gone" : "arrived");
    }
    case "empty":
      return gone ? refuse("gone") : { go: "begin", again: false };
    case "unserved": {
      const { record } = target;
      const same = record.move === mark?.move;
      if (record.state === "emptied") return gone && !same ? refuse("gone") : { go: "begin", again: false };
      if (same) return { go: "resume" };
      if (gone) return refuse("gone");
      return record.installation === installation ? { go: "begin", again: true } : refuse("taken");
    }
  }
}

export type UndoRefusal =
  /** The target holds nothing of this installation, and the source is not marked. */
  | "nothing"
  /** The source went, and not there. */
  | "elsewhere";

export type UndoCourse =
  /** `compares`: only where the target knows nothing that the source does not; a program has opened it. */
  | { readonly go: "undo"; readonly empties: boolean; readonly compares: boolean }
  | { readonly go: "refuse"; readonly why: UndoRefusal };

export function undoCourseOf({ installation, mark }: Source, target: Occupancy): UndoCourse {
  const record = target.kind === "installation" || target.kind === "unserved" ? target.record : null;
  const ours = record?.installation === installation;
  if (mark?.gone === true && record?.move !== mark.move) return { go: "refuse", why: "elsewhere" };
  if (record !== null && ours && record.state !== "emptied") {
    return { go: "undo", empties: true, compares: record.usedAt !== null };
  }
  return mark === null ? { go: "refuse", why: "nothing" } : { go: "undo", empties: false, compares: false };
}
