/** The tables of the documentation are those of the code. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DOCUMENTS, withTables } from "../../scripts/reference.ts";
import { documentPaths, readDocument } from "./document.ts";

for (const path of DOCUMENTS) {
  test(`the tables of ${path} are those of the code (npm run docs writes them)`, async () => {
    const { text } = readDocument(path);
    assert.equal(text, await withTables(text));
  });
}

test("every document with a table is among those that are written", () => {
  const marked = documentPaths().filter((path) => readDocument(path).text.includes("<!-- table:"));
  assert.deepEqual(marked, DOCUMENTS);
});
