import assert from "node:assert/strict";
import * as crypto from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { ALGORITHMS } from "./algorithms.ts";
import { hmacCheck } from "./hmac.ts";

const HS = [ALGORITHMS.HS256, ALGORITHMS.HS384, ALGORITHMS.HS512];

/** A runtime that has no one-shot hash. */
const older: typeof crypto = { ...crypto, hash: undefined as unknown as typeof crypto.hash };

for (const algorithm of HS) {
  for (const [engine, name] of [
    [crypto, "one-shot hashes"],
    [older, "createHmac"],
  ] as const) {
    test(`${algorithm.name} by ${name} is HMAC as node:crypto knows it, for any key and text`, () => {
      const ascii = fc.string({ unit: "grapheme-ascii", maxLength: 300 });
      fc.assert(
        fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), ascii, (key, text) => {
          const mac = crypto
            .createHmac(algorithm.node.hash ?? "", key)
            .update(text)
            .digest();
          const check = hmacCheck(engine, key, algorithm);
          assert.equal(check(text, mac), true);
          assert.equal(check(`${text}.`, mac), false);
          assert.equal(check(text, mac.subarray(1)), false);
          assert.equal(check(text, Buffer.concat([mac, Buffer.from([0])])), false);
          mac[0] = (mac[0] ?? 0) ^ 1;
          assert.equal(check(text, mac), false);
        }),
        { numRuns: 50 },
      );
    });
  }
}

test("RFC 4231 case 1 and case 6 (a key longer than the block) hold", () => {
  const one = hmacCheck(crypto, Buffer.alloc(20, 0x0b), ALGORITHMS.HS256);
  assert.equal(
    one("Hi There", Buffer.from("b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7", "hex")),
    true,
  );
  const six = hmacCheck(crypto, Buffer.alloc(131, 0xaa), ALGORITHMS.HS256);
  const text = "Test Using Larger Than Block-Size Key - Hash Key First";
  assert.equal(six(text, Buffer.from("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54", "hex")), true);
});
