/** What can be done to a sealed file's octets, and that none of it opens. */
import assert from "node:assert/strict";
import { createCipheriv } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { nodeCrypto } from "../jose/runtime.ts";
import { openJwe, parseJwe } from "../jwe/compact.ts";
import { type ChunkEngine, nodeChunks, nonceOf, webChunks } from "./chunk-cipher.ts";
import { openFile, sealFile } from "./file.ts";
import { MAGIC } from "./file-frame.ts";
import type { Discarded } from "./outcome.ts";
import { type Country, countries } from "./parties.test-support.ts";
import { cutToPieces } from "./pieces.ts";
import { octetsOf, type Seekable, seekableBlob, seekableHandle } from "./seekable.ts";

const PIECE = 1024;
const { a, b, c } = await countries();

async function sealed(content: Uint8Array, from: Country = a, to: Country = b): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  async function* source() {
    yield content;
  }
  for await (const part of sealFile(source(), { from: from.own, to: to.published, pieceOctets: PIECE }))
    parts.push(part);
  return Buffer.concat(parts);
}

async function opened(file: Uint8Array | Seekable): Promise<Buffer | Discarded> {
  const source = "size" in file ? file : seekableBlob(new Blob([Uint8Array.from(file)]));
  const parts: Uint8Array[] = [];
  const outcome = await openFile(source, (piece) => void parts.push(piece), { from: a.published, to: b.own });
  return outcome.ok ? Buffer.concat(parts) : outcome;
}

const pattern = (length: number) => Buffer.from(Array.from({ length }, (_, at) => (at * 7) & 0xff));

/** The plaintext that came out is nothing; `codes` are the outcomes that may have been. */
function assertDiscarded(outcome: Buffer | Discarded, what: string, ...codes: Discarded["code"][]): void {
  if (!("code" in outcome)) assert.fail(`${what}: it was opened`);
  assert.ok(codes.length === 0 || codes.includes(outcome.code), `${what}: ${outcome.code}`);
}

test("files of every length around the size of a piece come out as they went in", async () => {
  for (const length of [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 2 * PIECE + 17]) {
    assert.deepEqual(await opened(await sealed(pattern(length))), pattern(length), String(length));
  }
});

test("however a file arrives, its pieces are cut alike, and there is always a last one", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.uint8Array({ maxLength: 40 })),
      fc.integer({ min: 1, max: 32 }),
      async (arriving, size) => {
        async function* source() {
          yield* arriving;
        }
        const pieces = [];
        for await (const piece of cutToPieces(source(), size))
          pieces.push({ ...piece, octets: Buffer.from(piece.octets) });
        const whole = Buffer.concat(arriving);
        assert.deepEqual(Buffer.concat(pieces.map(({ octets }) => octets)), whole);
        assert.equal(pieces.length, Math.max(1, Math.ceil(whole.length / size)));
        assert.deepEqual(
          pieces.map(({ last }) => last),
          pieces.map((_, index) => index === pieces.length - 1),
        );
        assert.ok(pieces.slice(0, -1).every(({ octets }) => octets.length === size));
      },
    ),
  );
});

test("cut off anywhere, a file does not open", async () => {
  const file = await sealed(pattern(2 * PIECE + 5));
  for (let length = 0; length < file.length; length++) {
    assertDiscarded(await opened(file.subarray(0, length)), `${length} octets`, "not_from_sender");
  }
});

test("with any bit of any octet turned, a file does not open", async () => {
  const file = await sealed(pattern(PIECE + 5));
  for (let at = 0; at < file.length; at++) {
    const flipped = Buffer.from(file);
    flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 8));
    assertDiscarded(await opened(flipped), `octet ${at}`);
  }
});

test("octets added anywhere, pieces swapped, doubled and left out: none opens", async () => {
  const file = await sealed(pattern(3 * PIECE));
  const [one, two, rest] = [0, 1, 2].map((index) => 8 + index * (PIECE + 16)) as [number, number, number];
  const pieces = { head: file.subarray(0, one), first: file.subarray(one, two), second: file.subarray(two, rest) };
  const tail = file.subarray(rest);
  const { head, first, second } = pieces;
  for (const [what, changed] of Object.entries({
    swapped: [head, second, first, tail],
    doubled: [head, first, first, tail],
    inserted: [head, first, first, second, tail],
    "left out": [head, first, tail],
    "with something before": [Buffer.from([0]), file],
    "with something behind": [file, Buffer.from([0])],
    twice: [file, file],
  })) {
    assertDiscarded(await opened(Buffer.concat(changed)), what, "not_from_sender", "not_for_me");
  }
});

/** The signed seal of a file, and what stands in its inner layer: as the recipient can see it. */
async function insides(file: Buffer, to: Country) {
  const length = file.readUInt32BE(file.length - 12);
  const seal = file.subarray(file.length - 12 - length, file.length - 12).toString();
  const inner = parseJwe(Buffer.from(seal.split(".")[1] ?? "", "base64url").toString(), 8192, [
    "typ",
    "iss",
    "aud",
    "jti",
  ]);
  const key = to.own.opening[0]?.key;
  assert.ok(inner && key);
  const content = await openJwe(inner, key);
  assert.ok(content);
  return { key: content.subarray(32), tail: file.subarray(file.length - 12 - length) };
}

function encrypted(key: Uint8Array, index: number, last: boolean, plaintext: Uint8Array): Buffer {
  const cipher = createCipheriv("aes-256-gcm", key, nonceOf(index, last));
  return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

test("the recipient, who knows the key, cannot write other pieces under the sender's name", async () => {
  const file = await sealed(pattern(PIECE));
  const { key, tail } = await insides(file, b);
  const honest = Buffer.concat([MAGIC, encrypted(key, 0, true, pattern(PIECE)), tail]);
  assert.deepEqual(honest, file, "this is how A made it");
  const forged = Buffer.concat([MAGIC, encrypted(key, 0, true, Buffer.alloc(PIECE, "B owes A nothing. ")), tail]);
  assertDiscarded(await opened(forged), "rewritten", "not_for_me");
});

test("a file that is exchanged between the two passes is found out, even by who knows its key", async () => {
  const file = await sealed(pattern(2 * PIECE));
  const { key, tail } = await insides(file, b);
  const other = [Buffer.alloc(PIECE, 1), Buffer.alloc(PIECE, 2)].map((piece, at) =>
    encrypted(key, at, at === 1, piece),
  );
  const forged = Buffer.concat([MAGIC, ...other, tail]);
  let reads = 0;
  const changing: Seekable = {
    size: file.length,
    read: async (at, length) => {
      reads += 1;
      // Head, foot and seal, then the first pass over two pieces.
      return (reads <= 5 ? file : forged).subarray(at, at + length);
    },
  };
  assertDiscarded(await opened(changing), "exchanged", "not_for_me");
  assert.equal(reads, 7, "it had come to the end of the second pass");
});

test("a file that becomes shorter while it is read is altered, not opened", async () => {
  const file = await sealed(pattern(2 * PIECE));
  const shrinking: Seekable = {
    size: file.length,
    read: async (at, length) => file.subarray(at, Math.min(at + length, at > 1000 && at < 1100 ? at + 7 : at + length)),
  };
  assertDiscarded(await opened(shrinking), "shorter", "not_for_me");
});

test("sizes that a liar writes cost nothing: neither memory nor a read beyond the file", async () => {
  const foot = Buffer.alloc(12);
  MAGIC.forEach((octet, at) => {
    foot[4 + at] = octet;
  });
  for (const claimed of [0, 1, 8193, 0x7fff_ffff, 0xffff_ffff]) {
    foot.writeUInt32BE(claimed, 0);
    const reads: number[] = [];
    const size = 2 ** 40;
    const huge: Seekable = {
      size,
      read: async (at, length) => {
        reads.push(length);
        return at === 0 ? MAGIC : at === size - 12 ? foot : new Uint8Array(length);
      },
    };
    assertDiscarded(await opened(huge), `a seal of ${claimed}`, "not_from_sender");
    assert.ok(Math.max(...reads) <= 8192);
  }
});

test("what is no sealed file at all is not from the sender", async () => {
  const texts = ["", "PNG", "{}", "\x89MAPAE\x01\n", "-----BEGIN PUBLIC KEY-----", "A".repeat(9000)];
  for (const text of texts) assertDiscarded(await opened(Buffer.from(text, "latin1")), text, "not_from_sender");
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 200 }), async (octets) => {
      assertDiscarded(await opened(octets), "anything", "not_from_sender");
      assertDiscarded(await opened(Buffer.concat([MAGIC, octets, MAGIC])), "between magics", "not_from_sender");
    }),
  );
});

test("another sender's file is not the named sender's, and another recipient's is not mine", async () => {
  assertDiscarded(await opened(await sealed(pattern(5), c)), "C's", "not_from_sender");
  assertDiscarded(await opened(await sealed(pattern(5), a, c)), "for C", "not_for_me");
});

test("both engines make and read the same octets, and refuse the same", async () => {
  assert.ok(nodeCrypto);
  const engines: readonly ChunkEngine[] = [nodeChunks(nodeCrypto), webChunks];
  const key = Uint8Array.from({ length: 32 }, (_, at) => at);
  for (const length of [0, 1, 15, 16, 17, 5000]) {
    const plaintext = pattern(length);
    const nonce = nonceOf(7, length === 0);
    const results = [];
    for (const engine of engines) {
      const cipher = await engine.cipher(key);
      const octets = Buffer.concat(await cipher.seal(nonce, plaintext));
      const back = await cipher.open(nonce, octets);
      const elsewhere = await cipher.open(nonceOf(8, length === 0), octets);
      const notLast = await cipher.open(nonceOf(7, length !== 0), octets);
      const short = await cipher.open(nonce, octets.subarray(0, 15));
      results.push(
        [octets, back, elsewhere, notLast, short, await engine.hash([octets])].map((x) => x && Buffer.from(x)),
      );
      assert.deepEqual(back && Buffer.from(back), plaintext);
      assert.deepEqual([elsewhere, notLast, short], [null, null, null]);
    }
    assert.deepEqual(results[0], results[1]);
  }
});

test("a file on the disk is read in order with few buffers, and one that becomes shorter is no silent half", async () => {
  const content = pattern(10_000);
  const buffers = new Set<ArrayBufferLike>();
  const handle = (length: number) => ({
    // As a disk may: less than was asked for.
    read: async (buffer: Uint8Array, offset: number, wanted: number, position: number) => {
      buffers.add(buffer.buffer);
      const got = content.subarray(position, Math.min(position + Math.min(wanted, 300), length));
      buffer.set(got, offset);
      return { bytesRead: got.length };
    },
  });
  const parts: Buffer[] = [];
  for await (const octets of octetsOf(seekableHandle(handle(10_000), 10_000), 1000)) parts.push(Buffer.from(octets));
  assert.deepEqual(Buffer.concat(parts), content);
  assert.ok(buffers.size <= 4);
  await assert.rejects(async () => {
    for await (const _ of octetsOf(seekableHandle(handle(5000), 10_000), 1000));
  }, /became shorter/);
});

test("a sealed file on the disk opens through buffers that are used again", async () => {
  const content = pattern(9 * PIECE + 3);
  const file = await sealed(content);
  const read = async (buffer: Uint8Array, offset: number, length: number, position: number) => {
    await new Promise(setImmediate);
    const got = file.subarray(position, position + length);
    buffer.set(got, offset);
    return { bytesRead: got.length };
  };
  assert.deepEqual(await opened(seekableHandle({ read }, file.length)), content);
});

test("the size of a piece is bounded, and so is what sealing holds in memory", async () => {
  for (const pieceOctets of [0, 1023, 16 * 1024 * 1024 + 1, 1024.5, Number.NaN]) {
    const sealing = sealFile(new Blob(["x"]).stream(), { from: a.own, to: b.published, pieceOctets });
    await assert.rejects(sealing.next(), RangeError);
  }
});
