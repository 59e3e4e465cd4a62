/**
 * The test reporter of `npm test`: one line per failure with its place and reason, and at the end the counts and the files
 * that took longest.
 * Progress (a dot per test) goes to stderr through node's own reporter.
 */
import { relative } from "node:path";
import type { TestEvent } from "node:test/reporters";

const SLOWEST_TOLD = 5;

export async function* summary(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  const files: { readonly file: string; readonly seconds: number }[] = [];
  for await (const event of source) {
    if (event.type === "test:diagnostic" || event.data === undefined) continue;
    if (event.type === "test:summary" && event.data.file !== undefined) {
      files.push({ file: relative(".", event.data.file), seconds: Math.round(event.data.duration_ms / 1000) });
    }
    if (event.type === "test:pass" || event.type === "test:fail") {
      if (event.data.details.type === "suite") continue;
      if (event.data.skip !== undefined && event.data.skip !== false) {
        counts.skipped += 1;
        yield `skipped: ${event.data.name} (${String(event.data.skip)})\n`;
      } else if (event.type === "test:pass") counts.passed += 1;
      else {
        counts.failed += 1;
        const { name, file, line, details } = event.data;
        const cause = details.error.cause ?? details.error;
        yield `\nFAILED ${name}\n  ${file ?? ""}:${line ?? ""}\n  ${cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)}\n`;
      }
    }
  }
  const slowest = files.sort((one, other) => other.seconds - one.seconds).slice(0, SLOWEST_TOLD);
  yield `\nslowest: ${slowest.map(({ file, seconds }) => `${file} ${seconds} s`).join(", ")}\n`;
  yield `${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`;
}

// node:test loads a reporter by its default export.
// biome-ignore lint/style/noDefaultExport: the reporter interface of node:test asks for it
export default summary;
