/** Links between documents lead somewhere: to a file that is there, and to a heading that it has. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { test } from "node:test";
import { ROOT } from "../processes.ts";
import { documentPaths } from "./document.ts";

const withoutCode = (text: string) =>
  text.replace(/^```.*?^```$/gms, "").replace(/`[^`\n]*`/g, (code) => code.replace(/[[\]()]/g, ""));

/** How GitHub names a heading. */
function anchorOf(heading: string): string {
  return heading
    .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{M}\p{N}\p{Pc} -]/gu, "")
    .replaceAll(" ", "-");
}

function anchorsOf(text: string): ReadonlySet<string> {
  return new Set([...withoutCode(text).matchAll(/^#{1,6} +(.+)$/gm)].map(([, heading]) => anchorOf(heading ?? "")));
}

test("every link between documents leads to a file and a heading that are there", () => {
  let links = 0;
  for (const path of documentPaths()) {
    const text = readFileSync(join(ROOT, path), "utf8");
    for (const [, target = ""] of withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^(https?|mailto):/.test(target)) continue;
      const [file = "", anchor] = target.split("#", 2);
      const place = file === "" ? path : normalize(join(dirname(path), file));
      assert.ok(existsSync(join(ROOT, place)), `${path} links to ${target}: there is no ${place}`);
      links += 1;
      if (anchor === undefined || anchor === "") continue;
      const there = anchorsOf(readFileSync(join(ROOT, place), "utf8"));
      assert.ok(there.has(anchor), `${path} links to ${target}: ${place} has no such heading`);
    }
  }
  assert.ok(links > 0);
});

test("every document can be reached from the README", () => {
  const reached = new Set<string>();
  const waiting = ["README.md"];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (reached.has(path)) continue;
    reached.add(path);
    for (const [, target = ""] of withoutCode(readFileSync(join(ROOT, path), "utf8")).matchAll(/\]\(([^)\s#]+)/g)) {
      if (target.endsWith(".md") && !/^https?:/.test(target)) waiting.push(normalize(join(dirname(path), target)));
    }
  }
  assert.deepEqual(
    documentPaths().filter((path) => !reached.has(path)),
    [],
  );
});
