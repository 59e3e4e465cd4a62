/** The code that docs/webhooks.md gives to receivers accepts what this server signs, and nothing else. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { Secret } from "../../packages/server/src/prelude/secret.ts";
import { signedHeaders } from "../../packages/server/src/webhooks/message.ts";
import { readDocument } from "../docs/document.ts";
import { temporaryFolder } from "../processes.ts";

const SECRET = Buffer.alloc(32, 7);
const WRITTEN = `whsec_${SECRET.toString("base64")}`;
const SECONDS = 1_800_000_000;
const BODY = '{"type":"revocations","data":[{"subject":"ses_김"}]}';

const position = { epoch: 1, seq: 1 };
const message = { id: "msg_a_1_1_1_1", from: position, upTo: position, events: 1, missed: 0, since: 0, body: BODY };
const other = new Secret(Buffer.alloc(32, 8));
const signed = (...secrets: readonly Secret<Buffer>[]) => signedHeaders(message, SECONDS, secrets);

interface Case {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly now: number;
  readonly good: boolean;
}
const good = signed(new Secret(SECRET));
const CASES: readonly Case[] = [
  { headers: good, body: BODY, now: SECONDS, good: true },
  { headers: signed(other, new Secret(SECRET)), body: BODY, now: SECONDS + 299, good: true },
  { headers: signed(other), body: BODY, now: SECONDS, good: false },
  { headers: good, body: BODY.replace("ses", "sez"), now: SECONDS, good: false },
  { headers: good, body: BODY, now: SECONDS + 301, good: false },
  { headers: good, body: BODY, now: SECONDS - 301, good: false },
  { headers: { ...good, "webhook-id": "msg_b" }, body: BODY, now: SECONDS, good: false },
  { headers: { ...good, "webhook-timestamp": `${SECONDS + 1}` }, body: BODY, now: SECONDS, good: false },
  { headers: { ...good, "webhook-timestamp": "soon" }, body: BODY, now: SECONDS, good: false },
  { headers: { ...good, "webhook-signature": "" }, body: BODY, now: SECONDS, good: false },
  { headers: { ...good, "webhook-signature": "v1," }, body: BODY, now: SECONDS, good: false },
  { headers: {}, body: BODY, now: SECONDS, good: false },
];

function block(language: string): string {
  const found = readDocument("docs/webhooks.md").blocks.find((each) => each.language === language);
  assert.ok(found !== undefined);
  return found.text;
}

test("the example in Node", async (t) => {
  const file = join(
    temporaryFolder((task) => t.after(task)),
    "receiver.ts",
  );
  writeFileSync(file, block("ts"));
  const { isFromMapae } = await import(pathToFileURL(file).href);
  for (const { headers, body, now, good } of CASES) {
    assert.equal(isFromMapae(headers, Buffer.from(body), WRITTEN, now * 1000), good, JSON.stringify(headers));
  }
});

const python = spawnSync("python3", ["--version"]).status === 0;
test("the example in Python", { skip: !python && "there is no python3 here" }, () => {
  const program = `${block("python")}
import json, sys
for case in json.load(sys.stdin)["cases"]:
    print(is_from_mapae(case["headers"], case["body"].encode(), "${WRITTEN}", case["now"]))
`;
  const input = JSON.stringify({ cases: CASES });
  const done = spawnSync("python3", ["-c", program], { input, encoding: "utf8" });
  assert.equal(done.stderr, "");
  assert.deepEqual(
    done.stdout.trim().split("\n"),
    CASES.map(({ good }) => (good ? "True" : "False")),
  );
});
