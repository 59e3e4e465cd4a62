import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { describe, test } from "node:test";
import fc from "fast-check";
import { webEngine } from "./engine.ts";
import type { AlgorithmName } from "./jose/algorithms.ts";
import { resolveOptions, type VerifierOptions } from "./options.ts";
import { platformWorld } from "./revocation/world.ts";
import { createTestIssuer, TOKEN_FAULTS } from "./testing.ts";
import { TokenNotAccepted, type Verdict } from "./verdict.ts";
import { createVerifier, type Verifier, verifierOn } from "./verifier.ts";

const START = 1_800_000_000_000;

function stoppedClock() {
  const time = { now: START };
  const pass = (seconds: number) => {
    time.now += seconds * 1000;
  };
  return { clock: () => time.now, pass };
}

function codeOf(verdict: Verdict): string {
  return verdict.ok ? "ok" : verdict.code;
}

/** A verifier as a runtime without node:crypto has it. */
function webVerifier(options: VerifierOptions): Verifier {
  const resolved = resolveOptions(options);
  const net = { fetch, now: resolved.clock, after: () => () => undefined };
  return verifierOn(webEngine, resolved, platformWorld(net));
}

describe("verify()", () => {
  test("accepts a good token, and gives its claims", () => {
    const issuer = createTestIssuer();
    const verdict = createVerifier(issuer.verifierOptions).verify(issuer.token({ sub: "ada", roles: ["admin"] }));
    assert.ok(verdict.ok);
    assert.equal(verdict.claims.sub, "ada");
    assert.deepEqual(verdict.claims.roles, ["admin"]);
  });

  for (const fault of TOKEN_FAULTS) {
    test(`refuses a token with the fault ${fault} by that code, the first time and when it comes again`, async () => {
      const issuer = createTestIssuer();
      const verifier = createVerifier(issuer.verifierOptions);
      const token = issuer.tokenWith(fault);
      assert.equal(codeOf(verifier.verify(token)), fault);
      assert.equal(codeOf(await verifier.check(token)), fault);
    });
  }

  test("never throws and never accepts, whatever it is given", async () => {
    const issuer = createTestIssuer();
    const verifier = createVerifier(issuer.verifierOptions);
    const good = issuer.token();
    const mutated = fc
      .tuple(fc.nat({ max: good.length - 1 }), fc.string({ unit: "binary", minLength: 1, maxLength: 3 }))
      .map(([at, text]) => good.slice(0, at) + text + good.slice(at + text.length))
      .filter((text) => text !== good);
    const dotted = fc.array(fc.base64String(), { maxLength: 5 }).map((parts) => parts.join("."));
    const values = fc.oneof(fc.anything(), fc.string({ unit: "binary" }), mutated, dotted);
    await fc.assert(
      fc.asyncProperty(values, async (value) => {
        assert.equal(verifier.verify(value).ok, false);
        assert.equal((await verifier.check(value)).ok, false);
      }),
      { numRuns: 1_000 },
    );
  });

  test("never throws on objects that throw when they are touched", async () => {
    const verifier = createVerifier(createTestIssuer().verifierOptions);
    const throwing = () => {
      throw new Error("touched");
    };
    const hostile = new Proxy({}, { get: throwing, has: throwing, getPrototypeOf: throwing, ownKeys: throwing });
    for (const value of [hostile, { toString: throwing }, Object.create(null), Symbol("token"), 1n]) {
      assert.equal(codeOf(verifier.verify(value)), "malformed_token");
      assert.equal(codeOf(await verifier.check(value)), "malformed_token");
    }
  });

  test("never says a token in its message", () => {
    const issuer = createTestIssuer();
    const verifier = createVerifier(issuer.verifierOptions);
    const token = issuer.tokenWith("invalid_signature", { sub: "a-subject-to-look-for" });
    const verdict = verifier.verify(token);
    assert.ok(!verdict.ok);
    for (const part of [token, ...token.split("."), "a-subject-to-look-for"]) {
      assert.equal(verdict.message.includes(part), false);
    }
  });

  test("with a clock that is broken answers neither yes nor no", async () => {
    let now = START;
    const issuer = createTestIssuer({ clock: () => now });
    const verifier = createVerifier(issuer.verifierOptions);
    const token = issuer.token();
    assert.equal(codeOf(verifier.verify(token)), "ok");
    for (const broken of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      now = broken;
      assert.equal(codeOf(verifier.verify(token)), "verification_fault");
    }
    const throwing = createVerifier({
      ...issuer.verifierOptions,
      clock: () => {
        throw new Error("no time");
      },
    });
    assert.equal(codeOf(throwing.verify(token)), "verification_fault");
    assert.equal(codeOf(await throwing.check(token)), "verification_fault");
  });
});

describe("verifyOrThrow()", () => {
  test("gives the claims, or throws an error with the code and without the token", () => {
    const issuer = createTestIssuer();
    const verifier = createVerifier(issuer.verifierOptions);
    assert.equal(verifier.verifyOrThrow(issuer.token({ sub: "ada" })).sub, "ada");
    const token = issuer.tokenWith("token_expired");
    assert.throws(
      () => verifier.verifyOrThrow(token),
      (error) =>
        error instanceof TokenNotAccepted &&
        error.code === "token_expired" &&
        error.definite &&
        !String(error.stack).includes(token),
    );
    verifier.close();
    assert.throws(
      () => verifier.verifyOrThrow(token),
      (error) => error instanceof TokenNotAccepted && error.code === "verifier_closed" && !error.definite,
    );
  });
});

describe("time", () => {
  test("a token is refused from the second it expires, also one that is remembered", () => {
    const { clock, pass } = stoppedClock();
    const issuer = createTestIssuer({ clock });
    const verifier = createVerifier(issuer.verifierOptions);
    const token = issuer.token();
    pass(299.999);
    assert.equal(codeOf(verifier.verify(token)), "ok");
    assert.equal(codeOf(verifier.verify(token)), "ok");
    pass(0.001);
    assert.equal(codeOf(verifier.verify(token)), "token_expired");
  });

  test("the tolerance counts on both ends, remembered or not", () => {
    for (const cache of [false, { entries: 10 }] as const) {
      const { clock, pass } = stoppedClock();
      const issuer = createTestIssuer({ clock });
      const verifier = createVerifier({ ...issuer.verifierOptions, clockTolerance: 5, cache });
      const token = issuer.token({ nbf: START / 1000 + 10 });
      pass(4);
      assert.equal(codeOf(verifier.verify(token)), "token_not_yet_valid");
      pass(1);
      assert.equal(codeOf(verifier.verify(token)), "ok");
      pass(299.999);
      assert.equal(codeOf(verifier.verify(token)), "ok");
      pass(0.001);
      assert.equal(codeOf(verifier.verify(token)), "token_expired");
    }
  });

  test("a clock that is set back to before nbf refuses a remembered token", () => {
    const { clock, pass } = stoppedClock();
    const issuer = createTestIssuer({ clock });
    const verifier = createVerifier(issuer.verifierOptions);
    const token = issuer.token({ nbf: START / 1000 });
    assert.equal(codeOf(verifier.verify(token)), "ok");
    pass(-2);
    assert.equal(codeOf(verifier.verify(token)), "token_not_yet_valid");
  });

  test("a remembered token is judged as one that is not, at every moment of its life", () => {
    const offset = fc.integer({ min: -20, max: 20 });
    const { clock, pass } = stoppedClock();
    const issuer = createTestIssuer({ clock });
    const limits = { clockTolerance: 3, maxTokenLifetime: 12 };
    const cached = createVerifier({ ...issuer.verifierOptions, ...limits });
    const plain = createVerifier({ ...issuer.verifierOptions, ...limits, cache: false });
    fc.assert(
      fc.property(offset, offset, fc.array(fc.integer({ min: -40, max: 40 }), { maxLength: 8 }), (exp, nbf, moves) => {
        const at = Math.floor(clock() / 1000);
        const token = issuer.token({ iat: at - 1, exp: at + exp, nbf: at + nbf });
        for (const move of moves) {
          assert.equal(codeOf(cached.verify(token)), codeOf(plain.verify(token)));
          pass(move / 4);
        }
      }),
      { numRuns: 200 },
    );
  });

  test("a token that lives longer than is accepted is refused", () => {
    const issuer = createTestIssuer();
    const verifier = createVerifier({ ...issuer.verifierOptions, maxTokenLifetime: 299 });
    assert.equal(codeOf(verifier.verify(issuer.token())), "token_lifetime_exceeded");
  });
});

describe("claims that are shared", () => {
  test("one caller cannot change what the next one reads, at any depth", async () => {
    const issuer = createTestIssuer();
    const verifier = createVerifier(issuer.verifierOptions);
    const token = issuer.token({ roles: ["reader"], deep: { list: [{ member: 1 }] } });
    const first = verifier.verifyOrThrow(token);
    const { list } = first.deep as { list: { member: number }[] };
    const attempts: (() => void)[] = [
      () => Object.assign(first, { sub: "admin" }),
      () => Object.assign(first, { fresh: true }),
      () => Reflect.apply(Array.prototype.push, first.roles, ["admin"]),
      () => Object.setPrototypeOf(first, { admin: true }),
      () => list.pop(),
      () => Object.assign(list[0] ?? {}, { member: 2 }),
    ];
    for (const attempt of attempts) assert.throws(attempt, TypeError);
    const verdict = await verifier.check(token);
    assert.throws(() => Object.assign(verdict, { ok: false }), TypeError);
    const second = verifier.verifyOrThrow(token);
    assert.equal(second, first);
    assert.deepEqual(second.roles, ["reader"]);
    assert.deepEqual(second.deep, { list: [{ member: 1 }] });
  });
});

describe("keys by JWKS over HTTP", () => {
  test("1,000 parallel checks before the first key is there cause one request", async () => {
    const issuer = createTestIssuer();
    await issuer.listen();
    const verifier = createVerifier(issuer.verifierOptions);
    const token = issuer.token();
    assert.equal(codeOf(verifier.verify(token)), "keys_unavailable");
    const verdicts = await Promise.all(Array.from({ length: 1_000 }, () => verifier.check(token)));
    assert.ok(verdicts.every(({ ok }) => ok));
    assert.equal(issuer.requests, 1);
    verifier.close();
    await issuer.close();
  });

  test("a new key is found by check(), and after it by verify()", async () => {
    const issuer = createTestIssuer();
    await issuer.listen();
    const verifier = createVerifier(issuer.verifierOptions);
    await verifier.ready();
    const old = issuer.token();
    issuer.rotate();
    const token = issuer.token();
    assert.equal(codeOf(await verifier.check(token)), "ok");
    assert.equal(codeOf(verifier.verify(token)), "ok");
    assert.equal(codeOf(verifier.verify(old)), "ok");
    verifier.close();
    await issuer.close();
  });

  test("10,000 tokens with keys that do not exist cause two requests in all, and are refused", async () => {
    const { clock, pass } = stoppedClock();
    const issuer = createTestIssuer({ clock });
    await issuer.listen();
    const verifier = createVerifier(issuer.verifierOptions);
    await verifier.ready();
    const [, payload, signature] = issuer.token().split(".");
    const flood = Array.from({ length: 10_000 }, (_, n) => {
      const header = Buffer.from(JSON.stringify({ alg: "ES256", typ: "at+jwt", kid: `k${n}` })).toString("base64url");
      return verifier.check(`${header}.${payload}.${signature}`);
    });
    assert.deepEqual(new Set((await Promise.all(flood)).map(codeOf)), new Set(["unknown_key"]));
    assert.equal(issuer.requests, 2);
    assert.equal(codeOf(verifier.verify(issuer.token())), "ok");
    pass(10);
    await verifier.check(issuer.tokenWith("unknown_key"));
    assert.equal(issuer.requests, 3);
    verifier.close();
    await issuer.close();
  });

  test("a flood of unknown keys does not keep an honest new key out for longer than the cooldown", async () => {
    const { clock, pass } = stoppedClock();
    const issuer = createTestIssuer({ clock });
    await issuer.listen();
    const verifier = createVerifier(issuer.verifierOptions);
    await verifier.ready();
    await verifier.check(issuer.tokenWith("unknown_key"));
    issuer.rotate();
    const token = issuer.token();
    assert.equal(codeOf(await verifier.check(token)), "unknown_key");
    pass(10);
    assert.equal(codeOf(await verifier.check(token)), "ok");
    verifier.close();
    await issuer.close();
  });

  test("a key that the issuer dropped is refused after the refresh, also for a remembered token", async () => {
    const { clock, pass } = stoppedClock();
    const issuer = createTestIssuer({ clock });
    await issuer.listen();
    const verifier = createVerifier(issuer.verifierOptions);
    const token = issuer.token({ exp: START / 1000 + 3_600 });
    assert.equal(codeOf(await verifier.check(token)), "ok");
    issuer.rotate({ drop: true });
    assert.equal(codeOf(verifier.verify(token)), "ok");
    pass(600);
    // The first call after the set has aged is not held up; it begins the refresh that the next one waits for.
    verifier.verify(token);
    await verifier.check(issuer.token());
    assert.equal(codeOf(verifier.verify(token)), "unknown_key");
    assert.equal(codeOf(await verifier.check(token)), "unknown_key");
    verifier.close();
    await issuer.close();
  });

  test("an outage keeps the keys that are known; a key that is not is answered 'cannot say', never 'no'", async () => {
    const { clock, pass } = stoppedClock();
    const issuer = createTestIssuer({ clock });
    await issuer.listen();
    const verifier = createVerifier(issuer.verifierOptions);
    await verifier.ready();
    const life = { exp: START / 1000 + 100_000 };
    const old = issuer.token(life);
    issuer.outage(true);
    issuer.rotate();
    const fresh = issuer.token(life);
    pass(7_200);
    assert.equal(codeOf(await verifier.check(old)), "ok");
    assert.equal(codeOf(await verifier.check(fresh)), "keys_unavailable");
    assert.equal(codeOf(verifier.verify(fresh)), "keys_unavailable");
    assert.equal(codeOf(verifier.verify(old)), "ok");
    issuer.outage(false);
    pass(30);
    assert.equal(codeOf(await verifier.check(fresh)), "ok");
    verifier.close();
    await issuer.close();
  });

  test("an issuer that is not there: ready() says so, tokens are answered 'cannot say', and it is found once it is", async () => {
    const { clock, pass } = stoppedClock();
    const issuer = createTestIssuer({ clock });
    await issuer.listen();
    const { verifierOptions } = issuer;
    await issuer.close();
    const verifier = createVerifier(verifierOptions);
    await assert.rejects(verifier.ready(), /ECONNREFUSED/);
    assert.equal(codeOf(await verifier.check(issuer.token())), "keys_unavailable");
    await issuer.listen();
    pass(1);
    await verifier.ready();
    assert.equal(codeOf(verifier.verify(issuer.token())), "ok");
    verifier.close();
    await issuer.close();
  });

  test("keys left out are discovered from the issuer's metadata", async () => {
    const issuer = createTestIssuer();
    await issuer.listen();
    const { keys: _, ...options } = issuer.verifierOptions;
    const verifier = createVerifier(options);
    await verifier.ready();
    assert.equal(codeOf(verifier.verify(issuer.token())), "ok");
    verifier.close();
    await issuer.close();
  });

  test("metadata of another issuer at the issuer's address is not believed", async () => {
    const issuer = createTestIssuer({ issuer: "https://someone-else.test" });
    const address = await issuer.listen();
    const verifier = createVerifier({ issuer: address, audience: issuer.audience });
    await assert.rejects(verifier.ready(), /names another issuer/);
    verifier.close();
    await issuer.close();
  });
});

describe("a process with a verifier", () => {
  test("ends by itself when its work is done, although the next refresh is minutes away", async () => {
    const issuer = createTestIssuer();
    await issuer.listen();
    const { issuer: name, audience, keys } = issuer.verifierOptions;
    const program = `
      import { createVerifier } from "@mapae/verifier";
      const verifier = createVerifier(${JSON.stringify({ issuer: name, audience, keys })});
      await verifier.ready();
      process.stdout.write(String(verifier.verify(${JSON.stringify(issuer.token())}).ok));
    `;
    const args = ["--conditions=mapae-source", "--input-type=module", "--eval", program];
    const child = spawn(process.execPath, args, { cwd: import.meta.dirname, timeout: 60_000 });
    let output = "";
    child.stdout.on("data", (chunk) => {
      output += chunk;
    });
    const [status] = await once(child, "close");
    assert.equal(status, 0);
    assert.equal(output, "true");
    await issuer.close();
  });
});

describe("close()", () => {
  test("from then on every token is answered 'cannot say', remembered or not", async () => {
    const issuer = createTestIssuer();
    const verifier = createVerifier(issuer.verifierOptions);
    const token = issuer.token();
    assert.equal(codeOf(verifier.verify(token)), "ok");
    verifier.close();
    assert.equal(codeOf(verifier.verify(token)), "verifier_closed");
    assert.equal(codeOf(await verifier.check(token)), "verifier_closed");
  });
});

describe("on a runtime with WebCrypto only", () => {
  const algorithms: AlgorithmName[] = ["HS256", "RS256", "PS256", "ES256", "ES512", "EdDSA"];
  for (const alg of algorithms) {
    test(`check() gives the verdicts that node:crypto gives (${alg})`, async () => {
      const issuer = createTestIssuer({ alg });
      const node = createVerifier(issuer.verifierOptions);
      const web = webVerifier(issuer.verifierOptions);
      await web.ready();
      const tokens = [issuer.token(), ...TOKEN_FAULTS.map((fault) => issuer.tokenWith(fault)), "", "a.b.c"];
      for (const token of tokens) assert.deepEqual(await web.check(token), node.verify(token));
    });
  }

  test("verify() answers what it can at once, and asks for check() otherwise", async () => {
    const issuer = createTestIssuer();
    const web = webVerifier(issuer.verifierOptions);
    await web.ready();
    const token = issuer.token();
    assert.equal(codeOf(web.verify("nonsense")), "malformed_token");
    assert.equal(codeOf(web.verify(token)), "check_required");
    assert.equal(codeOf(await web.check(token)), "ok");
    assert.equal(codeOf(web.verify(token)), "ok");
  });

  test("a key that must not be used is said by ready()", async () => {
    const issuer = createTestIssuer();
    const secret = new TextEncoder().encode("short");
    const web = webVerifier({ issuer: issuer.issuer, audience: "a", keys: { secret, alg: "HS256" } });
    await assert.rejects(web.ready(), { code: "key_too_small" });
    assert.equal(codeOf(await web.check(issuer.token())), "keys_unavailable");
  });

  test("never rejects, whatever it is given", async () => {
    const web = webVerifier(createTestIssuer().verifierOptions);
    await fc.assert(fc.asyncProperty(fc.anything(), async (value) => !(await web.check(value)).ok));
  });
});
