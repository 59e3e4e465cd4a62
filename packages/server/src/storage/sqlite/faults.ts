/**
 * SQLite's result codes (sqlite.org/rescode.html) as our faults: which of them trying again can cure, and what an
 * operator should read when the server cannot start.
 */
import { StartRefused, Unavailable } from "../../prelude/fault.ts";

const CODES: Record<number, { readonly serving: string; readonly starting: (file: string) => string }> = {
  3: { serving: "the database may not be accessed", starting: unwritable },
  5: { serving: "the database is locked by another process", starting: held },
  6: { serving: "the database is locked", starting: held },
  7: { serving: "the database ran out of memory", starting: (file) => `There is not enough memory to open ${file}.` },
  8: { serving: "the database cannot be written", starting: unwritable },
  10: {
    serving: "reading or writing the database failed",
    starting: (file) => `Reading or writing ${file} fails: look at the disk and at the system's log.`,
  },
  11: { serving: "the database is damaged", starting: damaged },
  13: {
    serving: "the disk is full",
    starting: (file) => `The disk that holds ${file} is full: make room and start again; nothing was lost.`,
  },
  14: { serving: "the database cannot be opened", starting: unwritable },
  15: { serving: "the database is locked", starting: held },
  26: {
    serving: "the file is not a database",
    starting: (file) => `${file} is not a database: MAPAE_DATA may point to the wrong folder.`,
  },
};

function unwritable(file: string): string {
  return `The database ${file} cannot be written: its folder must exist, and file and folder must be writable by this user.`;
}

function held(file: string): string {
  return `Another process uses the database ${file}: stop that server first, or go through it.`;
}

function damaged(file: string): string {
  return `The database ${file} is damaged: restore a backup (mapae restore), and keep the damaged file for inspection.`;
}

/** The primary result code of an error of `node:sqlite`; `null` for any other error. */
function resultCode(error: unknown): number | null {
  if (!(error instanceof Error) || !("errcode" in error) || typeof error.errcode !== "number") return null;
  return error.errcode & 0xff;
}

/** How the errors of the engine reach a caller while serving, also out of another thread. */
export interface FaultReport {
  readonly unavailable: boolean;
  readonly message: string;
}

export function reportOf(error: unknown): FaultReport {
  const row = CODES[resultCode(error) ?? -1];
  if (row !== undefined) return { unavailable: true, message: row.serving };
  if (error instanceof Unavailable) return { unavailable: true, message: error.message };
  return { unavailable: false, message: error instanceof Error ? error.message : String(error) };
}

export function faultOf(report: FaultReport): Error {
  return report.unavailable ? new Unavailable(report.message) : new Error(report.message);
}

/** What the file system says before SQLite does, as the result code that says the same. */
const SYSTEM_CODES: Record<string, number> = {
  EACCES: 14,
  EPERM: 14,
  EROFS: 14,
  ENOENT: 14,
  ENOTDIR: 14,
  EISDIR: 14,
  ENOSPC: 13,
  EIO: 10,
};

/** What stops the start, as the one line for the operator. */
export function startRefusedBy(error: unknown, file: string): StartRefused {
  if (error instanceof StartRefused) return error;
  const system = error instanceof Error && "code" in error ? SYSTEM_CODES[String(error.code)] : undefined;
  const row = CODES[resultCode(error) ?? system ?? -1];
  const reason = error instanceof Error ? error.message : String(error);
  return new StartRefused(row === undefined ? `The database ${file} cannot be opened: ${reason}.` : row.starting(file));
}

export { damaged as damagedLine, held as heldLine };
