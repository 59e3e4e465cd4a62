/**
 * The list of documents that were opened before: a text file to which lines are appended and of which none is ever changed.
 *
 *   # mapae: documents seen before …
 *   opened <sender's key> <document id> <claim> <time>
 *   withdrawn <claim>
 *
 * Whoever wants to open a document appends its claim and then reads the file: the first claim of a document that was not
 * withdrawn is the one that counts. So of two that come at once one goes on, without a lock that a crash would leave behind;
 * an append of one line is one write, which lands behind every other.
 */
import { type FileHandle, open, readFile } from "node:fs/promises";
import type { Envelope, SeenList } from "@mapae/verifier/seal";
import { systemWorld } from "../../prelude/world.ts";
import { CommandFailed } from "../exit.ts";

const HEAD = "# mapae: documents seen before; lines may be deleted, which lets their documents be opened again\n";
const OPENED = /^opened ([\w-]{43}) ([\w-]{22}) ([\w-]{16}) \S+$/;
const WITHDRAWN = /^withdrawn ([\w-]{16})$/;

export interface SeenFile extends SeenList {
  /** Takes back what was admitted last: the document was not delivered after all. */
  withdraw(): Promise<void>;
}

/**
 * The claim that counts for each document, by sender and id; null where the text is no such list. A last line without an
 * end was cut off by a crash, and counts for nothing.
 */
export function claimsIn(text: string): ReadonlyMap<string, string> | null {
  const whole = text.slice(0, text.lastIndexOf("\n") + 1);
  const claims: { readonly document: string; readonly claim: string }[] = [];
  const withdrawn = new Set<string>();
  for (const line of whole.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const [, from, id, claim] = OPENED.exec(line) ?? [];
    const back = WITHDRAWN.exec(line)?.[1];
    if (from !== undefined && id !== undefined && claim !== undefined)
      claims.push({ document: `${from} ${id}`, claim });
    else if (back !== undefined) withdrawn.add(back);
    else if (!isCutOff(line)) return null;
  }
  const counting = new Map<string, string>();
  for (const { document, claim } of claims) {
    if (!withdrawn.has(claim) && !counting.has(document)) counting.set(document, claim);
  }
  return counting;
}

/** A crash may have cut a line off in its middle; the next append began a new one behind it. */
function isCutOff(line: string): boolean {
  const begins = ["opened ", "withdrawn "].some((word) => line.startsWith(word) || word.startsWith(line));
  return begins && /^[\w .:-]+$/.test(line);
}

export function seenFile(path: string): SeenFile {
  const claim = systemWorld.random.bytes(12).toString("base64url");
  const documentOf = ({ from, id }: Envelope) => `${from} ${id}`;

  async function claims(): Promise<ReadonlyMap<string, string>> {
    const read = claimsIn(await textOf(path));
    if (read === null) throw new CommandFailed("usage", `${path} is not a list of documents seen before`);
    return read;
  }

  return {
    has: async (envelope) => (await claims()).has(documentOf(envelope)),
    async admit(envelope) {
      // Not into a file that is something else.
      await claims();
      const time = new Date(systemWorld.clock.now()).toISOString();
      await append(path, `opened ${documentOf(envelope)} ${claim} ${time}\n`);
      const won = (await claims()).get(documentOf(envelope)) === claim;
      // A claim that lost must not count later, should the other one be withdrawn.
      if (!won) await append(path, `withdrawn ${claim}\n`);
      return won;
    },
    withdraw: () => append(path, `withdrawn ${claim}\n`),
  };
}

async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "";
    throw new CommandFailed("failed", `the list ${path} cannot be read`);
  }
}

/** One write, on the disk when it returns. */
async function append(path: string, line: string): Promise<void> {
  let handle: FileHandle;
  try {
    handle = await open(path, "a+", 0o600);
  } catch {
    throw new CommandFailed("failed", `the list ${path} cannot be written`);
  }
  try {
    const { size } = await handle.stat();
    const last = Buffer.alloc(1);
    if (size > 0) await handle.read(last, 0, 1, size - 1);
    const before = size === 0 ? HEAD : last.toString() === "\n" ? "" : "\n";
    await handle.write(`${before}${line}`);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
