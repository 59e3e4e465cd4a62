/** Puts a command's context together, from what it was given and the process it runs in. */
import type { CommandRow } from "./commands.ts";
import { connect, readSettings } from "./connection.ts";
import type { Context } from "./context.ts";
import type { Given } from "./given.ts";
import type { Output } from "./output.ts";
import type { Keyboard } from "./prompt.ts";

export function contextOf(
  row: CommandRow,
  given: Given,
  output: Output,
  process: Keyboard & { readonly env: NodeJS.ProcessEnv },
): Context {
  const config = () => readSettings(process.env, given.text("data"));
  return {
    given,
    output,
    keyboard: process,
    env: process.env,
    config,
    operate: async (work) => {
      const operator = await connect(config(), row.makes === true, output.say);
      try {
        return await work(operator);
      } finally {
        await operator.close();
      }
    },
  };
}
