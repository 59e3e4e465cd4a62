/** The command line: the table of commands. */
import { serve } from "./serve.ts";

export async function main(args: readonly string[]): Promise<number> {
  if (args[0] === "serve") return serve(process.env);
  process.stderr.write("mapae: unknown command\n");
  return 2;
}
