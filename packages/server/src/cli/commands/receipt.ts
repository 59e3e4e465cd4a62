/** `mapae receipt` and `mapae receipt verify`: that the recipient has opened an envelope, for its sender. */
import { readFileSync, statSync } from "node:fs";
import { makeReceipt, type OpenOptions, openDocument, openFile, verifyReceipt } from "@mapae/verifier/seal";
import { systemWorld } from "../../prelude/world.ts";
import type { Command } from "../context.ts";
import { CommandFailed, exitCode } from "../exit.ts";
import { discard, type EnvelopeSource, withEnvelope } from "../seal/envelope-file.ts";
import { refuseExisting, writeFileWhole } from "../seal/new-file.ts";
import { eitherHalf, firstOf, ownKeys, place, publishedKeys } from "../seal/party-keys.ts";

const RECEIPT_MAX = 8192 + 16;

export const makeReceiptCommand: Command = async (context) => {
  const { given, output } = context;
  const ownAt = place(context, "from", "who acknowledges, and has opened it");
  const senderAt = place(context, "to", "who sealed it, and is to know");
  const outAt = place(context, "out", "where the receipt goes");
  const force = given.flag("force");
  if (outAt !== "-") refuseExisting(outAt, force);
  const own = await ownKeys(context, ownAt);
  const sender = await publishedKeys(context, senderAt);
  firstOf(own.signing, ownAt, "signatures");
  firstOf(own.opening, ownAt, "encryption");
  firstOf(sender.verifying, senderAt, "signatures");
  return withEnvelope(context, given.required("sealed"), async (source) => {
    const outcome = await openUnread(source, { from: sender, to: own });
    if (!outcome.ok) return exitCode(discard(context, outcome));
    const receipt = await makeReceipt(outcome, { from: own, clock: () => systemWorld.clock.now() });
    const { id, from } = outcome.envelope;
    if (outAt === "-") output.result({ receipt, id, to: from }, receipt);
    else {
      await writeFileWhole(outAt, Buffer.from(`${receipt}\n`), { force, secret: false });
      output.say(`Acknowledged: document ${id}, to ${from}.`);
      output.result({ receipt: outAt, id, to: from }, outAt);
    }
    return exitCode("ok");
  });
};

/** Opens everything and keeps nothing: what a receipt proves. */
function openUnread(source: EnvelopeSource, options: OpenOptions) {
  return "text" in source ? openDocument(source.text, options) : openFile(source.file, () => undefined, options);
}

export const verifyReceiptCommand: Command = async (context) => {
  const { given, output } = context;
  const recipientAt = place(context, "from", "who acknowledges");
  const senderAt = place(context, "to", "who sealed the envelope");
  const from = await publishedKeys(context, recipientAt);
  const to = await eitherHalf(context, senderAt);
  firstOf(from.verifying, recipientAt, "signatures");
  firstOf(to.verifying, senderAt, "signatures");
  const receipt = receiptAt(given.required("receipt"));
  return withEnvelope(context, given.required("sealed"), async (source) => {
    const known = await verifyReceipt(receipt, "text" in source ? source.text : source.file, { from, to });
    if (!known.ok) return exitCode(discard(context, known));
    const { envelope, by } = known;
    const at = new Date(known.at * 1000).toISOString();
    const told = `${output.tone("good", "ACKNOWLEDGED")}  document ${envelope.id}, opened by ${by} at ${at}`;
    output.result(
      { ok: true, id: envelope.id, by, at, sealed_at: new Date(envelope.sealedAt * 1000).toISOString() },
      told,
    );
    return exitCode("ok");
  });
};

function receiptAt(path: string): string {
  try {
    if (statSync(path).size > RECEIPT_MAX) return "";
    return readFileSync(path, "latin1").trim();
  } catch {
    throw new CommandFailed("failed", `the file ${path} cannot be read`);
  }
}
