/**
 * `mapae open`: first who sent it, then what it says. Nothing appears under its name before all of it is known to be the
 * sender's and whole.
 */
import {
  makeReceipt,
  type Opened,
  type OpenOptions,
  openDocument,
  openFile,
  type PrivateKeys,
} from "@mapae/verifier/seal";
import { systemWorld } from "../../prelude/world.ts";
import type { Command, Context } from "../context.ts";
import { CommandFailed, exitCode } from "../exit.ts";
import { discard, type EnvelopeSource, withEnvelope } from "../seal/envelope-file.ts";
import { beginFile, refuseExisting, writeFileWhole } from "../seal/new-file.ts";
import { firstOf, ownKeys, place, publishedKeys } from "../seal/party-keys.ts";
import { seenFile } from "../seal/seen-list.ts";
import { size } from "../text.ts";

export const openCommand: Command = async (context) => {
  const { given, output } = context;
  const fromAt = place(context, "from", "who is said to have sealed it");
  const toAt = place(context, "to", "who opens it");
  const outAt = place(context, "out", "where the document goes");
  const receiptAt = given.text("receipt");
  const force = given.flag("force");
  for (const path of [outAt, receiptAt]) if (path !== undefined && path !== "-") refuseExisting(path, force);
  if (outAt === "-" && output.json) throw new CommandFailed("usage", "--json and --out - both want stdout");
  const from = await publishedKeys(context, fromAt);
  const own = await ownKeys(context, toAt);
  firstOf(from.verifying, fromAt, "signatures");
  firstOf(own.opening, toAt, "encryption");
  if (receiptAt !== undefined) firstOf(own.signing, toAt, "signatures");
  const list = given.text("seen");
  const seen = list === undefined ? undefined : seenFile(list);
  const options: OpenOptions = { from, to: own, ...(seen === undefined ? {} : { seen }) };

  return withEnvelope(context, given.arg("sealed") ?? "-", async (source) => {
    const delivery = await deliver(context, source, outAt, options);
    const { outcome } = delivery;
    if (!outcome.ok) return exitCode(discard(context, outcome));
    try {
      await delivery.keep();
    } catch (error) {
      await seen?.withdraw();
      throw error;
    }
    if (receiptAt !== undefined) await acknowledge(outcome, own, receiptAt, { outAt, force });
    tell(context, outcome, outAt, receiptAt);
    return exitCode("ok");
  });
};

async function acknowledge(
  opened: Opened,
  from: PrivateKeys,
  receiptAt: string,
  { outAt, force }: { readonly outAt: string; readonly force: boolean },
): Promise<void> {
  const receipt = await makeReceipt(opened, { from, clock: () => systemWorld.clock.now() });
  try {
    await writeFileWhole(receiptAt, Buffer.from(`${receipt}\n`), { force, secret: false });
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    throw new CommandFailed(
      error.exit,
      `${outAt} was opened, but without a receipt (mapae receipt makes one): ${error.message}`,
    );
  }
}

interface Delivery {
  readonly outcome: Awaited<ReturnType<typeof openFile>>;
  /** Puts the document where it belongs. */
  keep(): Promise<void>;
}

async function deliver(
  { given, output }: Context,
  source: EnvelopeSource,
  out: string,
  options: OpenOptions,
): Promise<Delivery> {
  const force = given.flag("force");
  if ("text" in source) {
    const outcome = await openDocument(source.text, options);
    const document = outcome.ok ? outcome.document : new Uint8Array();
    const keep = async () =>
      out === "-" ? void process.stdout.write(document) : writeFileWhole(out, document, { force, secret: true });
    return { outcome, keep };
  }
  if (out === "-") throw new CommandFailed("usage", "a sealed file is large: say where it goes with --out <file>");
  const file = await beginFile(out, { force, secret: true });
  let done = 0;
  const write = (piece: Uint8Array) => {
    done += piece.length;
    output.progress(`${size(done)} of ${size(source.file.size)} …`);
    return file.write(piece);
  };
  // Whatever does not end in a kept file leaves nothing behind.
  try {
    const outcome = await openFile(source.file, write, options);
    if (outcome.ok) await file.settle();
    else await file.abandon();
    return { outcome, keep: () => file.keep().finally(() => file.abandon()) };
  } catch (error) {
    await file.abandon();
    throw error;
  }
}

function tell({ output }: Context, { envelope }: Opened, out: string, receipt: string | undefined): void {
  const sealedAt = new Date(envelope.sealedAt * 1000).toISOString();
  output.say(`Opened: sealed by ${envelope.from} at ${sealedAt}, document ${envelope.id}.`);
  if (out === "-") return;
  const { from, to, id } = envelope;
  output.result(
    { ok: true, opened: out, ...(receipt === undefined ? {} : { receipt }), from, to, id, sealed_at: sealedAt },
    out,
  );
}
