/**
 * JSON lines, from bytes: one document a line, numbered from 1. A line that is no JSON, or no UTF-8, is told and does not
 * stop the rest. Only the line feed ends a line: U+2028, which readline takes for an end too, may stand inside of JSON.
 */
import { CommandFailed } from "./exit.ts";

export interface JsonLine {
  readonly line: number;
  /** Bytes. */
  readonly size: number;
  readonly value: unknown;
  /** What is wrong with the line, as a sentence; `null` where nothing is. */
  readonly fault: string | null;
}

/** A file whose lines are longer is no file of JSON lines. */
const LONGEST = 1024 * 1024;
const LINE_FEED = 0x0a;

/** Empty lines are left out, and counted. */
export async function* readJsonLines(source: AsyncIterable<Uint8Array | string>): AsyncGenerator<JsonLine> {
  let line = 0;
  for await (const bytes of split(source)) {
    line += 1;
    const read = parse(bytes);
    if (read !== null) yield { line, size: bytes.length, ...read };
  }
}

async function* split(source: AsyncIterable<Uint8Array | string>): AsyncGenerator<Buffer> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of source) {
    const bytes = Buffer.concat([rest, Buffer.from(chunk)]);
    let start = 0;
    for (let end = bytes.indexOf(LINE_FEED); end >= 0; end = bytes.indexOf(LINE_FEED, start)) {
      yield bytes.subarray(start, end);
      start = end + 1;
    }
    rest = bytes.subarray(start);
    if (rest.length > LONGEST)
      throw new CommandFailed("failed", "a line is longer than 1 MiB: this is no file of JSON lines");
  }
  if (rest.length > 0) yield rest;
}

/** `null` for an empty line. */
function parse(bytes: Buffer): Pick<JsonLine, "value" | "fault"> | null {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes).trim();
  } catch {
    return { value: null, fault: "The line is not UTF-8." };
  }
  if (text === "") return null;
  try {
    return { value: JSON.parse(text), fault: null };
  } catch {
    return { value: null, fault: "The line is not JSON." };
  }
}
