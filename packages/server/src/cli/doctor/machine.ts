/** What the doctor asks of the machine. */
import { readFileSync, statfsSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { dirname } from "node:path";

/** The permission bits; `null` where there is nothing, and on Windows, which has none. */
export function modeOf(path: string): number | null {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return null;
  return process.platform === "win32" ? 0 : found.mode & 0o777;
}

/** What this user may still write to the disk of a path (which need not exist yet); `null` where it cannot be told. */
export function freeBytes(path: string): number | null {
  for (let at = path; ; at = dirname(at)) {
    try {
      const { bavail, bsize } = statfsSync(at);
      return bavail * bsize;
    } catch {
      if (at === dirname(at)) return null;
    }
  }
}

/** Why a port cannot be had, by trying; `null` where it can. */
export function portFault(host: string, port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", (error: NodeJS.ErrnoException) => resolve(`${host}:${port}: ${error.code ?? error.message}`));
    probe.listen(port, host, () => probe.close(() => resolve(null)));
  });
}

/** The secrets in a file, newest first; nothing is made. */
export function readSecretFile(file: string): readonly string[] | undefined {
  try {
    return readFileSync(file, "utf8")
      .split(/\s+/)
      .filter((line) => line !== "");
  } catch {
    return undefined;
  }
}
