/** /openapi.json as a document, and the pages `/` and `/docs` in both languages. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { z } from "zod";
import { PROBLEMS } from "../../packages/server/src/http/problem.ts";
import { homePage } from "../../packages/server/src/pages/home.ts";
import { LANGUAGES, languageOf } from "../../packages/server/src/pages/page.ts";
import { referencePage } from "../../packages/server/src/pages/reference.ts";
import { type Answer, type Json, list, object, openStage, type Stage } from "../stage.ts";

let stage: Stage;
let document: Json;
before(async () => {
  stage = await openStage();
  document = (await stage.call("GET", "/openapi.json")).body;
});
after(() => stage.close());

function* operations(): Generator<{ path: string; method: string; operation: Json }> {
  for (const [path, item] of Object.entries(object(document.paths))) {
    for (const [method, operation] of Object.entries(object(item)))
      yield { path, method, operation: object(operation) };
  }
}

/** Every object inside a value. */
function* objects(value: unknown): Generator<Json> {
  if (typeof value !== "object" || value === null) return;
  if (!Array.isArray(value)) yield object(value);
  for (const member of Object.values(value)) yield* objects(member);
}

test("the document has what OpenAPI 3.1 requires of it", () => {
  assert.equal(document.openapi, "3.1.0");
  const { title, version } = object(document.info);
  assert.ok(typeof title === "string" && typeof version === "string");
  assert.deepEqual(document.servers, [{ url: "https://login.example" }]);
});

test("every reference in the document leads somewhere in it", () => {
  const references = [...objects(document)].flatMap(({ $ref }) => ($ref === undefined ? [] : [String($ref)]));
  assert.ok(references.length > 10);
  for (const reference of new Set(references)) {
    assert.match(reference, /^#\//);
    let at: unknown = document;
    for (const part of reference.slice(2).split("/")) at = object(at)[part];
    assert.notEqual(at, undefined, reference);
  }
});

test("operations have different ids, and parameters as the path says", () => {
  const ids = [...operations()].map(({ operation }) => operation.operationId);
  assert.equal(new Set(ids).size, ids.length);
  for (const { path, operation } of operations()) {
    const inPath = list(operation.parameters).filter((parameter) => parameter.in === "path");
    const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    assert.deepEqual(
      inPath.map(({ name, required }) => [name, required]),
      names.map((name) => [name, true]),
    );
    for (const parameter of list(operation.parameters)) assert.notEqual(parameter.schema, undefined);
  }
});

test("every operation says one success, only known refusals, and who may call", () => {
  const schemes = Object.keys(object(object(document.components).securitySchemes));
  for (const { path, operation } of operations()) {
    const statuses = Object.keys(object(operation.responses));
    // A WebSocket's handshake succeeds with 101.
    assert.equal(statuses.filter((status) => status.startsWith("2") || status === "101").length, 1, path);
    for (const status of statuses) assert.match(status, /^(101|[245]\d\d)$/);
    for (const requirement of list(operation.security)) {
      for (const scheme of Object.keys(requirement)) assert.ok(schemes.includes(scheme));
    }
    assert.equal(
      list(operation.security).length > 0,
      /^\/v1\/(me|admin|sessions($|\/current|\/\{)|revocations($|\/snapshot|\/tickets))|introspect$|^\/ssf\//.test(
        path,
      ) && !isLogIn(operation),
    );
    assert.equal(typeof operation.summary, "string");
  }
});

function isLogIn(operation: Json): boolean {
  return operation.operationId === "postV1Sessions";
}

test("the document's list of codes is the table of problems", () => {
  const { Problem } = object(object(document.components).schemas);
  assert.deepEqual(object(object(object(Problem).properties).code).enum, Object.keys(PROBLEMS));
});

test("every schema in the document is JSON Schema that can be read", () => {
  for (const { path, method, operation } of operations()) {
    const bodies = [object(operation.requestBody), ...Object.values(object(operation.responses)).map(object)];
    for (const { content } of bodies) {
      const schema = object(object(content)["application/json"]).schema;
      if (schema !== undefined) assert.ok(z.fromJSONSchema(object(schema)), `${method} ${path}`);
    }
  }
});

test("the document may be read by pages of any origin", async () => {
  const answer = await stage.call("GET", "/openapi.json", { headers: { origin: "https://editor.example" } });
  assert.equal(answer.headers.get("access-control-allow-origin"), "*");
});

const HOSTILE = `"><script>alert(1)</script>&'`;

function assertHarmless(html: string): void {
  assert.doesNotMatch(html, /<script/i);
  assert.ok(html.includes("&lt;script&gt;"));
}

for (const language of LANGUAGES) {
  test(`the pages in ${language} escape what they show`, async () => {
    assertHarmless((await homePage(language, { issuer: HOSTILE, version: HOSTILE, signup: "open" })).html);
    const entry = {
      group: HOSTILE,
      method: HOSTILE,
      path: HOSTILE,
      summary: HOSTILE,
      access: "anyone",
      body: HOSTILE,
      answer: HOSTILE,
      status: 200,
      says: HOSTILE,
      refusals: [{ status: 400, code: HOSTILE, detail: HOSTILE }],
    } as const;
    assertHarmless((await referencePage(language, [entry], HOSTILE)).html);
  });

  test(`the pages in ${language} run no script, load nothing and cannot be framed`, async () => {
    for (const path of ["/", "/docs"]) {
      const answer: Answer = await stage.call("GET", `${path}?lang=${language}`);
      assert.equal(answer.status, 200);
      assert.match(answer.text, new RegExp(`<html lang="${language}">`));
      assert.doesNotMatch(answer.text, /<script|javascript:|\son\w+=|style="/i);
      const policy = answer.headers.get("content-security-policy") ?? "";
      assert.match(policy, /default-src 'none'/);
      assert.match(policy, /frame-ancestors 'none'/);
      assert.doesNotMatch(policy, /unsafe/);
    }
  });
}

test("the reference shows every route of the document", async () => {
  const { text } = await stage.call("GET", "/docs");
  for (const { path } of operations()) assert.ok(text.includes(`<code>${path}</code>`), path);
});

test("the language is the one named, else the browser's first that there is, else English", () => {
  const headers = (value: string) => new Headers({ "accept-language": value });
  assert.equal(languageOf("ko", headers("en")), "ko");
  assert.equal(languageOf("<script>", headers("ko-KR,ko;q=0.9,en;q=0.8")), "ko");
  assert.equal(languageOf(undefined, headers("fr, ko;q=0.5")), "ko");
  assert.equal(languageOf(undefined, headers("fr")), "en");
  assert.equal(languageOf(undefined, new Headers()), "en");
});

test("a language that there is not is no error, and is not shown", async () => {
  const answer = await stage.call("GET", `/?lang=${encodeURIComponent(HOSTILE)}`);
  assert.equal(answer.status, 200);
  assert.doesNotMatch(answer.text, /alert\(1\)/);
});
