import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { describeStorage } from "../contract/contract.ts";
import { describeRows } from "../contract/rows.ts";
import { openWriter } from "./connection.ts";
import { prepare } from "./prepare.ts";
import { openSqlite } from "./sqlite.ts";
import { SqliteRows } from "./statements.ts";

const folder = mkdtempSync(join(tmpdir(), "mapae-contract-"));
after(() => rmSync(folder, { recursive: true }));
let opened = 0;
const newFile = (): string => {
  opened += 1;
  return join(folder, `${opened}.db`);
};

describeStorage("sqlite", (world) => openSqlite(newFile(), world));
describeRows("sqlite", () => {
  const file = newFile();
  prepare(file, 1000);
  return new SqliteRows(openWriter(file));
});
