/**
 * Explains a token without verifying it: what it is, what stands in each part, what that means, and what is wrong with it.
 * Pure: from a text and the time to an explanation. It reads leniently, since the odd ones are those that somebody wants
 * explained; nothing here says that a token is good.
 */
import { unverifiedObject } from "./lenient.ts";
import {
  ALGORITHM_WORDS,
  ENCRYPTED_FOR,
  HEADER_PARAMETERS,
  type Meaning,
  NESTED_WORDS,
  OUR_CLAIMS,
  PUBLIC_CLAIMS,
  REGISTERED_CLAIMS,
  TYPE_WORDS,
} from "./registry.ts";
import { type Remark, remarksOn } from "./remarks.ts";
import { timeOf } from "./time.ts";

export type ClaimClass = "registered" | "public" | "private";

export interface Member {
  readonly name: string;
  readonly value: unknown;
  /** `null`: not known to the registries. */
  readonly meaning: Meaning | null;
  /** What this value says, where it is one of a known few. */
  readonly word: string | null;
  /** `null` in a header. */
  readonly class: ClaimClass | null;
  /** Unix milliseconds, where the value is a time. */
  readonly at: number | null;
}

/** One of the texts between the dots. */
export interface Part {
  readonly name: string;
  /** What it is for. */
  readonly says: string;
  readonly characters: number;
}

export type Explanation =
  | {
      readonly ok: true;
      readonly kind: "JWS" | "JWE";
      /** One sentence about the whole. */
      readonly what: string;
      readonly parts: readonly Part[];
      readonly header: readonly Member[];
      /** `null` where the payload is encrypted, or no JSON object. */
      readonly claims: readonly Member[] | null;
      /** Who made it, as far as it says so itself. */
      readonly by: string;
      readonly remarks: readonly Remark[];
    }
  | { readonly ok: false; readonly reason: string };

export type Explained = Extract<Explanation, { ok: true }>;

const PARTS = {
  JWS: [
    ["header", "how it is signed"],
    ["payload", "what it says: the claims"],
    ["signature", "over header and payload"],
  ],
  JWE: [
    ["header", "how it is encrypted"],
    ["encrypted key", "the content key, for the recipient alone"],
    ["nonce", "used once with the content key"],
    ["ciphertext", "the content, unreadable without the key"],
    ["tag", "shows that header and ciphertext are unchanged"],
  ],
} as const;

const WHAT = {
  JWS: "A signed token (JWS). Anyone can read it; only who has the key can have written it.",
  JWE: "An encrypted token (JWE). Only its recipient can read it; who wrote it is shown, if at all, by what is inside.",
};

/** @param now Unix milliseconds */
export function explainToken(text: string, now: number): Explanation {
  const texts = text.split(".");
  if (texts.length !== 3 && texts.length !== 5) {
    const reason = `a JWT has three parts with dots between them (five where it is encrypted); this has ${texts.length}`;
    return { ok: false, reason: texts.length === 1 ? `${reason}. Refresh tokens of Mapae are no JWTs` : reason };
  }
  const kind = texts.length === 3 ? "JWS" : "JWE";
  const header = unverifiedObject(texts[0] ?? "");
  if (header === null) return { ok: false, reason: "its header is not a JSON object in base64url" };
  const claims = kind === "JWS" ? unverifiedObject(texts[1] ?? "") : null;
  return {
    ok: true,
    kind,
    what: WHAT[kind],
    parts: PARTS[kind].map(([name, says], index) => ({ name, says, characters: texts[index]?.length ?? 0 })),
    header: members(header, (name, value) => ({
      meaning: kind === "JWE" && name === "alg" ? ENCRYPTED_FOR : own(HEADER_PARAMETERS, name),
      word: wordFor(name, value),
      class: null,
    })),
    claims: claims === null ? null : members(claims, classify),
    by: authorOf(kind, header, claims),
    remarks: remarksOn({ text, texts, kind, header, claims }, now),
  };
}

function authorOf(kind: "JWS" | "JWE", header: Json, claims: Json | null): string {
  if (kind === "JWE") return "It does not say who made it: anyone can encrypt with a public key.";
  const told = (value: unknown): string | null => (typeof value === "string" ? JSON.stringify(value) : null);
  const issuer = told(claims?.iss) ?? told(header.iss);
  const key = told(header.kid);
  if (issuer === null) return `It does not say who signed it${key === null ? "" : `, only with which key: ${key}`}.`;
  return `It says that ${issuer} signed it${key === null ? "" : ` with the key ${key}`}.`;
}

type Json = Readonly<Record<string, unknown>>;

function own<T>(table: Readonly<Record<string, T>>, name: string): T | null {
  return Object.hasOwn(table, name) ? (table[name] ?? null) : null;
}

function wordFor(name: string, value: unknown): string | null {
  if (typeof value !== "string") return null;
  if (name === "alg" || name === "enc") return own(ALGORITHM_WORDS, value);
  if (name !== "typ" && name !== "cty") return null;
  const type = value.toLowerCase().replace(/^application\//, "");
  if (name === "cty" && type === "jwt") return NESTED_WORDS;
  return own(TYPE_WORDS, type);
}

function classify(name: string): Pick<Member, "meaning" | "class" | "word"> {
  const registered = own(REGISTERED_CLAIMS, name);
  if (registered !== null) return { meaning: registered, class: "registered", word: null };
  const known = own(PUBLIC_CLAIMS, name);
  if (known !== null) return { meaning: known, class: "public", word: null };
  return { meaning: own(OUR_CLAIMS, name), class: "private", word: null };
}

function members(
  object: Json,
  about: (name: string, value: unknown) => Pick<Member, "meaning" | "class" | "word">,
): readonly Member[] {
  return Object.entries(object).map(([name, value]) => {
    const told = about(name, value);
    const at = told.meaning?.time === true ? timeOf(value) : null;
    return { name, value, ...told, at };
  });
}
