/** `mapae lb haproxy|nginx`: a load balancer's configuration for these servers, on stdout or into a file. */
import { writeFileSync } from "node:fs";
import { STRATEGIES, STRATEGY_NAMES, type StrategyName } from "../../sessions/strategy.ts";
import type { Command } from "../context.ts";
import { CommandFailed, exitCode } from "../exit.ts";
import { haproxyConfig } from "../lb/haproxy.ts";
import { nginxConfig } from "../lb/nginx.ts";
import { type LbPlan, planLb } from "../lb/plan.ts";

const WRITERS = { haproxy: haproxyConfig, nginx: nginxConfig } as const satisfies Record<
  string,
  (plan: LbPlan) => string
>;

export const lb: Command = async ({ given, output }) => {
  const program = Object.entries(WRITERS).find(([name]) => name === given.required("program"));
  if (program === undefined) {
    throw new CommandFailed("usage", `there is a configuration for ${Object.keys(WRITERS).join(" and ")}`);
  }
  const [name, write] = program;
  const strategy = strategyNamed(given.text("strategy") ?? "token");
  const planned = planLb({
    servers: given.texts("server"),
    listen: given.text("listen") ?? ":8080",
    certificate: given.text("certificate") ?? null,
    sticky: STRATEGIES[strategy].routing !== "any",
  });
  if (!planned.ok) throw new CommandFailed("usage", planned.message);
  const head = [
    `# Mapae behind ${name}, for MAPAE_STRATEGY=${strategy}. Made by: mapae lb ${name}`,
    "# Set MAPAE_ISSUER to the public address, and MAPAE_TRUSTED_PROXIES to the addresses that this machine calls from.",
    "",
  ].join("\n");
  const config = `${head}${write(planned.plan)}`;
  const out = given.text("out");
  if (out === undefined) {
    // As it is, to be redirected into a file.
    output.result({ program: name, strategy, config }, config.trimEnd());
    return exitCode("ok");
  }
  try {
    writeFileSync(out, config, { flag: given.flag("force") ? "w" : "wx", mode: 0o644 });
  } catch (error) {
    const exists = error instanceof Error && "code" in error && error.code === "EEXIST";
    throw new CommandFailed(
      "failed",
      exists ? `${out} is there already: --force replaces it` : `${out} cannot be written`,
    );
  }
  const count = planned.plan.servers.length;
  output.result(
    { program: name, strategy, out },
    `${out}: ${count} ${count === 1 ? "server" : "servers"}, ${strategy}`,
  );
  return exitCode("ok");
};

function strategyNamed(text: string): StrategyName {
  const name = STRATEGY_NAMES.find((each) => each === text);
  if (name === undefined) throw new CommandFailed("usage", `--strategy is one of ${STRATEGY_NAMES.join(", ")}`);
  return name;
}
