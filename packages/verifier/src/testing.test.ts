import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ALGORITHMS, type AlgorithmName } from "./jose/algorithms.ts";
import { KeyRefused } from "./jose/keys.ts";
import { createTestIssuer, type TestIssuer, TOKEN_FAULTS } from "./testing.ts";
import { createVerifier } from "./verifier.ts";

function issuerFor(alg: AlgorithmName): TestIssuer | null {
  try {
    return createTestIssuer({ alg });
  } catch (error) {
    // ML-DSA is where the runtime has it.
    if (alg.startsWith("ML-DSA") && !(error instanceof KeyRefused && error.code !== "key_algorithm_unavailable"))
      return null;
    throw error;
  }
}

describe("the test issuer", () => {
  for (const alg of Object.keys(ALGORITHMS) as AlgorithmName[]) {
    test(`makes tokens that a verifier accepts, and each fault by its code (${alg})`, (context) => {
      const issuer = issuerFor(alg);
      if (issuer === null) return context.skip("this runtime has no ML-DSA");
      const verifier = createVerifier(issuer.verifierOptions);
      assert.equal(verifier.verify(issuer.token()).ok, true);
      for (const fault of TOKEN_FAULTS) {
        const verdict = verifier.verify(issuer.tokenWith(fault));
        assert.equal(!verdict.ok && verdict.code, fault);
      }
    });
  }

  test("gives tokens the claims that a test asks for, and leaves out those it sets to undefined", () => {
    const issuer = createTestIssuer({ issuer: "https://me.test", audience: "orders" });
    const verifier = createVerifier(issuer.verifierOptions);
    const claims = verifier.verifyOrThrow(
      issuer.token({ sub: "ada", scope: "a b", sid: undefined, custom: { deep: 1 } }),
    );
    assert.equal(claims.iss, "https://me.test");
    assert.equal(claims.aud, "orders");
    assert.equal(claims.sub, "ada");
    assert.deepEqual(claims.custom, { deep: 1 });
    assert.equal("sid" in claims, false);
  });

  test("never gives the same token twice", () => {
    const issuer = createTestIssuer();
    assert.notEqual(issuer.token(), issuer.token());
  });

  test("keeps its earlier keys published when it rotates, unless they are dropped", () => {
    const issuer = createTestIssuer();
    const old = issuer.token();
    issuer.rotate();
    assert.equal(issuer.jwks.keys.length, 2);
    assert.equal(createVerifier(issuer.verifierOptions).verify(old).ok, true);
    issuer.rotate({ drop: true });
    assert.equal(issuer.jwks.keys.length, 1);
    assert.equal(createVerifier(issuer.verifierOptions).verify(old).ok, false);
  });

  test("becomes its own address when it listens, and keeps it when it comes back", async () => {
    const issuer = createTestIssuer();
    const address = await issuer.listen();
    assert.equal(issuer.issuer, address);
    assert.equal(await issuer.listen(), address);
    await issuer.close();
    await issuer.close();
    assert.equal(await issuer.listen(), address);
    const reply = await fetch(`${address}/.well-known/jwks.json`);
    assert.deepEqual(await reply.json(), issuer.jwks);
    assert.equal((await fetch(`${address}/nothing`)).status, 404);
    await issuer.close();
  });

  test("refuses an algorithm that does not exist", () => {
    assert.throws(() => Reflect.apply(createTestIssuer, undefined, [{ alg: "none" }]), TypeError);
  });

  test("revokes: a verifier that follows refuses what was issued before, once revoke has resolved", async () => {
    const issuer = createTestIssuer();
    await issuer.listen();
    const verifier = createVerifier({ ...issuer.verifierOptions, ...issuer.feedOptions });
    await verifier.ready();
    const token = issuer.token({ sub: "ada" });
    assert.equal(verifier.verify(token).ok, true);
    await issuer.revoke("user", "ada", "password_changed");
    const verdict = verifier.verify(token);
    assert.ok(!verdict.ok && verdict.code === "token_revoked");
    assert.equal(verdict.reason, "password_changed");
    assert.equal(verifier.verify(issuer.token({ sub: "ada" })).ok, true);
    verifier.close();
    await issuer.close();
  });

  test("lets nobody to its feed but with its credentials", async () => {
    const issuer = createTestIssuer();
    const address = await issuer.listen();
    for (const path of ["/v1/revocations/snapshot", "/v1/revocations?after=1.1&ping=1", "/oauth2/introspect"]) {
      assert.equal((await fetch(address + path)).status, 401);
      assert.equal((await fetch(address + path, { headers: { authorization: "Basic dGVzdC1hcGk6eA==" } })).status, 401);
    }
    await issuer.close();
  });
});
