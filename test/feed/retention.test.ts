/**
 * What the log forgets and what verifiers accept are decided in two packages, by two clocks. Here they meet.
 *
 *   log      forgets an entry        once the server's clock is past  highest exp + 60 s + 10 min
 *   verifier accepts a token         until its own clock is at        exp + its tolerance (at most 60 s)
 *   verifier takes a lease           only while its clock is no more than 10 min behind what the server says
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { parseJws, signJws } from "@mapae/verifier/jose";
import { clocksAgree } from "@mapae/verifier/revocation";
import fc from "fast-check";
import { CLOCK_TOLERANCE_SECONDS, entryExpires, isForgettable } from "../../packages/server/src/revocation/expiry.ts";
import { bindClaimRules, checkClaims } from "../../packages/verifier/src/claims.ts";
import { bindSigningKey } from "../../packages/verifier/src/jose/jwk.ts";

const ISSUER = "https://login.example";
const IAT = 1_800_000_000;
const EXP = IAT + 300;
const signing = bindSigningKey(Buffer.alloc(32, 7), { alg: "HS256" });
const RULES = bindClaimRules({ issuer: ISSUER, audience: ISSUER, clockTolerance: CLOCK_TOLERANCE_SECONDS });
const BODY = { iss: ISSUER, aud: ISSUER, sub: "kim", exp: EXP, iat: IAT, jti: "t", client_id: "mapae" };
const jws = parseJws(signJws({ typ: "at+jwt" }, BODY, signing));

/** Whether a token is within its time for a verifier of the widest tolerance. @param wall its clock, in milliseconds */
function withinTime(wall: number): boolean {
  assert.ok(jws.ok);
  return checkClaims(jws, RULES, wall / 1000).ok;
}

test("expiry at the edge of the tolerance: a verifier that heard nothing of an entry, as the log forgot it, has outlived its token", () => {
  const forgottenAt = entryExpires(EXP, IAT * 1000) * 1000;
  // Around the edge, to the millisecond.
  const near = (edge: number, span: number) => fc.integer({ min: edge - span, max: edge + span });
  fc.assert(
    fc.property(near(forgottenAt, 3), near(-600_000, 5), fc.nat(60_000), fc.nat(60_000), (read, off, up, down) => {
      // A snapshot without the entry was made before the lease's head was read, when the server's clock said `read`.
      if (!isForgettable("session", forgottenAt / 1000, false, read)) return;
      const moment = (wall: number) => ({ mono: 0, wall });
      const heard = read + down + off;
      if (!clocksAgree(read, moment(read - up + off), moment(heard))) return;
      assert.equal(withinTime(heard), false);
    }),
    { numRuns: 5_000 },
  );
});

test("expiry at the edge of the tolerance: the token is accepted in the last millisecond before it, and not after", () => {
  const over = (EXP + CLOCK_TOLERANCE_SECONDS) * 1000;
  assert.equal(withinTime(over - 1), true);
  assert.equal(withinTime(over), false);
  const forgottenAt = entryExpires(EXP, IAT * 1000);
  assert.equal(isForgettable("session", forgottenAt, false, forgottenAt * 1000), false);
  assert.equal(isForgettable("session", forgottenAt, false, forgottenAt * 1000 + 1), true);
  // On the slowest clock that gets a lease, the two moments are one: there is nothing to spare and nothing missing.
  assert.equal(forgottenAt * 1000 - 600_000, over);
});
