import assert from "node:assert/strict";
import { test } from "node:test";
import { createVerifier, REFUSALS, UNDECIDED, type Verdict, type Verifier } from "@mapae/verifier";
import { createTestIssuer, TOKEN_FAULTS } from "@mapae/verifier/testing";
import { createDecide, type Decision } from "./decision.ts";
import { createReader } from "./requirements.ts";

const issuer = createTestIssuer();
const verifier = createVerifier({ ...issuer.verifierOptions, revocation: "none", warn: () => {} });
const decide = createDecide(verifier, createReader({ scope: [], role: [] }, []), "the API");
const bearer = (token: string) => `Bearer ${token}`;

function header({ answer: { headers } }: Decision, name: string): string | undefined {
  const at = headers.findIndex((item, index) => index % 2 === 0 && item === name);
  return at < 0 ? undefined : headers[at + 1];
}

test("a good token is 204 and says whose it is", async () => {
  const decision = await decide(bearer(issuer.token({ scope: "a b", roles: ["x"] })), "scope=a&role=x");
  assert.equal(decision.outcome, "accepted");
  assert.equal(decision.answer.status, 204);
  assert.equal(decision.answer.body, null);
  assert.equal(header(decision, "X-Mapae-Subject"), "test-user");
  assert.equal(header(decision, "X-Mapae-Scope"), "a b");
});

test("every fault of a token is 401 invalid_token; the reason stays inside", async () => {
  for (const fault of TOKEN_FAULTS) {
    const decision = await decide(bearer(issuer.tokenWith(fault)), "");
    assert.equal(decision.outcome, fault);
    assert.equal(decision.answer.status, 401);
    assert.match(header(decision, "WWW-Authenticate") ?? "", /^Bearer realm="the API", error="invalid_token"/);
    assert.ok(!decision.answer.body?.includes(fault));
  }
});

test("no header, another scheme, two headers in one and nonsense are 401, not 400: a proxy calls that a failure", async () => {
  const token = issuer.token();
  const cases = [
    [undefined, "missing_token"],
    ["", "missing_token"],
    ["Basic a2RX", "missing_token"],
    [`Basic a2RX, Bearer ${token}`, "missing_token"],
    [`Bearer ${token}, Bearer ${token}`, "malformed_authorization"],
    ["Bearer", "malformed_authorization"],
  ] as const;
  for (const [value, outcome] of cases) {
    const decision = await decide(value, "");
    assert.equal(decision.outcome, outcome);
    assert.equal(decision.answer.status, 401);
    assert.equal(JSON.parse(decision.answer.body ?? "").status, 401);
    assert.ok(header(decision, "WWW-Authenticate"));
  }
});

test("where a token is optional only a request without the header is nobody", async () => {
  const nobody = await decide(undefined, "token=optional");
  assert.deepEqual([nobody.outcome, nobody.answer.status], ["anonymous", 204]);
  assert.equal(header(nobody, "X-Mapae-Subject"), undefined);
  for (const value of ["", "Basic a2RX", bearer(issuer.tokenWith("token_expired"))]) {
    assert.equal((await decide(value, "token=optional")).answer.status, 401, value);
  }
  assert.equal((await decide(bearer(issuer.token()), "token=optional")).outcome, "accepted");
});

test("requirements that are not understood are a fault even for a good token, and for none", async () => {
  for (const value of [bearer(issuer.token()), undefined]) {
    const decision = await decide(value, "token=optional&scopes=a");
    assert.equal(decision.outcome, "invalid_requirement");
    assert.equal(decision.answer.status, 500);
  }
});

/** A verifier that gives one verdict, to see what each code becomes. */
function saying(verdict: Verdict): Verifier {
  return { ...verifier, check: async () => verdict };
}

test("a definite no is 401 or 403, not knowing is 503 with Retry-After, and nothing but a yes is 2xx", async () => {
  for (const code of [...Object.keys(REFUSALS), ...Object.keys(UNDECIDED)]) {
    const verdict = { ok: false, code, message: "", reason: "evicted", revocation: null } as unknown as Verdict;
    const decision = await createDecide(
      saying(verdict),
      createReader({ scope: [], role: [] }, []),
      "r",
    )(bearer("x"), "");
    const { status } = decision.answer;
    if (Object.hasOwn(REFUSALS, code)) assert.equal(status, 401, code);
    else assert.ok(status === 503 || status === 500, code);
    assert.equal(header(decision, "Retry-After") !== undefined, status === 503);
    assert.equal(header(decision, "WWW-Authenticate") !== undefined, status === 401);
    assert.equal(header(decision, "X-Mapae-Problem"), decision.answer.body);
  }
});

test("the client of a revoked token learns why", async () => {
  const verdict = { ok: false, code: "token_revoked", message: "", reason: "evicted", revocation: null } as const;
  const decision = await createDecide(saying(verdict), createReader({ scope: [], role: [] }, []), "r")(bearer("x"), "");
  assert.equal(JSON.parse(decision.answer.body ?? "").reason, "evicted");
});
