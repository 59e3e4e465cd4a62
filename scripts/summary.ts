/**
 * The test reporter of `npm test`: one line per failure with its place and reason, and the counts at the end.
 * Progress (a dot per test) goes to stderr through node's own reporter.
 */
import type { TestEvent } from "node:test/reporters";

export async function* summary(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for await (const event of source) {
    if (event.type === "test:diagnostic" || event.data === undefined) continue;
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
  yield `\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`;
}

// node:test loads a reporter by its default export.
// biome-ignore lint/style/noDefaultExport: the reporter interface of node:test asks for it
export default summary;
