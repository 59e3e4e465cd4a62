import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import fc from "fast-check";
import { bindKey, bindSigningKey } from "./jwk.ts";
import { parseJws, signJws, verifyJws } from "./jws.ts";
import { TOKEN_MAX } from "./limits.ts";

const secret = randomBytes(32);
const signing = bindSigningKey(secret, { alg: "HS256", kid: "k" });
const key = bindKey(secret, { alg: "HS256", kid: "k" });

test("any octets can be signed, and come back as they were", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2000 }), (octets) => {
      const verdict = verifyJws(signJws({}, octets, signing), () => key);
      assert.ok(verdict.ok);
      assert.deepEqual(Uint8Array.from(verdict.payload), octets);
    }),
  );
});

test("alg and kid of a signed header are the key's, and typ is the caller's", () => {
  const verdict = verifyJws(signJws({ typ: "application/at+jwt" }, {}, signing), ({ kid }) =>
    kid === "k" ? key : undefined,
  );
  assert.ok(verdict.ok);
  const { alg, kid, typ, mediaType } = verdict.header;
  assert.deepEqual(
    { alg, kid, typ, mediaType },
    { alg: "HS256", kid: "k", typ: "application/at+jwt", mediaType: "at+jwt" },
  );
});

test("what verifiers would refuse for its size is not signed", () => {
  assert.throws(() => signJws({}, new Uint8Array(TOKEN_MAX), signing), TypeError);
  const longKid = bindSigningKey(secret, { alg: "HS256", kid: "k".repeat(1100) });
  assert.throws(() => signJws({}, {}, longKid), TypeError);
});

test("a key that the caller does not choose is an unknown key, and nothing is verified", () => {
  const verdict = verifyJws(signJws({}, {}, signing), () => undefined);
  assert.deepEqual(verdict.ok ? "accepted" : verdict.code, "unknown_key");
});

test("the payload that verifyJws gives is the caller's own: the next call does not change it", () => {
  const first = verifyJws(signJws({}, Buffer.from("first"), signing), () => key);
  verifyJws(signJws({}, Buffer.from("other"), signing), () => key);
  assert.ok(first.ok);
  assert.equal(Buffer.from(first.payload).toString(), "first");
});

test("parsing reads the header only", () => {
  const parsed = parseJws(`${signJws({}, {}, signing).split(".")[0]}.!!!.???`);
  assert.ok(parsed.ok);
  assert.deepEqual([parsed.payload, parsed.signature], ["!!!", "???"]);
});

test("a thousand headers that verified leave the memory of headers bounded, and right", () => {
  for (let index = 0; index < 1000; index++) {
    const kid = `k${index}`;
    const verdict = verifyJws(signJws({}, {}, bindSigningKey(secret, { alg: "HS256", kid })), (header) => {
      assert.equal(header.kid, kid);
      return bindKey(secret, { alg: "HS256" });
    });
    assert.equal(verdict.ok, true);
  }
});
