/** With HS* every resource server holds the secret that signs. What one of them could do with it, and must not. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { bindSigningKey, signJws } from "@mapae/verifier/jose";
import { claimsOf, ISSUER, type Json, openStage, type Stage, type Tokens } from "../stage.ts";

const SHARED = Buffer.alloc(32, "only servers of ours know it");
let stage: Stage;
let victim: Tokens;
let admin: string;

before(async () => {
  stage = await openStage({
    settings: { signingAlg: "HS256", sharedSecret: SHARED.toString("base64url") },
  });
  await stage.signUp("victim");
  victim = await stage.logIn("victim");
  admin = await stage.admin();
});
after(() => stage.close());

function forge(claims: Json): string {
  const kid = JSON.parse(Buffer.from(victim.access.split(".")[0] ?? "", "base64url").toString()).kid;
  return signJws({ typ: "at+jwt" }, claims, bindSigningKey(SHARED, { alg: "HS256", kid }));
}

async function me(token: string): Promise<number> {
  return (await stage.call("GET", "/v1/me", { token })).status;
}

test("the server's own tokens are taken", async () => {
  assert.equal(await me(victim.access), 200);
  assert.equal((await stage.call("GET", "/v1/admin/keys", { token: admin })).status, 200);
});

test("a token forged with the shared secret for an invented session is refused", async () => {
  assert.equal(await me(forge({ ...claimsOf(victim.access), sid: "ses_invented", jti: "x" })), 401);
});

test("a token forged with the shared secret for another user's session is refused", async () => {
  await stage.signUp("mallory");
  const mallory = claimsOf((await stage.logIn("mallory")).access);
  const { sub, sid, gid } = claimsOf(victim.access);
  assert.equal(await me(forge({ ...mallory, sub, sid, gid })), 401, "all of the victim, from a token of one's own");
  assert.equal(await me(forge({ ...mallory, sid })), 401, "the victim's session only");
  assert.equal(await me(forge({ ...claimsOf(victim.access), jti: mallory.jti })), 401, "a mark from another token");
});

test("a token of the victim's that a resource server saw cannot be made to last longer, or to open more", async () => {
  const seen = claimsOf(victim.access);
  assert.equal(await me(forge(seen)), 200, "the same claims are the same token");
  assert.equal(await me(forge({ ...seen, exp: Number(seen.exp) + 3600 })), 401);
  assert.equal(await me(forge({ ...seen, rsq: [9_999_999_999, 1] })), 401);
});

test("an ordinary token of an administrator cannot be turned into one of the admin API", async () => {
  const ordinary = claimsOf((await stage.logIn("administrator")).access);
  const token = forge({ ...ordinary, aud: `${ISSUER}/admin`, roles: ["admin"] });
  assert.equal((await stage.call("GET", "/v1/admin/keys", { token })).status, 401);
});

test("a role cannot be written into a token", async () => {
  const token = forge({ ...claimsOf(victim.access), aud: `${ISSUER}/admin`, roles: ["admin"] });
  assert.equal((await stage.call("GET", "/v1/admin/keys", { token })).status, 401);
});

test("the shared secret is not published", async () => {
  const { text } = await stage.call("GET", "/.well-known/jwks.json");
  assert.deepEqual(JSON.parse(text), { keys: [] });
  assert.equal(stage.log().includes(SHARED.toString("base64url")), false);
});
