/** Encrypted tokens from the command line: keys for a resource server, a token for it, and a look inside. */
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { createTestIssuer } from "@mapae/verifier/testing";
import { EXIT_CODES } from "../../packages/server/src/cli/exit.ts";
import { temporaryFolder } from "../processes.ts";
import { documents, mapae } from "./mapae.ts";

const AUDIENCE = "https://orders.example";

test("an encrypted token is verified with the private key, by what is inside, and not without it", async (t) => {
  const folder = temporaryFolder((task) => t.after(task));
  const run = (line: string, stdin = "") => mapae(folder, line.split(" "), { stdin });
  for (const name of ["orders", "other"]) assert.equal((await run(`seal keygen ${name}`)).code, 0);
  const issuer = createTestIssuer();
  writeFileSync(join(folder, "jwks"), JSON.stringify(issuer.jwks));
  const [, encryption] = JSON.parse(readFileSync(join(folder, "orders.public"), "utf8")).keys;
  const verify = `token verify --jwks jwks --audience ${issuer.audience}`;
  const good = await run(`${verify} --key orders.private`, await issuer.encryptedToken(encryption, { sub: "kdw" }));
  assert.match(good.stdout, /^VALID {2}of kdw for /);
  const expired = await issuer.encryptedToken(encryption, { exp: 1_000_000_000 });
  const refused = await run(`${verify} --key orders.private`, expired);
  assert.equal(refused.code, EXIT_CODES.failed.code);
  assert.match(refused.stdout, /^NOT VALID {2}token_expired: .* It expired \d+d/);
  for (const [options, says] of [
    ["", /^NOT VALID {2}not_decryptable: .*--key <keys>/],
    [" --key other.private", /^NOT VALID {2}not_decryptable: .*The key does not open it/],
  ] as const) {
    const ran = await run(`${verify}${options}`, await issuer.encryptedToken(encryption));
    assert.equal(ran.code, EXIT_CODES.failed.code);
    assert.match(ran.stdout, says);
  }
});

test("keys are registered, tokens signed by hand are encrypted for them, and the private key looks inside", async (t) => {
  const folder = temporaryFolder((task) => t.after(task));
  const run = (line: string, stdin = "") => mapae(folder, line.split(" "), { stdin });
  const ok = async (line: string, stdin = "") => {
    const ran = await run(line, stdin);
    assert.equal(ran.code, 0, `${line}: ${ran.stderr}`);
    return ran;
  };
  await ok("seal keygen orders");
  await ok("users create kim@example.com --password-stdin", "tessellated-harbour-quince-42");
  const made = await ok(`clients create orders --audience ${AUDIENCE} --jwks orders.public --json`);
  assert.partialDeepStrictEqual(documents(made), [{ client: { id: "orders", jwks: { keys: [{ use: "enc" }] } } }]);
  assert.doesNotMatch(made.stdout, /"d":/);
  const sign = `token sign --sub kim@example.com --audience ${AUDIENCE}`;
  const token = (await ok(sign)).stdout.trim();
  assert.equal(token.split(".").length, 5);

  const outside = await ok("token inspect", token);
  assert.match(outside.stdout, /^An encrypted token \(JWE\)/);
  assert.doesNotMatch(outside.stdout, /Inside/);
  const inside = await ok("token inspect --key orders.private", token);
  assert.match(inside.stdout, /Inside:\nA signed token \(JWS\)/);
  assert.match(inside.stdout, /aud +"https:\/\/orders\.example" +registered/);
  const json = documents(await ok("token inspect --key orders.private --json", token));
  assert.partialDeepStrictEqual(json, [{ kind: "JWE", claims: null, inside: { kind: "JWS", verified: false } }]);
  await ok("seal keygen other");
  const wrong = await run("token inspect --key other.private", token);
  assert.equal(wrong.code, EXIT_CODES.failed.code);
  assert.match(wrong.stderr, /^mapae: the key does not open it/);

  assert.match((await ok("clients list")).stdout, /ENCRYPTED FOR/);
  await ok("clients keys orders --none");
  assert.equal((await ok(sign)).stdout.trim().split(".").length, 3);
  assert.match((await ok("clients keys orders --jwks orders.public")).stdout, /are encrypted for ECDH-ES from now on/);
  const [, encryption] = JSON.parse(readFileSync(join(folder, "orders.public"), "utf8")).keys;
  writeFileSync(join(folder, "one"), JSON.stringify({ ...encryption, kid: "orders-2" }));
  assert.match((await ok("clients keys orders --jwks one")).stdout, /are encrypted for orders-2/);

  writeFileSync(join(folder, "no-keys"), "attack at dawn");
  for (const [line, exit, says] of [
    ["clients keys orders", "usage", /--jwks <file>, or take them away with --none/],
    ["clients keys orders --none --jwks one", "usage", /--none/],
    ["clients keys orders --jwks no-keys", "usage", /holds no JWK set/],
    ["clients keys orders --jwks absent", "failed", /cannot be read/],
    ["clients keys orders --jwks orders.private", "failed", /holds a private key: publish its public half/],
    ["clients keys nobody --none", "notFound", /./],
    ["clients create more --jwks one", "failed", /needs an audience of its own/],
  ] as const) {
    const ran = await run(line);
    assert.equal(ran.code, EXIT_CODES[exit].code, `${line}: ${ran.stderr}`);
    assert.match(ran.stderr, says, line);
  }
});
