import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { describe, test } from "node:test";
import { nodeEngine } from "./engine.ts";
import { bindSigningKey } from "./jose/jwk.ts";
import { signJws } from "./jose/jws.ts";
import type { Jwk } from "./jose/keys.ts";
import { fixedSupply, type KeySupply } from "./jwks.ts";
import { planKeys } from "./keyset.ts";
import { readSigned } from "./signed.ts";

const TYPE = "revocation-checkpoint+jwt";

function pair(kid: string) {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const jwk: Jwk = { ...publicKey.export({ format: "jwk" }), kid, alg: "ES256" };
  return { jwk, signing: bindSigningKey(privateKey, { alg: "ES256", kid }) };
}

function boundSet(...keys: readonly Jwk[]) {
  const plan = planKeys({ keys }, []) ?? assert.fail();
  const set = nodeEngine.bindSet(plan, null);
  assert.ok(!(set instanceof Promise));
  return set;
}

describe("a text that the issuer signed", () => {
  const mine = pair("a");
  const supply = fixedSupply(boundSet(mine.jwk));
  const read = (text: string) => readSigned(text, TYPE, nodeEngine, supply);

  test("is read when the signature holds under one of its keys", async () => {
    assert.deepEqual(await read(signJws({ typ: TYPE }, { iss: "i", seq: 4 }, mine.signing)), {
      payload: { iss: "i", seq: 4 },
      kid: "a",
    });
  });

  test("is none when somebody else signed it, it was changed, or it is a token in a checkpoint's place", async () => {
    const good = signJws({ typ: TYPE }, { seq: 4 }, mine.signing);
    const cut = good.lastIndexOf(".");
    for (const text of [
      signJws({ typ: TYPE }, { seq: 4 }, pair("a").signing),
      signJws({ typ: TYPE }, { seq: 4 }, pair("b").signing),
      signJws({ typ: "at+jwt" }, { seq: 4 }, mine.signing),
      signJws({}, { seq: 4 }, mine.signing),
      signJws({ typ: TYPE }, new TextEncoder().encode('{"seq":4,"seq":5}'), mine.signing),
      `${good.slice(0, cut - 1)}A${good.slice(cut)}`,
      "",
      "a.b.c",
    ]) {
      assert.equal(await read(text), "forged");
    }
  });

  test("under a key that is not known yet is read once the keys have been asked for", async () => {
    const next = pair("b");
    let set = boundSet(mine.jwk);
    let asked = 0;
    const learning: KeySupply<ReturnType<typeof set.select> & object> = {
      ...supply,
      current: () => set,
      seek: async () => {
        asked += 1;
        set = boundSet(mine.jwk, next.jwk);
      },
    };
    const text = signJws({ typ: TYPE }, { seq: 9 }, next.signing);
    assert.deepEqual(await readSigned(text, TYPE, nodeEngine, learning), { payload: { seq: 9 }, kid: "b" });
    assert.equal(asked, 1);
  });

  test("cannot be judged while the keys cannot be had, which is nobody's forgery", async () => {
    const down = { ...supply, current: () => null, seek: async () => undefined, reachable: () => false };
    const text = signJws({ typ: TYPE }, { seq: 9 }, mine.signing);
    assert.equal(await readSigned(text, TYPE, nodeEngine, down), "keys_unavailable");
  });
});
