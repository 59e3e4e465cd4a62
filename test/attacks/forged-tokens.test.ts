/** Tokens that are not what the server's own API asks for, signed by nobody, by somebody else, or by us for another purpose. */
import assert from "node:assert/strict";
import { createHmac, generateKeyPairSync } from "node:crypto";
import { after, before, test } from "node:test";
import { bindSigningKey, signJws } from "@mapae/verifier/jose";
import { claimsOf, ISSUER, type Json, object, openStage, type Stage, type Tokens, text } from "../stage.ts";

let stage: Stage;
let kim: Tokens;
let admin: string;
let claims: Json;

before(async () => {
  stage = await openStage();
  admin = await stage.admin();
  await stage.signUp("kim");
  kim = await stage.logIn("kim");
  claims = claimsOf(kim.access);
});
after(() => stage.close());

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
const headerOf = (token: string) => object(JSON.parse(Buffer.from(token.split(".")[0] ?? "", "base64url").toString()));

/** Signed by the server's own key, as only the server could. */
async function signed(changed: Json, typ = "at+jwt"): Promise<string> {
  const key = await stage.server.operations.keyring.signer(Number(claims.exp));
  return signJws({ typ }, { ...claims, ...changed }, key);
}

async function assertRefused(token: string, why: string, path = "/v1/me"): Promise<void> {
  const { status, body } = await stage.call("GET", path, { token });
  assert.deepEqual([status, body.code], [401, "invalid_token"], why);
}

test("the real thing is let in", async () => {
  assert.equal((await stage.call("GET", "/v1/me", { token: await signed({}) })).status, 200);
});

test("alg none, in every spelling", async () => {
  for (const alg of ["none", "None", "NONE", "nOnE", ""]) {
    const head = encode({ ...headerOf(kim.access), alg });
    await assertRefused(`${head}.${encode(claims)}.`, alg);
    await assertRefused(`${head}.${encode(claims)}.${kim.access.split(".")[2]}`, alg);
  }
});

test("the public key used as an HMAC secret", async () => {
  const { keys } = (await stage.call("GET", "/.well-known/jwks.json")).body;
  const { kid } = headerOf(kim.access);
  const input = `${encode({ alg: "HS256", typ: "at+jwt", kid })}.${encode(claims)}`;
  for (const secret of [JSON.stringify(keys), text(kid)]) {
    await assertRefused(`${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`, "HS256");
  }
});

test("another key under our kid, or with the key in the header", async () => {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const key = bindSigningKey(privateKey, { alg: "ES256", kid: text(headerOf(kim.access).kid) });
  await assertRefused(signJws({ typ: "at+jwt" }, claims, key), "our kid");
  const jwk = publicKey.export({ format: "jwk" });
  const head = encode({ alg: "ES256", typ: "at+jwt", jwk });
  const input = `${head}.${encode(claims)}`;
  await assertRefused(`${input}.${Buffer.from(key.sign(input)).toString("base64url")}`, "a key in the header");
});

test("a kid that there is not, or that is a path", async () => {
  for (const kid of ["nobody", "../../etc/passwd", "' OR 1=1 --", "__proto__", ""]) {
    const [, payload, signature] = kim.access.split(".");
    await assertRefused(`${encode({ alg: "ES256", typ: "at+jwt", kid })}.${payload}.${signature}`, kid);
  }
});

const CHANGES: readonly (readonly [string, Json])[] = [
  ["another audience", { aud: "https://api.example" }],
  ["an audience that begins like ours", { aud: `${ISSUER}/` }],
  ["the admin audience at an account route", { aud: `${ISSUER}/admin` }],
  ["another issuer", { iss: "https://evil.example" }],
  ["no session", { sid: undefined }],
  ["no grant", { gid: undefined }],
  ["no client", { client_id: undefined }],
  ["expired", { exp: Number.MIN_VALUE }],
  ["not yet valid", { nbf: 9_999_999_999 }],
  ["an expiry that is text", { exp: "9999999999" }],
  ["a subject that is a list", { sub: ["usr_1"] }],
];
for (const [what, changed] of CHANGES) {
  test(`a token signed by us: ${what}`, async () => assertRefused(await signed(changed), what));
}

test("a token of ours for another purpose: an ID token, a logout token, no type at all", async () => {
  for (const typ of ["JWT", "id_token", "logout+jwt", "at+jwt+x"]) await assertRefused(await signed({}, typ), typ);
});

test("a refresh token, a device token or a client secret in the place of an access token", async () => {
  for (const token of [kim.refresh, kim.device, stage.server.exampleSecret?.reveal() ?? ""]) {
    await assertRefused(token, "no JWT");
  }
});

test("the admin API takes a token of its own audience only, and nobody else's", async () => {
  const { sub, sid, gid } = claimsOf(admin);
  const roles = ["admin"];
  const admins = { sub, sid, gid, roles };
  assert.equal((await stage.call("GET", "/v1/admin/keys", { token: admin })).status, 200);
  await assertRefused(kim.access, "an ordinary token", "/v1/admin/keys");
  await assertRefused(await signed(admins), "an administrator's ordinary token", "/v1/admin/keys");
  const both = await signed({ ...admins, aud: [ISSUER, `${ISSUER}/admin`] });
  await assertRefused(both, "the admin audience beside another", "/v1/admin/keys");
  const list = await signed({ ...admins, aud: [`${ISSUER}/admin`] });
  await assertRefused(list, "a list of one", "/v1/admin/keys");
});

test("the admin audience without the role is forbidden", async () => {
  const token = await signed({ aud: `${ISSUER}/admin` });
  assert.equal((await stage.call("GET", "/v1/admin/keys", { token })).status, 403);
});

test("a token without the account scope does not open the account", async () => {
  for (const scope of ["read", "accounts", "ACCOUNT", undefined]) {
    const { status, body } = await stage.call("GET", "/v1/me", { token: await signed({ scope }) });
    assert.deepEqual([status, body.code], [403, "forbidden"]);
  }
});

test("two tokens in one request are none", async () => {
  const authorization = `Bearer ${kim.access}, Bearer ${kim.access}`;
  assert.equal((await stage.call("GET", "/v1/me", { headers: { authorization } })).status, 401);
});

test("a token in the query or in the body is none", async () => {
  assert.equal((await stage.call("GET", `/v1/me?access_token=${kim.access}`)).status, 401);
  const body = { name: "x", access_token: kim.access };
  assert.equal((await stage.call("PATCH", "/v1/me", { body })).status, 401);
});

test("a user's own token opens no other user's session, and tells nothing of it", async () => {
  await stage.signUp("lee");
  const lee = await stage.logIn("lee");
  for (const id of [kim.session, "ses_of_nobody"]) {
    const { status, body } = await stage.call("DELETE", `/v1/sessions/${id}`, { token: lee.access });
    assert.deepEqual([status, body.code, body.detail], [404, "not_found", "There is nothing here."]);
  }
  assert.equal((await stage.call("GET", "/v1/me", { token: kim.access })).status, 200);
});
