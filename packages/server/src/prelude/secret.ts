/**
 * A value that must not be printed. Logging, JSON, string templates and the inspector all show `[secret]`; the one way
 * to the value is `reveal()`, so that a search for it lists every place where a secret is used.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { inspect } from "node:util";

export class Secret<T extends string | Buffer = string> {
  readonly #value: T;

  constructor(value: T) {
    this.#value = value;
  }

  /** The value itself. Every call is a place to review. */
  reveal(): T {
    return this.#value;
  }

  toString(): string {
    return "[secret]";
  }

  toJSON(): string {
    return "[secret]";
  }

  [inspect.custom](): string {
    return "[secret]";
  }
}

/** Compares two byte strings in a time that depends on neither (both are hashed first, so lengths may differ). */
export function sameBytes(left: string | Uint8Array, right: string | Uint8Array): boolean {
  return timingSafeEqual(createHash("sha256").update(left).digest(), createHash("sha256").update(right).digest());
}
