import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DEPTH_MAX, parseJsonObject } from "./json.ts";

const utf8 = new TextEncoder();
const parse = (text: string) => parseJsonObject(utf8.encode(text));

test("what JSON.stringify writes is read back", () => {
  const plainKey = fc.string().filter((name) => name !== "__proto__" && name.isWellFormed());
  const values = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 5 },
      fc.string({ unit: "grapheme" }),
      fc.integer(),
      fc.boolean(),
      fc.constant(null),
      tie("list"),
      tie("object"),
    ),
    list: fc.array(tie("value"), { maxLength: 4 }),
    object: fc.dictionary(plainKey, tie("value"), { maxKeys: 4, noNullPrototype: true }),
  }));
  fc.assert(
    fc.property(values.object, (object) => {
      assert.deepEqual(parse(JSON.stringify(object)), object);
    }),
  );
});

test("a member that is written twice is refused at any depth, however it is spelt", () => {
  for (const text of [
    '{"a":1,"a":1}',
    '{"a":1,"\\u0061":2}',
    '{"x":{"a":1,"a":2}}',
    '{"x":[{"a":1},{"a":1,"b":2,"a":3}]}',
    '{"a":1 , "a" : 2}',
    '{"":1,"":2}',
    '{"a":{},"a":{"b":1}}',
    '{"a\\"":1,"a\\u0022":2}',
  ]) {
    assert.equal(parse(text), null, text);
  }
});

test("colons, quotes and brackets inside strings are no members", () => {
  const object = { 'a":"b': '{"x":1,"x":2}', c: "\\", d: '\\":', e: ["[[[[[[[[[[[[[[[[[[[["] };
  assert.deepEqual(parse(JSON.stringify(object)), object);
});

test("inserting a copy of any member into any object is refused", () => {
  fc.assert(
    fc.property(
      fc.dictionary(
        fc.string({ minLength: 1 }).filter((name) => name !== "__proto__"),
        fc.integer(),
        { minKeys: 1, maxKeys: 6 },
      ),
      fc.nat(),
      (object, pick) => {
        const members = Object.entries(object).map(([name, value]) => `${JSON.stringify(name)}:${value}`);
        const copy = members[pick % members.length] ?? assert.fail();
        assert.equal(parse(`{${[...members, copy].join(",")}}`), null);
      },
    ),
  );
});

test("__proto__ is refused at any depth, and pollutes nothing", () => {
  for (const text of ['{"__proto__":{"admin":true}}', '{"a":[{"\\u005f_proto__":1}]}', '{"__proto__":null}']) {
    assert.equal(parse(text), null, text);
  }
  assert.equal(Object.hasOwn(Object.prototype, "admin"), false);
});

test("what is no object, or no JSON, is refused", () => {
  for (const text of [
    "",
    " ",
    "null",
    "1",
    '"a"',
    "[]",
    "{",
    "{}{}",
    '{"a":1,}',
    "{'a':1}",
    '{"a":NaN}',
    "\uFEFF{}",
    '{"a":01}',
    '{"a":"\n"}',
  ]) {
    assert.equal(parse(text), null, JSON.stringify(text));
  }
});

test("invalid UTF-8 is refused: overlong forms, lone continuation, surrogates, cut-off sequences", () => {
  for (const octets of [[0xc0, 0xaf], [0x80], [0xed, 0xa0, 0x80], [0xe2, 0x82], [0xf5, 0x80, 0x80, 0x80], [0xff]]) {
    assert.equal(parseJsonObject(Uint8Array.from([...utf8.encode('{"a":"'), ...octets, ...utf8.encode('"}')])), null);
  }
});

test("a lone surrogate in an escape is refused, a pair is not", () => {
  assert.equal(parse('{"a":"\\ud800"}'), null);
  assert.equal(parse('{"\\udc00":1}'), null);
  assert.equal(parse('{"a":["\\ud83d"]}'), null);
  assert.deepEqual(parse('{"a":"\\ud83d\\ude00"}'), { a: "\u{1F600}" });
});

test("nesting is bounded, and deep input neither throws nor recurses", () => {
  const nested = (depth: number) => `{"a":${"[".repeat(depth - 1)}${"]".repeat(depth - 1)}}`;
  assert.notEqual(parse(nested(DEPTH_MAX)), null);
  assert.equal(parse(nested(DEPTH_MAX + 1)), null);
  assert.equal(parse(nested(100_000)), null);
  assert.equal(parse('{"a":'.repeat(50_000)), null);
});

test("any octets at all are answered, never thrown at", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (octets) => void parseJsonObject(octets)));
});
