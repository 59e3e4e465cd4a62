/** The chain is the same whichever thread hashed what, and however late. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { Chain } from "./chain.ts";
import { type ChunkEngine, webChunks } from "./chunk-cipher.ts";

const sha256 = (...parts: readonly Uint8Array[]) =>
  Uint8Array.from(createHash("sha256").update(Buffer.concat(parts)).digest());
const chainOf = (pieces: readonly Uint8Array[]) =>
  pieces.reduce<Uint8Array>((chain, piece) => sha256(chain, sha256(piece)), sha256());

/** Another thread that takes so many turns for a hash; null: it is never free while there are pieces. */
function engineThatTakes(turns: number | null): ChunkEngine & { readonly beside: number[]; finish(): void } {
  const beside: number[] = [];
  let asked = 0;
  let finish = (): void => undefined;
  return {
    cipher: webChunks.cipher,
    beside,
    finish: () => finish(),
    hash: (parts) => {
      return sha256(...parts);
    },
    async hashBeside(octets) {
      beside.push(asked);
      const hash = sha256(octets);
      if (turns === null) await new Promise<void>((resolve) => (finish = resolve));
      else for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
      return hash;
    },
    turn: () => {
      asked += 1;
      return new Promise((resolve) => setImmediate(resolve));
    },
  };
}

test("pieces hashed here and beside, sooner and later, make the one chain", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ octets: fc.uint8Array({ maxLength: 9 }), beside: fc.boolean() }), { maxLength: 60 }),
      fc.integer({ min: 0, max: 6 }),
      async (pieces, turns) => {
        for (const engine of [engineThatTakes(turns), webChunks]) {
          const chain = new Chain(engine);
          for (const { octets, beside } of pieces) {
            const buffer = Uint8Array.from(octets);
            await (beside ? chain.addBeside(buffer) : chain.add([buffer.subarray(0, 3), buffer.subarray(3)]));
            // A reader uses its buffers again.
            buffer.fill(0xff);
          }
          const expected = chainOf(pieces.map(({ octets }) => octets));
          assert.deepEqual(Buffer.from(await chain.value()), Buffer.from(expected));
        }
      },
    ),
    { numRuns: 50 },
  );
});

test("while a core is free every piece goes beside or every other, and nobody waits for a thread that is not", async () => {
  const piece = new Uint8Array(4);
  const free = engineThatTakes(0);
  const chain = new Chain(free);
  for (let index = 0; index < 20; index++) await chain.addBeside(piece);
  assert.ok(free.beside.length >= 10);

  const busy = engineThatTakes(null);
  const other = new Chain(busy);
  for (let index = 0; index < 20; index++) await other.addBeside(piece);
  assert.equal(busy.beside.length, 1, "nineteen were hashed here meanwhile");
  busy.finish();
  await new Promise(setImmediate);
  for (let index = 0; index < 20; index++) await other.addBeside(piece);
  assert.equal(busy.beside.length, 1, "overtaken as it was, it is left alone");
  for (let index = 0; index < 20; index++) await other.addBeside(piece);
  assert.equal(busy.beside.length, 2, "and tried again");
  busy.finish();
  assert.deepEqual(Buffer.from(await other.value()), Buffer.from(chainOf(Array.from({ length: 60 }, () => piece))));
});
