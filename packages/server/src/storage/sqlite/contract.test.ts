import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { describeStorage } from "../contract/contract.ts";
import { openSqlite } from "./sqlite.ts";

const folder = mkdtempSync(join(tmpdir(), "mapae-contract-"));
after(() => rmSync(folder, { recursive: true }));
let opened = 0;

describeStorage("sqlite", (world) => {
  opened += 1;
  return openSqlite(join(folder, `${opened}.db`), world);
});
