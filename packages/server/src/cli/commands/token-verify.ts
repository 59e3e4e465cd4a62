/**
 * `mapae token verify`: what a resource server with `@mapae/verifier` would say of a token, and why not. What the caller
 * left open (issuer, audience) is taken from the token itself, and the answer says that it was not checked.
 */
import { readFileSync } from "node:fs";
import {
  type AlgorithmName,
  createVerifier,
  type Jwk,
  type KeysOption,
  UNDECIDED,
  type Verdict,
  type VerifierOptions,
} from "@mapae/verifier";
import { decodeBase64url } from "@mapae/verifier/jose";
import { openNestedJwt } from "@mapae/verifier/jwe";
import { z } from "zod";
import { systemWorld } from "../../prelude/world.ts";
import type { Command } from "../context.ts";
import { CommandFailed, exitCode } from "../exit.ts";
import type { Given } from "../given.ts";
import { openingKeys } from "../seal/party-keys.ts";
import { printable, relative } from "../text.ts";
import { readToken } from "../token/input.ts";
import { unverifiedClaims, unverifiedHeader } from "../token/lenient.ts";

const jwksSchema = z.looseObject({ keys: z.array(z.record(z.string(), z.unknown())) });

function read(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    throw new CommandFailed("failed", `the file ${file} cannot be read`);
  }
}

function jwksIn(file: string): readonly Jwk[] {
  const text = read(file);
  try {
    return jwksSchema.parse(JSON.parse(text)).keys as readonly Jwk[];
  } catch {
    throw new CommandFailed("failed", `${file} holds no JWK set (RFC 7517 §5)`);
  }
}

/** `undefined`: by discovery from the issuer. */
function keysOf(given: Given): KeysOption | undefined {
  const jwks = given.text("jwks");
  const file = given.text("secretFile");
  const alg = given.text("alg");
  if (jwks !== undefined && file !== undefined)
    throw new CommandFailed("usage", "--jwks and --secret-file exclude each other");
  if ((file === undefined) !== (alg === undefined))
    throw new CommandFailed("usage", "--secret-file and --alg go together");
  if (jwks !== undefined) return /^https?:/.test(jwks) ? { jwksUri: jwks } : { jwks: { keys: jwksIn(jwks) } };
  if (file === undefined) return undefined;
  const secret = decodeBase64url(read(file).trim());
  if (secret === null) throw new CommandFailed("failed", `${file} does not hold a secret in base64url`);
  return { secret, alg: alg as AlgorithmName };
}

function names(value: unknown): readonly string[] {
  if (typeof value === "string") return [value];
  return Array.isArray(value) ? value.filter((name) => typeof name === "string") : [];
}

/** What the refusal means for this very token: beside the sentence of the verifier, which says nothing about it. */
function detail(verdict: Exclude<Verdict, { ok: true }>, token: string, given: Given): string | null {
  const claims = unverifiedClaims(token) ?? {};
  const header = unverifiedHeader(token) ?? {};
  const text = (value: unknown): string => printable(JSON.stringify(value ?? null));
  switch (verdict.code) {
    case "token_expired":
      return typeof claims.exp === "number"
        ? `It expired ${relative(claims.exp * 1000, systemWorld.clock.now())}.`
        : null;
    case "token_not_yet_valid":
      return typeof claims.nbf === "number"
        ? `It is valid ${relative(claims.nbf * 1000, systemWorld.clock.now())}.`
        : null;
    case "invalid_audience":
      return `It is meant for ${text(claims.aud)}, not for ${text(given.text("audience"))}.`;
    case "invalid_issuer":
      return `It names the issuer ${text(claims.iss)}, not ${text(given.text("issuer"))}.`;
    case "unknown_key":
      return `It names the key ${text(header.kid)}, which is not (or no longer) among the issuer's keys.`;
    case "algorithm_mismatch":
    case "unsupported_algorithm":
      return `It names the algorithm ${text(header.alg)}.`;
    case "missing_claim":
      return `It has ${Object.keys(claims).map(printable).join(", ") || "no claims"}; needed are iss, aud, exp, iat, sub, jti and client_id.`;
    case "invalid_type":
      return `Its typ is ${text(header.typ)}: ID tokens and others are not access tokens.`;
    case "not_decryptable":
      return given.text("key") === undefined
        ? "Its resource server's private key opens it: --key <keys>."
        : "The key does not open it, or there is no signed token inside (cty JWT).";
    default:
      return null;
  }
}

function verifierOf(options: VerifierOptions): ReturnType<typeof createVerifier> {
  try {
    return createVerifier(options);
  } catch (error) {
    throw new CommandFailed("usage", error instanceof Error ? error.message : String(error));
  }
}

export const verifyToken: Command = async (context) => {
  const { given, output } = context;
  const keys = keysOf(given);
  if (keys === undefined && given.text("issuer") === undefined) {
    throw new CommandFailed(
      "usage",
      "say whose keys: --issuer <url>, --jwks <file or url>, or --secret-file <file> --alg HS256",
    );
  }
  const own = await openingKeys(context);
  const presented = await readToken(context, "mapae token verify");
  // What is inside is judged as if it had come as it is; what does not open is refused as it came.
  const token = (own.length > 0 ? await openNestedJwt(presented, own) : null) ?? presented;
  const claims = unverifiedClaims(token);
  const [ownIssuer = "unknown"] = names(claims?.iss);
  const ownAudience = names(claims?.aud);
  const unchecked = [
    ...(given.text("issuer") === undefined ? ["issuer"] : []),
    ...(given.text("audience") === undefined ? ["audience"] : []),
    "revocation",
  ];
  const verifier = verifierOf({
    issuer: given.text("issuer") ?? ownIssuer,
    audience: given.text("audience") ?? (ownAudience.length > 0 ? ownAudience : "unknown"),
    ...(keys === undefined ? {} : { keys }),
    // The answer itself says what was not checked.
    warn: () => undefined,
  });
  try {
    const unreachable = await verifier.ready().then(
      () => null,
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
    const verdict = await verifier.check(token);
    if (verdict.ok) {
      const exp = relative(verdict.claims.exp * 1000, systemWorld.clock.now());
      const text = `${output.tone("good", "VALID")}  of ${printable(verdict.claims.sub)} for ${printable(names(verdict.claims.aud).join(", "))}; expires ${exp}. Not checked: ${unchecked.join(", ")}.`;
      output.result({ valid: true, claims: verdict.claims, not_checked: unchecked }, text);
      return exitCode("ok");
    }
    const more = unreachable ?? detail(verdict, token, given);
    const message = more === null ? verdict.message : `${verdict.message} ${more}`;
    const undecided = Object.hasOwn(UNDECIDED, verdict.code);
    const word = undecided ? output.tone("doubtful", "UNDECIDED") : output.tone("bad", "NOT VALID");
    output.result(
      { valid: undecided ? null : false, code: verdict.code, message, not_checked: unchecked },
      `${word}  ${verdict.code}: ${message}`,
    );
    return exitCode(undecided ? "tryAgain" : "failed");
  } finally {
    verifier.close();
  }
};
