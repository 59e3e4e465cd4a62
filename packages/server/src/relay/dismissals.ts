/**
 * The entries by which a ticket dies, of all that a relay hands on: of resource servers and of signing keys.
 * There are few of them, and each is found by the hash that stands for what it names.
 */
import {
  ENTRY_AT,
  ENTRY_BYTES,
  entryKeys,
  REVOCATION_KINDS,
  type RevocationKind,
  readPosition,
} from "@mapae/verifier/revocation";
import { isBefore, type Position } from "../revocation/entry.ts";

const KINDS: readonly RevocationKind[] = ["client", "key"];
const KEY_OCTET = REVOCATION_KINDS.key.octet;
const OCTETS: ReadonlySet<number> = new Set(KINDS.map((kind) => REVOCATION_KINDS[kind].octet));

export class Dismissals {
  readonly #keyOf: (kind: RevocationKind, value: string) => Uint8Array;
  readonly #last = new Map<string, Position>();
  #newest: Position | null = null;
  #newestKey: Position | null = null;

  constructor(feedKey: Uint8Array, issuer: string) {
    this.#keyOf = entryKeys(feedKey, issuer);
  }

  /** Where the last of them stands. */
  get newest(): Position | null {
    return this.#newest;
  }

  /** Where the last one of a signing key stands. */
  get newestKey(): Position | null {
    return this.#newestKey;
  }

  /** Looks for them among entries. */
  add(octets: Uint8Array, offset: number, count: number): void {
    for (let at = offset; at < offset + count * ENTRY_BYTES; at += ENTRY_BYTES) {
      if (!OCTETS.has(octets[at + ENTRY_AT.kind] ?? 0)) continue;
      const name = nameOf(octets.subarray(at + ENTRY_AT.key, at + ENTRY_BYTES));
      const position = readPosition(octets, at + ENTRY_AT.epoch);
      const known = this.#last.get(name);
      if (known === undefined || isBefore(known, position)) this.#last.set(name, position);
      if (this.#newest === null || isBefore(this.#newest, position)) this.#newest = position;
      if (octets[at + ENTRY_AT.kind] === KEY_OCTET) this.#newestKey = position;
    }
  }

  /** Where the last entry of a kind and a value stands; undefined for none. */
  last(kind: RevocationKind, value: string): Position | undefined {
    return this.#last.get(nameOf(this.#keyOf(kind, value)));
  }
}

/** The key says its kind, which is hashed with the value. */
function nameOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.length).toString("latin1");
}
