/** `mapae strategies`: the table of what each strategy is and promises. */
import { CARRIED, PROMISES, type Promises, ROUTED, STRATEGIES, STRATEGY_NAMES } from "../../sessions/strategy.ts";
import type { Command } from "../context.ts";
import { exitCode } from "../exit.ts";
import { record } from "../output.ts";

const NAMES = Object.keys(PROMISES) as (keyof Promises)[];

export const strategies: Command = async ({ output }) => {
  const rows = STRATEGY_NAMES.map((strategy) => ({ strategy, ...STRATEGIES[strategy] }));
  if (output.json) {
    async function* all(): AsyncGenerator<typeof rows> {
      yield rows;
    }
    await output.list(all(), [], "");
    return exitCode("ok");
  }
  const told = rows.map((row) => {
    const members: (readonly [string, string])[] = [
      ["log-ins live in", row.sessionsIn],
      ["the app carries", CARRIED[row.carries]],
      ["a browser is sent to", ROUTED[row.routing]],
      ["needs", row.needs],
      ...NAMES.map((name) => [PROMISES[name], row.promises[name]] as const),
    ];
    return `${output.tone("strong", row.strategy)}  ${row.says}\n${indent(record(members))}`;
  });
  output.result(null, `${told.join("\n\n")}\n\nMAPAE_STRATEGY chooses one; docs/strategies.md explains them.`);
  return exitCode("ok");
};

function indent(text: string): string {
  return text.replaceAll(/^/gm, "  ");
}
