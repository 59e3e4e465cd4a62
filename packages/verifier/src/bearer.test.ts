import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { answerDenial, type Denial, readBearer } from "./bearer.ts";
import { requireFreshLogin, requireScope } from "./guards.ts";
import { type PlainRefusalCode, REFUSALS, refuse, revoked } from "./refusals.ts";
import { KEYS_UNAVAILABLE, VERIFICATION_FAULT, VERIFIER_CLOSED } from "./verdict.ts";

const CLAIMS = { iss: "i", sub: "u", aud: "a", exp: 1, iat: 0, jti: "j", client_id: "c" };

function denialOf(verdict: { readonly ok: true } | Denial): Denial {
  assert.ok(!verdict.ok);
  return verdict;
}

function noToken(values: readonly string[]): Denial {
  const credentials = readBearer(values);
  assert.ok(!credentials.ok);
  return credentials;
}

/** Reads a challenge by the grammar of RFC 9110 §11.2 and §5.6.4, strictly. */
function parseChallenge(text: string): Map<string, string> {
  const scheme = /^Bearer (.+)$/.exec(text)?.[1];
  assert.ok(scheme !== undefined, text);
  const parameters = new Map<string, string>();
  let rest = scheme;
  for (;;) {
    const match = /^([a-z_]+)="([\x20\x21\x23-\x5b\x5d-\x7e]*)"(?:, (?=.)|$)/.exec(rest);
    assert.ok(match !== null, text);
    const [whole, name = "", value = ""] = match;
    assert.ok(!parameters.has(name), `${name} twice`);
    parameters.set(name, value);
    rest = rest.slice(whole.length);
    if (rest === "") return parameters;
  }
}

describe("reading the Authorization header", () => {
  test("takes one bearer token, whatever the case of the scheme and the number of spaces", () => {
    for (const value of ["Bearer a.b.c", "bearer a.b.c", "BEARER  a.b.c"]) {
      assert.deepEqual(readBearer([value]), { ok: true, token: "a.b.c" });
    }
    assert.deepEqual(readBearer(["Bearer AZaz09-._~+/=="]), { ok: true, token: "AZaz09-._~+/==" });
  });

  test("no header, or another scheme, is a request without a token", () => {
    for (const values of [[], [""], ["Basic dTpw"], ["Bearerx a"], ["DPoP a.b.c"], [" Bearer a"]]) {
      assert.equal(noToken(values).code, "missing_token", JSON.stringify(values));
    }
  });

  test("anything but exactly one token after the scheme is malformed", () => {
    const bad = [
      "Bearer",
      "Bearer ",
      "Bearer a b",
      "Bearer a,b",
      "Bearer\ta",
      "Bearer a=b",
      'Bearer "a"',
      "Bearer a\n",
      "Bearer ä",
    ];
    for (const value of bad) {
      const credentials = readBearer([value]);
      assert.equal(credentials.ok, false, JSON.stringify(value));
    }
  });

  test("two Authorization headers are refused, whichever of them is good, and also when they are equal", () => {
    for (const values of [
      ["Bearer a", "Bearer b"],
      ["Bearer a", "Bearer a"],
      ["Bearer a", "Basic dTpw"],
      ["Basic dTpw", "Bearer a"],
    ]) {
      assert.equal(noToken(values).code, "malformed_authorization");
    }
  });

  test("two headers that a server joined with a comma are refused too", () => {
    assert.equal(noToken(["Bearer a, Bearer b"]).code, "malformed_authorization");
  });

  test("never throws, and a token it reads is made of the characters of a token", () => {
    const value = fc.oneof(
      fc.string(),
      fc.string({ unit: "binary" }),
      fc.string().map((s) => `Bearer ${s}`),
    );
    fc.assert(
      fc.property(fc.array(value, { maxLength: 3 }), (values) => {
        const credentials = readBearer(values);
        if (!credentials.ok) return;
        assert.equal(values.length, 1);
        assert.match(credentials.token, /^[A-Za-z0-9\-._~+/]+=*$/);
      }),
    );
  });

  test("a header of a megabyte is read in one pass", () => {
    assert.equal(readBearer([`Bearer ${"a".repeat(1_000_000)}!`]).ok, false);
    assert.equal(readBearer([`Bearer${" ".repeat(1_000_000)}`]).ok, false);
  });
});

describe("answering a denial", () => {
  test("a request without a token gets a challenge without an error code (RFC 6750 §3.1)", () => {
    const answer = answerDenial(noToken([]), "https://api.test");
    assert.equal(answer.status, 401);
    assert.deepEqual([...parseChallenge(answer.headers["www-authenticate"] ?? "")], [["realm", "https://api.test"]]);
    assert.equal(answer.problem.code, "missing_token");
  });

  test("a malformed header is 400 invalid_request", () => {
    const answer = answerDenial(noToken(["Bearer a", "Bearer a"]), "api");
    assert.equal(answer.status, 400);
    assert.equal(parseChallenge(answer.headers["www-authenticate"] ?? "").get("error"), "invalid_request");
  });

  const plain = Object.keys(REFUSALS).filter((code) => code !== "token_revoked") as PlainRefusalCode[];
  for (const code of plain) {
    test(`a token refused as ${code} is 401 invalid_token, and the client is not told which check failed`, () => {
      const answer = answerDenial(refuse(code), "api");
      assert.equal(answer.status, 401);
      assert.equal(answer.problem.code, "invalid_token");
      const challenge = parseChallenge(answer.headers["www-authenticate"] ?? "");
      assert.equal(challenge.get("error"), "invalid_token");
      if (code !== "token_expired") assert.equal(JSON.stringify(answer).includes(code), false);
    });
  }

  test("a token that was revoked is 401 with the reason, so that the client can tell its user, and with nothing else", () => {
    const revocation = { kind: "user", reason: "evicted", position: { epoch: 1_800_000_000, seq: 4 } } as const;
    const answer = answerDenial(revoked(revocation), "api");
    assert.equal(answer.status, 401);
    assert.equal(answer.problem.code, "token_revoked");
    assert.equal(answer.problem.reason, "evicted");
    assert.equal(parseChallenge(answer.headers["www-authenticate"] ?? "").get("error"), "invalid_token");
    assert.equal(JSON.stringify(answer).includes("1800000000"), false);
  });

  test("a missing scope is 403 and names the scope that would do", () => {
    const answer = answerDenial(denialOf(requireScope("a:b", "c")(CLAIMS, 0)), "api");
    assert.equal(answer.status, 403);
    const challenge = parseChallenge(answer.headers["www-authenticate"] ?? "");
    assert.equal(challenge.get("error"), "insufficient_scope");
    assert.equal(challenge.get("scope"), "a:b c");
  });

  test("a login that is too old is 401 with the step-up challenge of RFC 9470", () => {
    const answer = answerDenial(denialOf(requireFreshLogin({ maxAge: 300 })(CLAIMS, 0)), "api");
    assert.equal(answer.status, 401);
    const challenge = parseChallenge(answer.headers["www-authenticate"] ?? "");
    assert.equal(challenge.get("error"), "insufficient_user_authentication");
    assert.equal(challenge.get("max_age"), "300");
  });

  test("an outage is 503 with Retry-After and without a challenge: the token may be good", () => {
    for (const denial of [KEYS_UNAVAILABLE, VERIFIER_CLOSED]) {
      const answer = answerDenial(denial, "api");
      assert.equal(answer.status, 503);
      assert.match(answer.headers["retry-after"] ?? "", /^[1-9]\d*$/);
      assert.equal("www-authenticate" in answer.headers, false);
    }
  });

  test("a fault of ours is 500 and tells nothing", () => {
    const answer = answerDenial(VERIFICATION_FAULT, "api");
    assert.equal(answer.status, 500);
    assert.equal("www-authenticate" in answer.headers, false);
  });

  test("no realm and no scope can break out of the header", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (realm, scope) => {
        const denial: Denial = { ok: false, code: "insufficient_scope", message: "", scope };
        const challenge = parseChallenge(answerDenial(denial, realm).headers["www-authenticate"] ?? "");
        assert.deepEqual([...challenge.keys()], ["realm", "error", "error_description", "scope"]);
      }),
    );
  });
});
