/** What `npm run simulate` is asked for: its arguments, read and refused before anything is started. */
import { parseArgs } from "node:util";
import { FAULTS } from "./faults.ts";

export interface Run {
  readonly from: number;
  /** Infinity: as many as fit into the time. */
  readonly seeds: number;
  readonly withinMs: number;
  readonly threads: number | null;
  /** The name of a fault to plant; `null` for the product as it is. */
  readonly fault: string | null;
  readonly wantsTraces: boolean;
}

export type Command =
  | { readonly is: "run"; readonly run: Run }
  | { readonly is: "help" }
  | { readonly is: "refused"; readonly why: string };

const SEEDS_USUAL = 200;
const OPTIONS = {
  seeds: { type: "string" },
  from: { type: "string", default: "1" },
  minutes: { type: "string" },
  fault: { type: "string" },
  threads: { type: "string" },
  trace: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
} as const;

export const HELP = `npm run simulate -- [--seeds N] [--from SEED] [--minutes M] [--fault NAME]

Runs the feed, the leases and the verifier in a simulated world of troubles, one world for each seed.
See docs/revocation.md, "Trying it".

  --seeds N      how many seeds (${SEEDS_USUAL}; with --minutes: as many as fit)
  --from SEED    the first of them (1)
  --minutes M    begin no seed after so many minutes
  --fault NAME   plant a fault and stop at the first seed that catches it
  --threads N    seeds at a time (as many as there are processors)
  --trace        print what happened in every seed, not only where something was found
  --help         this

Exit code: 0 everything held (with --fault: it was caught), 1 not so, 2 the arguments are wrong.

Faults:
${FAULTS.map(({ name }) => `  ${name}`).join("\n")}
`;

export function readCommand(words: readonly string[]): Command {
  const refused = (why: string): Command => ({ is: "refused", why });
  let values: ReturnType<typeof parse>;
  try {
    values = parse(words);
  } catch (error) {
    return refused(error instanceof Error ? (error.message.split(". ")[0] ?? error.message) : String(error));
  }
  if (values.help) return { is: "help" };
  const minutes = values.minutes === undefined ? Number.POSITIVE_INFINITY : positive(values.minutes);
  const seeds = values.seeds === undefined ? null : whole(values.seeds, 1);
  const from = whole(values.from, 0);
  const threads = values.threads === undefined ? null : whole(values.threads, 1);
  if (Number.isNaN(minutes)) return refused("--minutes must be a number above 0");
  if (Number.isNaN(seeds)) return refused("--seeds must be a whole number from 1 on");
  if (Number.isNaN(from)) return refused("--from must be a whole number");
  if (threads !== null && !(threads <= 64)) return refused("--threads must be a whole number from 1 to 64");
  const { fault = null } = values;
  if (fault !== null && !FAULTS.some(({ name }) => name === fault)) {
    return refused(`there is no fault ${JSON.stringify(fault)}; --help lists them`);
  }
  const usual = values.minutes === undefined ? SEEDS_USUAL : Number.POSITIVE_INFINITY;
  const run = { from, seeds: seeds ?? usual, withinMs: minutes * 60_000, threads, fault, wantsTraces: values.trace };
  return { is: "run", run };
}

/** @throws TypeError for what is no option */
function parse(words: readonly string[]) {
  return parseArgs({ args: [...words], options: OPTIONS }).values;
}

/** NaN for what is no such number. */
function whole(text: string, least: number): number {
  const number = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  return number >= least ? number : Number.NaN;
}

function positive(text: string): number {
  const number = /^\d{1,6}(\.\d{1,6})?$/.test(text) ? Number(text) : Number.NaN;
  return number > 0 ? number : Number.NaN;
}
