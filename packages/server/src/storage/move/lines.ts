/** Why a move, or its undoing, does not begin: one line each for the operator. */
import { foreignLine, halfMade } from "../postgres/prepare.ts";
import type { MoveMark } from "../sqlite/moved.ts";
import type { MoveRefusal, Occupancy, UndoRefusal } from "./situation.ts";

/** Sessions and tokens run out by the database's clock from then on: it must not be another time there. */
const CLOCKS_APART_MS = 60_000;

/** @param there the database's time, @param here this machine's: Unix milliseconds. @returns `null` where they agree */
export function clocksFault(there: number, here: number): string | null {
  if (Math.abs(there - here) <= CLOCKS_APART_MS) return null;
  return `The database's clock says ${moment(there)}, this machine's ${moment(here)}: sessions run out by the database's after the move. Set the wrong one, and move then.`;
}

interface Moving {
  readonly file: string;
  readonly mark: MoveMark | null;
}

const recordOf = (target: Occupancy) =>
  target.kind === "installation" || target.kind === "unserved" ? target.record : null;
const moment = (at: number | null | undefined): string => new Date(at ?? 0).toISOString();

function wentLine({ file, mark }: Moving): string {
  return `What was in ${file} was moved to ${mark?.target ?? "another database"} on ${moment(mark?.at)}`;
}

const REFUSALS: Readonly<Record<MoveRefusal, (source: Moving, says: string, target: Occupancy) => string>> = {
  foreign: (_, says) => foreignLine(says),
  partial: (_, says) => halfMade(says),
  occupied: (_, says) =>
    `The database ${says} holds another installation of Mapae: move to an empty database (or schema).`,
  taken: (_, says, target) =>
    `A move of another installation into ${says} is under way, from ${recordOf(target)?.source ?? "elsewhere"}: end or undo that one, or move to an empty database.`,
  arrived: ({ file }, says, target) => {
    const usedAt = recordOf(target)?.usedAt ?? null;
    const use = usedAt === null ? "" : `, opened last on ${moment(usedAt)}`;
    return `The database ${says} holds this installation already${use}: ${file} is an older copy of it, and nothing is moved.`;
  },
  gone: (source, says) => `${wentLine(source)}, and not to ${says}: mapae move --undo with that address goes back.`,
};

export function refusalLine(why: MoveRefusal, source: Moving, says: string, target: Occupancy): string {
  return REFUSALS[why](source, says, target);
}

const UNDO_REFUSALS: Readonly<Record<UndoRefusal, (source: Moving, says: string, target: Occupancy) => string>> = {
  nothing: ({ file }, says) => `There is nothing to undo: ${says} holds no move of ${file}.`,
  elsewhere: (source, says) => `${wentLine(source)}, and not to ${says}: give the address that it was moved to.`,
};

export function undoRefusalLine(why: UndoRefusal, source: Moving, says: string, target: Occupancy): string {
  return UNDO_REFUSALS[why](source, says, target);
}

/** @param changed tables whose rows are not those of the source any more */
export function usedLine(says: string, changed: readonly string[]): string {
  return `${says} has been used, and its rows are not those of the file any more (${changed.join(", ")}): what was ended or revoked there would be alive again. docs/moving.md, "The way back", says what is left.`;
}
