/**
 * What a server says of itself (INFO), judged: can sessions live there at all, and what would be lost how?
 */

/** The names and values of INFO. */
export type Info = Readonly<Record<string, string>>;

export interface Inspection {
  /** Why the server cannot hold sessions, as the end of a sentence; `null` where it can. */
  readonly refusal: string | null;
  /** What the operator should know, a sentence each. */
  readonly warnings: readonly string[];
}

/** Redis 7 is the oldest that is tested; every Valkey is newer. */
const OLDEST = 7;

export function parseInfo(text: string): Info {
  const lines = text.split("\r\n").filter((line) => line.includes(":"));
  return Object.fromEntries(lines.map((line) => line.split(/:(.*)/s, 2) as [string, string]));
}

function refusalOf(info: Info): string | null {
  const version = info.redis_version ?? "";
  if (!(Number.parseInt(version, 10) >= OLDEST))
    return `runs version ${version || "(unknown)"}, and Mapae needs Redis ${OLDEST} or Valkey`;
  if (info.redis_mode === "cluster" || info.cluster_enabled === "1") {
    return "is part of a cluster, which Mapae cannot use: give it a primary with replicas (Sentinel)";
  }
  if (info.role !== "master") return "is a replica and cannot be written: name its primary, or the Sentinels";
  if ((info.maxmemory_policy ?? "noeviction") !== "noeviction") {
    return `drops sessions when its memory is full (maxmemory-policy ${info.maxmemory_policy}): set it to noeviction`;
  }
  return null;
}

/**
 * @param waits how many replicas a log-in waits for
 * @param drift how far the server's clock is ahead of this machine's, in milliseconds
 */
export function inspect(info: Info, waits: number, drift: number): Inspection {
  const refusal = refusalOf(info);
  const warnings: string[] = [];
  if (info.aof_enabled !== "1") {
    warnings.push(
      "it writes no append-only file: a restart logs out who logged in since its last snapshot, or everyone",
    );
  }
  const replicas = Number(info.connected_slaves ?? 0);
  if (waits > replicas) {
    warnings.push(
      `${replicas} of the ${waits} replicas that a log-in waits for are connected: no log-in succeeds so far`,
    );
  } else if (waits > 0 && waits === replicas) {
    warnings.push("every one of its replicas must have a log-in: one that fails stops all log-ins; add another");
  } else if (waits === 0 && replicas > 0) {
    warnings.push("log-ins do not wait for its replicas (MAPAE_VALKEY_WAIT=0): a failover can lose the last ones");
  }
  if (Math.abs(drift) > 60_000) {
    warnings.push(`its clock and this machine's differ by ${Math.round(Math.abs(drift) / 1000)} s`);
  }
  return { refusal, warnings };
}
