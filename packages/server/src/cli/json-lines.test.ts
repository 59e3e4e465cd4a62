import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CommandFailed } from "./exit.ts";
import { type JsonLine, readJsonLines } from "./json-lines.ts";

async function* chunks(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function read(bytes: Buffer, size = 7): Promise<readonly JsonLine[]> {
  const lines: JsonLine[] = [];
  for await (const line of readJsonLines(chunks(bytes, size))) lines.push(line);
  return lines;
}

test("any documents come back in order, however the bytes are cut into chunks", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.jsonValue()), fc.integer({ min: 1, max: 40 }), async (values, size) => {
      const written = values.map((value) => JSON.stringify(value));
      const lines = await read(Buffer.from(written.join("\r\n")), size);
      assert.deepEqual(
        lines.map(({ line, value, fault }) => [line, JSON.stringify(value), fault]),
        written.map((text, index) => [index + 1, text, null]),
      );
    }),
  );
});

test("a bad line is told with its number and does not stop the rest; empty ones count", async () => {
  const bytes = Buffer.concat([Buffer.from('\ufeff{"a":1}\n\n{oh no}\n"'), Buffer.from([0xff]), Buffer.from('"\n[2]')]);
  assert.deepEqual(
    (await read(bytes)).map(({ line, value, fault }) => [line, value, fault]),
    [
      [1, { a: 1 }, null],
      [3, null, "The line is not JSON."],
      [4, null, "The line is not UTF-8."],
      [5, [2], null],
    ],
  );
});

test("a line separator inside of a string ends no line", async () => {
  const [line] = await read(Buffer.from('{"name":"a\u2028b"}\n'));
  assert.deepEqual(line?.value, { name: "a\u2028b" });
});

test("a file without line ends is refused before it fills the memory", async () => {
  await assert.rejects(read(Buffer.alloc(3 * 1024 * 1024, 0x20), 65_536), CommandFailed);
});
