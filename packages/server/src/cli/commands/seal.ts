/** `mapae seal`: a document or a file of any size, for one recipient. */
import { open } from "node:fs/promises";
import {
  DOCUMENT_MAX,
  octetsOf,
  type PrivateKeys,
  type PublicKeys,
  sealDocument,
  sealFile,
  seekableHandle,
} from "@mapae/verifier/seal";
import { systemWorld } from "../../prelude/world.ts";
import type { Command, Context } from "../context.ts";
import { CommandFailed, exitCode } from "../exit.ts";
import { beginFile, refuseExisting } from "../seal/new-file.ts";
import { firstOf, ownKeys, place, publishedKeys } from "../seal/party-keys.ts";
import { size } from "../text.ts";

export const sealCommand: Command = async (context) => {
  const { given, output } = context;
  const [fromAt, toAt, outAt] = [
    place(context, "from", "who seals it"),
    place(context, "to", "who may open it"),
    place(context, "out", "where the envelope goes"),
  ];
  const force = given.flag("force");
  if (outAt !== "-") refuseExisting(outAt, force);
  else if (output.json) throw new CommandFailed("usage", "--json and --out - both want stdout");
  const from = await ownKeys(context, fromAt);
  const to = await publishedKeys(context, toAt);
  const sender = firstOf(from.signing, fromAt, "signatures").name;
  const recipient = firstOf(to.encrypting, toAt, "encryption").name;
  const path = given.arg("file") ?? "-";
  await withOctets(context, path, async (octets) => {
    const sealed = envelopeOf(octets, from, to);
    if (outAt === "-") return toStdout(sealed);
    const file = await beginFile(outAt, { force, secret: false });
    try {
      for await (const part of sealed) await file.write(part);
      await file.settle();
      await file.keep();
    } finally {
      await file.abandon();
    }
  });
  output.say(`Sealed by ${sender} for ${recipient}.`);
  if (outAt !== "-") output.result({ sealed: outAt, from: sender, to: recipient }, outAt);
  return exitCode("ok");
};

/** A document where it is small enough for one, and a file in pieces otherwise: which of the two shows as it flows. */
async function* envelopeOf(
  octets: AsyncIterator<Uint8Array>,
  from: PrivateKeys,
  to: PublicKeys,
): AsyncGenerator<Uint8Array> {
  const options = { from, to, clock: () => systemWorld.clock.now() };
  const first: Uint8Array[] = [];
  let held = 0;
  let next = await octets.next();
  while (next.done !== true && held + next.value.length <= DOCUMENT_MAX) {
    first.push(Uint8Array.from(next.value));
    held += next.value.length;
    next = await octets.next();
  }
  if (next.done === true) {
    yield Buffer.from(await sealDocument(Buffer.concat(first), options));
    return;
  }
  let rest: IteratorResult<Uint8Array> = next;
  async function* all(): AsyncGenerator<Uint8Array> {
    yield* first;
    for (; rest.done !== true; rest = await octets.next()) yield rest.value;
  }
  yield* sealFile(all(), options);
}

async function withOctets(
  context: Context,
  path: string,
  work: (octets: AsyncIterator<Uint8Array>) => Promise<void>,
): Promise<void> {
  if (path === "-") {
    const { stdin } = context.keyboard;
    async function* piped(): AsyncGenerator<Uint8Array> {
      for await (const part of stdin) yield Buffer.from(part);
    }
    return work(piped());
  }
  const handle = await open(path, "r").catch(() => {
    throw new CommandFailed("failed", `the file ${path} cannot be read`);
  });
  try {
    const stat = await handle.stat();
    if (stat.isDirectory()) throw new CommandFailed("usage", `${path} is a folder; pack it first (tar)`);
    const source = seekableHandle(handle, stat.size);
    await work(stat.isFile() ? told(octetsOf(source), stat.size, context) : handle.readableWebStream().values());
  } finally {
    await handle.close();
  }
}

async function* told(
  octets: AsyncIterable<Uint8Array>,
  total: number,
  { output }: Context,
): AsyncGenerator<Uint8Array> {
  let done = 0;
  for await (const part of octets) {
    yield part;
    done += part.length;
    if (total > DOCUMENT_MAX) output.progress(`${size(done)} of ${size(total)} …`);
  }
}

async function toStdout(parts: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const part of parts) {
    if (!process.stdout.write(part)) await new Promise((resolve) => process.stdout.once("drain", resolve));
  }
}
