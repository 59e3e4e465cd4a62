/** `mapae doctor`: runs the table of checks; one line each, and what to do where something is to be done. */
import type { Command } from "../context.ts";
import { CHECKS, type Finding, type Status } from "../doctor/checks.ts";
import { gather } from "../doctor/facts.ts";
import { exitCode } from "../exit.ts";
import type { Tone } from "../output.ts";
import { pad, printable } from "../text.ts";

const TONES: Record<Status, Tone> = { ok: "good", warn: "doubtful", fail: "bad" };

export const doctor: Command = async ({ given, output, env }) => {
  const facts = await gather(env, given.text("data"));
  const findings: (Finding & { readonly check: string })[] = [];
  for (const [check, look] of Object.entries(CHECKS)) findings.push({ check, ...(await look(facts)) });
  const width = Math.max(...findings.map(({ check }) => check.length));
  const human = findings.map(({ check, status, says, todo }) => {
    const line = `${output.tone(TONES[status], pad(status, 4))}  ${pad(check, width)}  ${printable(says)}`;
    return todo === undefined ? line : `${line}\n${" ".repeat(width + 8)}→ ${printable(todo)}`;
  });
  const failed = findings.some(({ status }) => status === "fail");
  output.result({ healthy: !failed, checks: findings }, human.join("\n"));
  return exitCode(failed ? "failed" : "ok");
};
