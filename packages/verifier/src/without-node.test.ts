/**
 * The package on a runtime that has neither node:crypto nor Buffer, as browsers have not: it loads, binds and verifies by
 * WebCrypto. Both are taken away in a process of its own before the first import.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { bindSigningKey, signJws } from "./jose/index.ts";
import { bindPrivateKeys, bindPublicKeys, openDocument, readKeyText, sealDocument } from "./seal/index.ts";

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

test("the verifier's own entries load nothing but this package: jose comes with sealed documents only", () => {
  const program = `
    import { registerHooks } from "node:module";
    const loaded = [];
    registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) });
    for (const entry of ["index", "jose/index", "revocation/index", "testing", "adapters/fetch", "adapters/express"]) {
      await import(${JSON.stringify(new URL(".", import.meta.url).href)} + entry + ".ts");
    }
    console.log(JSON.stringify(loaded.filter((url) => url.includes("/node_modules/"))));
  `;
  const args = ["--conditions=mapae-source", "--input-type=module", "--eval", program];
  assert.deepEqual(JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8" })), []);
});

test("without node:crypto and Buffer, documents and files are sealed, opened and acknowledged by WebCrypto", async () => {
  const keys = { ed: generateKeyPairSync("ed25519"), x: generateKeyPairSync("x25519") };
  const pem = (key: KeyObject, type: "spki" | "pkcs8") => key.export({ format: "pem", type }).toString();
  const published = pem(keys.ed.publicKey, "spki") + pem(keys.x.publicKey, "spki");
  const own = pem(keys.ed.privateKey, "pkcs8") + pem(keys.x.privateKey, "pkcs8");
  const party = {
    from: await bindPrivateKeys(await readKeyText(own)),
    to: await bindPublicKeys(await readKeyText(published)),
  };
  const fromNode = await sealDocument(new TextEncoder().encode("from Node"), party);
  const program = `
    new Response(""); await new Blob(["x"]).arrayBuffer(); // Node loads its own late, and that needs Buffer.
    process.getBuiltinModule = undefined;
    delete globalThis.Buffer;
    const seal = await import(${JSON.stringify(new URL("./seal/index.ts", import.meta.url).href)});
    const own = await seal.bindPrivateKeys(await seal.readKeyText(${JSON.stringify(own)}));
    const published = await seal.bindPublicKeys(await seal.readKeyText(${JSON.stringify(published)}));
    const opened = await seal.openDocument(${JSON.stringify(fromNode)}, { from: published, to: own });
    const receipt = await seal.makeReceipt(opened, { from: own });
    const known = await seal.verifyReceipt(receipt, ${JSON.stringify(fromNode)}, { from: published, to: published });
    const parts = [];
    const content = new Uint8Array(5000).map((_, at) => at);
    async function* source() { yield content; }
    for await (const part of seal.sealFile(source(), { from: own, to: published, pieceOctets: 1024 })) parts.push(part);
    const blob = new Blob(parts);
    const out = [];
    const file = await seal.openFile(seal.seekableBlob(blob), (piece) => { out.push(piece); }, { from: published, to: own });
    const same = (await new Blob(out).bytes()).every((octet, at) => octet === content[at]);
    const octets = await blob.bytes();
    octets[100] ^= 1;
    const bad = await seal.openFile(seal.seekableBlob(new Blob([octets])), () => {}, { from: published, to: own });
    const sealed = await seal.sealDocument(new TextEncoder().encode("from a browser"), { from: own, to: published });
    console.log(JSON.stringify([new TextDecoder().decode(opened.document), known.ok, file.ok, same, bad.code, sealed]));
  `;
  const args = ["--conditions=mapae-source", "--input-type=module", "--eval", program];
  const output = JSON.parse(execFileSync(process.execPath, args, { encoding: "utf8" }));
  assert.deepEqual(output.slice(0, -1), ["from Node", true, true, true, "not_for_me"]);
  const back = await openDocument(output.at(-1), { from: party.to, to: party.from });
  assert.ok(back.ok);
  assert.equal(new TextDecoder().decode(back.document), "from a browser");
});
