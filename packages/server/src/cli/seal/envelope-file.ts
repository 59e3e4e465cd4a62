/** Where an envelope comes from: a file, or for a document stdin. A sealed file is read twice, and so not from a pipe. */
import { open } from "node:fs/promises";
import { type Discarded, isSealedFile, type Seekable, seekableHandle } from "@mapae/verifier/seal";
import type { Context } from "../context.ts";
import { CommandFailed, type ExitName } from "../exit.ts";

/** Longest text of a sealed document (docs/seal-format.md), with a line end or two. */
const TEXT_MAX = 2 * 1024 * 1024 + 16;
const HEAD_OCTETS = 8;

export type EnvelopeSource = { readonly text: string } | { readonly file: Seekable };

/** Reads the envelope at a path, or from stdin for `-`, and lets go of it after the work. */
export async function withEnvelope<T>(
  context: Context,
  path: string,
  work: (source: EnvelopeSource) => Promise<T>,
): Promise<T> {
  if (path === "-") return work({ text: await fromStdin(context) });
  const handle = await open(path, "r").catch(() => {
    throw new CommandFailed("failed", `the file ${path} cannot be read`);
  });
  try {
    const stat = await handle.stat();
    if (!stat.isFile())
      throw new CommandFailed("usage", `${path} is no file; a document's envelope may also come from stdin`);
    const file = seekableHandle(handle, stat.size);
    if (isSealedFile(await file.read(0, HEAD_OCTETS))) return await work({ file });
    // What is too long for a document is read as far as it takes to be refused.
    return await work({ text: asText(await file.read(0, Math.min(stat.size, TEXT_MAX))) });
  } finally {
    await handle.close();
  }
}

async function fromStdin({ keyboard }: Context): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of keyboard.stdin) {
    const octets = Buffer.from(part);
    parts.push(octets);
    size += octets.length;
    if (size >= HEAD_OCTETS && isSealedFile(Buffer.concat(parts))) {
      throw new CommandFailed("usage", "a sealed file is read twice: name it, instead of piping it");
    }
    if (size > TEXT_MAX) break;
  }
  return asText(Buffer.concat(parts));
}

/** An envelope that went through an editor or a mail has a line end behind it. */
function asText(octets: Uint8Array): string {
  return Buffer.from(octets)
    .toString("latin1")
    .replace(/[\r\n]+$/, "");
}

const EXITS = {
  not_from_sender: "notFromSender",
  not_for_me: "notForMe",
  seen_before: "seenBefore",
} as const satisfies Record<Discarded["code"], ExitName>;

/** Says that it was discarded, and why. @returns the exit code's name where it was told as JSON */
export function discard({ output }: Context, discarded: Discarded): ExitName {
  const exit = EXITS[discarded.code];
  if (!output.json) throw new CommandFailed(exit, discarded.message);
  const { code, why, message } = discarded;
  output.result({ ok: false, code, ...(why === null ? {} : { why }), message }, "");
  return exit;
}
