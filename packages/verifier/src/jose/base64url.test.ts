import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { borrowBase64url, decodeBase64url, decodePortably, encodeBase64url, encodePortably } from "./base64url.ts";

const DECODERS = { decodeBase64url, borrowBase64url, decodePortably };

for (const [name, decode] of Object.entries(DECODERS)) {
  test(`${name} gives back what was encoded`, () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (octets) => {
        const text = encodeBase64url(octets);
        assert.equal(text, Buffer.from(octets).toString("base64url"));
        assert.equal(text, encodePortably(octets));
        assert.deepEqual(Uint8Array.from(decode(text) ?? assert.fail(text)), octets);
      }),
    );
  });

  test(`${name} takes a text only if it is the encoding of what it decodes to`, () => {
    const letters = [..."AZaz09-_+/=. \n?#\u0141\u{1F600}Qw"];
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...letters), maxLength: 12 }), (text) => {
        const octets = decode(text);
        if (octets !== null) assert.equal(encodeBase64url(Uint8Array.from(octets)), text);
      }),
    );
  });

  test(`${name} refuses padding, the other alphabet, spaces, unused bits, and letters that fold into the alphabet`, () => {
    for (const text of [
      "Zm8=",
      "Zg==",
      "+_8A",
      "/_8A",
      "Zm 9v",
      "Zm9v\n",
      "Zm9",
      "Zh",
      "Z",
      "Zm9v.",
      "Zm9\u0176",
      "Zm9v\0",
    ]) {
      assert.equal(decode(text), null, JSON.stringify(text));
    }
    assert.deepEqual(Uint8Array.from(decode("") ?? assert.fail()), new Uint8Array());
  });
}

test("a text that is longer than a token is decoded as strictly", () => {
  const long = "A".repeat(12_000);
  assert.equal(borrowBase64url(long)?.length, 9000);
  assert.equal(borrowBase64url(`${long}?AAA`), null);
});

test("the decoders agree on every text, of base64url's neighbours and of any letters at all", () => {
  const neighbours = fc.string({ unit: fc.constantFrom(..."AQgwZz09-_+/= \n\0\u00c1\u0141\u{10041}"), maxLength: 9 });
  const texts = fc.oneof(neighbours, fc.string({ unit: "binary", maxLength: 9 }), fc.base64String({ maxLength: 40 }));
  const same = (text: string) => {
    const [one, ...others] = Object.values(DECODERS).map((decode) => {
      const octets = decode(text);
      return octets === null ? null : Buffer.from(octets).toString("hex");
    });
    for (const other of others) assert.equal(other, one, JSON.stringify(text));
  };
  fc.assert(fc.property(texts, same), { numRuns: 5000 });
  for (let unit = 0; unit < 0x10000; unit += unit < 0x400 ? 1 : 61) {
    for (const text of ["", "Q", "QQ", "QUI", "QUIA"]) same(text + String.fromCharCode(unit));
  }
});
