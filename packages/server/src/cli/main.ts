/**
 * The command line: reads the arguments by the table of commands, runs one, and turns whatever goes wrong into one line
 * `mapae: …` on stderr and an exit code.
 */
import { StartRefused, Unavailable } from "../prelude/fault.ts";
import { CommandFailed, exitCode } from "./exit.ts";
import { parserOf, type Run, UsageFault } from "./parser.ts";

/** Resolves to the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  // Whoever reads our output may stop reading (`| head`): that ends the command, and is no fault.
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit(exitCode("ok"));
  });
  try {
    return await parserOf(run).parse(args);
  } catch (error) {
    const failure = failureOf(error);
    if (failure.message !== "") process.stderr.write(`mapae: ${oneLine(failure.message)}\n`);
    return exitCode(failure.exit);
  }
}

const run: Run = async (row, given) => {
  const [{ createOutput }, { contextOf }, command] = await Promise.all([
    import("./output.ts"),
    import("./compose.ts"),
    row.load(),
  ]);
  const output = createOutput(given.flag("json"), process.stdout, process.stderr, process.env);
  return command(contextOf(row, given, output, process));
};

function failureOf(error: unknown): CommandFailed {
  if (error instanceof CommandFailed) return error;
  if (error instanceof UsageFault) return new CommandFailed("usage", error.message);
  if (error instanceof StartRefused) return new CommandFailed(error.passes ? "tryAgain" : "failed", error.message);
  if (error instanceof Unavailable) return new CommandFailed("tryAgain", error.message);
  throw error;
}

function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, " ").trim();
}
