/** What it was measured on, for whoever compares. */
import { readFileSync } from "node:fs";
import { arch, cpus, platform, release, totalmem } from "node:os";
import type { Pace } from "./story.ts";

export function circumstancesOf(
  pace: Pace,
  seeds: readonly number[],
  servers: number,
  versions: Readonly<Record<string, string>>,
): readonly (readonly [string, string])[] {
  const [first] = cpus();
  return [
    [
      "machine",
      `${cpus().length} cores (${first?.model.trim() ?? "unknown"}), ${Math.round(totalmem() / 2 ** 30)} GiB`,
    ],
    ["system", `${systemName()} (${platform()} ${release()}, ${arch()})`],
    ["Node.js", process.version],
    ...Object.entries(versions),
    ["servers", String(servers)],
    ["users", `${pace.users}, three in ten of them with a phone beside the PC`],
    ["pause", `${pace.pauseMs} ms on average between two things that one person does`],
    ["passwords", "Argon2id, m = 19 MiB, t = 2, p = 1: as in production"],
    ["watched", `${pace.watchMs / 1000} s after each fault`],
    ["a zombie is", "let in for more than 1 s after its end was answered"],
    ["seeds", seeds.join(", ")],
  ];
}

function systemName(): string {
  try {
    return /^PRETTY_NAME="(.*)"$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "unknown";
  } catch {
    return "unknown";
  }
}
