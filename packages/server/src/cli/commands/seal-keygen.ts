/** `mapae seal keygen`: keys to begin with, one for signatures and one for encryption. */
import {
  bindPublicKeys,
  generateKeys,
  KEY_PAIRS,
  type KeyPairKind,
  protectKeys,
  publicHalves,
} from "@mapae/verifier/seal";
import type { Command, Context } from "../context.ts";
import { CommandFailed, exitCode } from "../exit.ts";
import { isTerminal, newPassword } from "../prompt.ts";
import { refuseExisting, writeFileWhole } from "../seal/new-file.ts";
import { givenPassphrase } from "../seal/party-keys.ts";

export const sealKeygen: Command = async (context) => {
  const { given, output } = context;
  const name = given.required("name");
  const kind = given.text("kind") ?? "ed25519";
  if (!isKind(kind)) throw new CommandFailed("usage", `--kind is one of ${Object.keys(KEY_PAIRS).join(", ")}`);
  const [privateAt, publicAt] = [`${name}.private`, `${name}.public`];
  const force = given.flag("force");
  for (const path of [privateAt, publicAt]) refuseExisting(path, force);
  const passphrase = await passphraseOf(context);
  const jwks = await generateKeys(kind);
  const halves = publicHalves(jwks);
  const own = passphrase === undefined ? JSON.stringify({ keys: jwks }, null, 2) : await protectKeys(jwks, passphrase);
  await writeFileWhole(privateAt, Buffer.from(`${own}\n`), { force, secret: true });
  await writeFileWhole(publicAt, Buffer.from(`${JSON.stringify({ keys: halves }, null, 2)}\n`), {
    force,
    secret: false,
  });
  const { verifying, encrypting } = await bindPublicKeys(halves);
  const [signs = "", opens = ""] = [verifying[0]?.name, encrypting[0]?.name];
  output.result(
    { private: privateAt, public: publicAt, signs, opens },
    `${privateAt}  for you alone (0600)${passphrase === undefined ? "" : ", under your passphrase"}\n${publicAt}   to be published: signs as ${signs}, is encrypted for as ${opens}`,
  );
  return exitCode("ok");
};

function isKind(text: string): text is KeyPairKind {
  return Object.hasOwn(KEY_PAIRS, text);
}

async function passphraseOf(context: Context): Promise<string | undefined> {
  const given = givenPassphrase(context);
  if (given === "") throw new CommandFailed("usage", "the passphrase is empty");
  if (given !== undefined || !context.given.flag("passphrase")) return given;
  if (!isTerminal(context.keyboard)) {
    throw new CommandFailed("usage", "there is no terminal to ask for it: --passphrase-file or --passphrase-env");
  }
  return newPassword(context.keyboard, false, "Passphrase");
}
