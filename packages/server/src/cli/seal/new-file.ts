/**
 * A file that is there whole or not at all: written beside its place under another name, and given its name at the end. What
 * was begun is removed when it is given up, and when the process is told to stop.
 */

import { existsSync, rmSync } from "node:fs";
import { type FileHandle, link, open, rename, rm, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { systemWorld } from "../../prelude/world.ts";
import { CommandFailed, exitCode } from "../exit.ts";

export interface NewFile {
  /** In order; resolves when there is room for more. The octets must not change until the file is kept. */
  write(octets: Uint8Array): Promise<void>;
  /** Everything is on the disk; the file has no name yet. */
  settle(): Promise<void>;
  /** Gives it its name. Throws `CommandFailed` where that is taken meanwhile. */
  keep(): Promise<void>;
  /** Removes what was written; nothing where it was kept. */
  abandon(): Promise<void>;
}

export interface NewFileOptions {
  /** Replaces what is there. */
  readonly force: boolean;
  /** For what others may not read: 0600. */
  readonly secret: boolean;
}

/** As many writes may be under way. */
const UNDER_WAY = 4;

export async function beginFile(path: string, { force, secret }: NewFileOptions): Promise<NewFile> {
  refuseExisting(path, force);
  const name = `.${basename(path)}.${systemWorld.random.bytes(6).toString("hex")}.part`;
  const part = join(dirname(path), name);
  const handle = await opened(part, path, secret);
  const forget = removeOnStop(part);
  const writes: Promise<void>[] = [];
  let at = 0;
  let isOpen = true;
  let failure: unknown;
  const close = async () => {
    if (isOpen) await handle.close();
    isOpen = false;
  };
  const check = () => {
    if (failure !== undefined) throw new CommandFailed("failed", `${path} cannot be written${codeOf(failure)}`);
  };
  return {
    async write(octets) {
      check();
      const noted = (error: unknown) => {
        failure ??= error;
      };
      writes.push(writeAll(handle, octets, at).catch(noted));
      at += octets.length;
      if (writes.length > UNDER_WAY) await writes.shift();
    },
    async settle() {
      await Promise.all(writes);
      check();
      await handle.sync();
      await close();
    },
    async keep() {
      if (force) await rename(part, path);
      else await nameNew(part, path);
      forget();
    },
    async abandon() {
      await Promise.all(writes);
      await close();
      await rm(part, { force: true });
      forget();
    },
  };
}

/** Writes a small file whole. */
export async function writeFileWhole(path: string, octets: Uint8Array, options: NewFileOptions): Promise<void> {
  const file = await beginFile(path, options);
  try {
    await file.write(octets);
    await file.settle();
    await file.keep();
  } finally {
    await file.abandon();
  }
}

export function refuseExisting(path: string, force: boolean): void {
  if (!force && existsSync(path)) throw new CommandFailed("failed", `${path} exists; --force replaces it`);
}

async function opened(part: string, path: string, secret: boolean): Promise<FileHandle> {
  try {
    return await open(part, "wx", secret ? 0o600 : 0o666);
  } catch (error) {
    throw new CommandFailed("failed", `${path} cannot be written${codeOf(error)}`);
  }
}

/** `(ENOSPC)`: what an operator can look up. */
function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? ` (${String(error.code)})` : "";
}

async function writeAll(handle: FileHandle, octets: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < octets.length; ) {
    const { bytesWritten } = await handle.write(octets, done, octets.length - done, at + done);
    done += bytesWritten;
  }
}

/** A link fails where the name is taken, a rename would replace. Where there are no links, a look has to do. */
async function nameNew(part: string, path: string): Promise<void> {
  try {
    await link(part, path);
    await unlink(part);
  } catch (error) {
    if (codeOf(error) === " (EEXIST)") throw new CommandFailed("failed", `${path} exists; --force replaces it`);
    refuseExisting(path, false);
    await rename(part, path);
  }
}

function removeOnStop(part: string): () => void {
  const stop = (): void => {
    rmSync(part, { force: true });
    process.exit(exitCode("interrupted"));
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) process.once(signal, stop);
  return () => {
    for (const signal of signals) process.off(signal, stop);
  };
}
