/**
 * PostgreSQL's SQLSTATEs (postgresql.org/docs/current/errcodes-appendix.html) and the network's errors as our faults: which
 * of them trying again can cure, and which this driver tries again by itself.
 *
 * The database's own words can hold values of a row, so what goes on is a text of ours.
 */
import { DatabaseError } from "pg";
import { Unavailable } from "../../prelude/fault.ts";

/** What an operator reads of a state that passes. By SQLSTATE, or by its class: the first two characters. */
const PASSING: Readonly<Record<string, string>> = {
  "08": "the connection to the database was lost",
  "25006": "the database takes no writes: it is a standby, or set to read only",
  "25P03": "a transaction stood still for too long",
  "40": "the database undid a transaction that was in another's way",
  "53": "the database is out of resources",
  "53100": "the database's disk is full",
  "53300": "the database takes no more connections",
  "55P03": "a row was locked for too long",
  "57": "the database is stopping or starting",
  "57014": "the database took too long",
  "58": "the database's machine has a fault",
};

/** Another transaction was first: running the step again finds what it did. */
const RACES: readonly string[] = ["40001", "40P01", "23505"];
/** The statement's plan is of another time: of a schema before a migration, or of another server behind a proxy. */
const STALE_PLANS: readonly string[] = ["0A000", "26000"];

function stateOf(error: unknown): string | null {
  return error instanceof DatabaseError && error.code !== undefined ? error.code : null;
}

/** Whether nothing was committed for certain, and running it again at once may succeed. */
export function isRace(error: unknown): boolean {
  const state = stateOf(error);
  return state !== null && (RACES.includes(state) || STALE_PLANS.includes(state));
}

/** Whether the connection is of no use any more after this error. */
export function breaks(error: unknown): boolean {
  const state = stateOf(error);
  return state === null || state.startsWith("08") || state.startsWith("57P") || STALE_PLANS.includes(state);
}

/** An error of the engine as what callers get. */
export function faultOf(error: unknown): Error {
  if (error instanceof Unavailable) return error;
  const state = stateOf(error);
  if (state !== null && error instanceof DatabaseError) {
    const passing = PASSING[state] ?? PASSING[state.slice(0, 2)];
    if (passing !== undefined) return new Unavailable(passing);
    const about = [error.table, error.constraint, error.routine].filter((part) => part !== undefined).join(" ");
    return new Error(`PostgreSQL refused a statement: ${state}${about === "" ? "" : ` (${about})`}`);
  }
  if (error instanceof Error && isOfTheNetwork(error))
    return new Unavailable(`the database cannot be reached (${wordOf(error)})`);
  return error instanceof Error ? error : new Error(String(error));
}

/** The server's certificate is not what was asked for: trying again changes nothing. */
export function isOfTrust(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return /CERT|^ERR_(TLS|SSL)|^UNABLE_TO_/.test(code);
}

/** What the driver says without a code, when a connection fails or takes too long. */
const WORDS: readonly (readonly [RegExp, string])[] = [
  [/timeout exceeded when trying to connect|connection timeout|timeout expired/i, "no connection in time"],
  [/read timeout/i, "no answer in time"],
  [/terminated|not queryable|was closed/i, "the connection ended"],
];

function wordOf(error: Error): string {
  const code = "code" in error && typeof error.code === "string" ? error.code : null;
  return code ?? WORDS.find(([pattern]) => pattern.test(error.message))?.[1] ?? error.name;
}

function isOfTheNetwork(error: Error): boolean {
  if (
    "code" in error &&
    typeof error.code === "string" &&
    /^(E[A-Z]+|ERR_(TLS|SSL|SOCKET).*|UNABLE_TO_[A-Z_]+|[A-Z_]*CERT[A-Z_]*)$/.test(error.code)
  )
    return true;
  return WORDS.some(([pattern]) => pattern.test(error.message));
}
