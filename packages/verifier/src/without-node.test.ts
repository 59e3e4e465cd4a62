/**
 * The package on a runtime that has neither node:crypto nor Buffer, as browsers have not: it loads, binds and verifies by
 * WebCrypto. Both are taken away in a process of its own before the first import.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { bindSigningKey, signJws } from "./jose/index.ts";

const SOURCE = fileURLToPath(new URL(".", import.meta.url));

test("no module of the package imports a built-in module of Node, but for types", () => {
  const files = readdirSync(SOURCE, { recursive: true, encoding: "utf8" });
  const modules = files.filter((file) => /(?<!\.test|\.test-support)\.ts$/.test(file));
  assert.ok(modules.length > 10);
  for (const file of modules) {
    const imports = readFileSync(`${SOURCE}${file}`, "utf8").match(/^import (?!type ).*from "node:.*$/gm);
    assert.equal(imports, null, file);
  }
});

test("without node:crypto and Buffer, tokens are verified by WebCrypto and the synchronous functions say what is missing", () => {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: "https://i.example", aud: "a", sub: "s", jti: "j", client_id: "c", iat: now, exp: now + 300 };
  const token = signJws(
    { typ: "at+jwt" },
    { ...claims, name: "\u00e9\u{1F600}" },
    bindSigningKey(privateKey, { kid: "k" }),
  );
  const jwk = { ...publicKey.export({ format: "jwk" }), kid: "k" };
  const program = `
    new Response(""); // Node loads its own fetch late, and that needs Buffer.
    process.getBuiltinModule = undefined;
    delete globalThis.Buffer;
    const jose = await import(${JSON.stringify(new URL("./jose/index.ts", import.meta.url).href)});
    const { createVerifier } = await import(${JSON.stringify(new URL("./index.ts", import.meta.url).href)});
    const token = ${JSON.stringify(token)};
    const jwk = ${JSON.stringify(jwk)};
    const key = await jose.bindKeyAsync(jwk);
    const bare = await jose.verifyJwsAsync(token, () => key);
    const bad = await jose.verifyJwsAsync(token.slice(0, -4) + "AAAA", () => key);
    const verifier = createVerifier({ issuer: "https://i.example", audience: "a", keys: { jwks: { keys: [jwk] } } });
    const verdict = await verifier.check(token);
    let code = "";
    try { jose.bindKey(jwk); } catch (error) { code = error.code; }
    console.log(JSON.stringify([bare.ok, new TextDecoder().decode(bare.payload).includes("\\u00e9"), bad.code, verdict.ok, code]));
  `;
  const args = ["--conditions=mapae-source", "--input-type=module", "--eval", program];
  const output = execFileSync(process.execPath, args, { encoding: "utf8" });
  assert.deepEqual(JSON.parse(output), [true, true, "invalid_signature", true, "key_engine_missing"]);
});
