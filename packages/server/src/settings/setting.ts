/**
 * The kinds of setting: each reads one text into a value, or says in one sentence what it expected. Closed set; the
 * table of settings (config.ts) is made of these.
 */
import { parseDuration } from "../prelude/duration.ts";
import { Secret } from "../prelude/secret.ts";

export type Read<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly expected: string };

export interface Setting<T> {
  /** The environment variable. */
  readonly env: string;
  /** What stands where nothing is set, as text; `null`: worked out at start, as the sentence says. */
  readonly default: string | null;
  readonly sentence: string;
  /** Also readable from the file that `<env>_FILE` names, and never printed. */
  readonly secret: boolean;
  /** What values look like, for the reference. */
  readonly form: string;
  read(text: string): Read<T>;
}

function setting<T>(
  env: string,
  preset: string | null,
  sentence: string,
  form: string,
  read: (text: string) => T | undefined,
  secret = false,
): Setting<T> {
  return {
    env,
    default: preset,
    sentence,
    form,
    secret,
    read: (text) => {
      const value = read(text);
      return value === undefined ? { ok: false, expected: form } : { ok: true, value };
    },
  };
}

export function text(env: string, preset: string | null, sentence: string): Setting<string> {
  return setting(env, preset, sentence, "text", (value) => (value === "" ? undefined : value));
}

/** A text that may hold a password: readable from a file, and never printed. */
export function discreet(env: string, sentence: string): Setting<string> {
  return setting(env, null, sentence, "text", (value) => (value === "" ? undefined : value), true);
}

/** One secret, as it is. */
export function secret(env: string, sentence: string): Setting<Secret> {
  return setting(env, null, sentence, "text", (value) => (value === "" ? undefined : new Secret(value)), true);
}

export function integer(env: string, preset: number, min: number, max: number, sentence: string): Setting<number> {
  return setting(env, String(preset), sentence, `a whole number from ${min} to ${max}`, (value) => {
    const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
    return number >= min && number <= max ? number : undefined;
  });
}

/** A duration in milliseconds, with bounds as people write them. */
export function duration(env: string, preset: string, min: string, max: string, sentence: string): Setting<number> {
  const [low, high] = [parseDuration(min) ?? 0, parseDuration(max) ?? 0];
  return setting(env, preset, sentence, `a duration from ${min} to ${max} (seconds, or 10s, 5m, 30d)`, (value) => {
    const ms = parseDuration(value);
    return ms !== undefined && ms >= low && ms <= high ? ms : undefined;
  });
}

export function choice<const T extends string>(
  env: string,
  preset: T,
  values: readonly T[],
  sentence: string,
): Setting<T> {
  return setting(env, preset, sentence, values.join(" | "), (value) => values.find((known) => known === value));
}

export function list(
  env: string,
  sentence: string,
  form: string,
  accept: (item: string) => boolean,
): Setting<readonly string[]> {
  return setting(env, "", sentence, form, (value) => {
    const items = value.split(",").flatMap((part) => (part.trim() === "" ? [] : [part.trim()]));
    return items.every(accept) ? items : undefined;
  });
}

/** One or several secrets, newest first, separated by commas or line ends. */
export function secrets(
  env: string,
  sentence: string,
  form: string,
  accept: (value: string) => boolean,
): Setting<readonly Secret[]> {
  const read = (value: string): readonly Secret[] | undefined => {
    const items = value.split(/[,\s]+/).filter((part) => part !== "");
    return items.length > 0 && items.every(accept) ? items.map((part) => new Secret(part)) : undefined;
  };
  return setting(env, null, sentence, form, read, true);
}

/**
 * An absolute https: address without query or fragment; http: on loopback only (RFC 8414 §2, RFC 8252 §8.3). It is
 * compared as text, in tokens and by verifiers, so only the one spelling is taken that reading it gives back.
 */
export function origin(env: string, preset: string | null, sentence: string): Setting<string> {
  const form =
    "an https: address in lower case, without a slash at its end, query or fragment (http: on loopback only)";
  return setting(env, preset, sentence, form, (value) => (isIssuer(value) ? value : undefined));
}

/** Whether a text is the origin of web pages exactly as browsers send it (RFC 6454 §6.2). */
export function isWebOrigin(value: string): boolean {
  return /^https?:[^*]*$/.test(value) && URL.canParse(value) && new URL(value).origin === value;
}

/** Letters that mean themselves in a path, and nothing to a router. */
const ISSUER_PATH = /^(\/[A-Za-z0-9._~-]+)*$/;

function isIssuer(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const url = new URL(value);
  const path = url.pathname === "/" ? "" : url.pathname;
  if (value !== url.origin + path || !ISSUER_PATH.test(path)) return false;
  return url.protocol === "https:" || (url.protocol === "http:" && isLoopback(url.hostname));
}

function isLoopback(hostname: string): boolean {
  return (
    hostname === "localhost" ||
    hostname.endsWith(".localhost") ||
    hostname === "[::1]" ||
    /^127(\.\d{1,3}){3}$/.test(hostname)
  );
}
