import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { discoverJwksUri, metadataUrls } from "./discovery.ts";
import type { Net } from "./exchange.ts";

/** A network that has exactly these documents. */
function netOf(documents: Record<string, object | number>): { net: Net; asked: string[] } {
  const asked: string[] = [];
  const net: Net = {
    now: () => 0,
    after: () => () => undefined,
    async fetch(url) {
      asked.push(url);
      const document = documents[url] ?? 404;
      return typeof document === "number" ? new Response("", { status: document }) : Response.json(document);
    },
  };
  return { net, asked };
}

const ISSUER = "https://issuer.test";
const OAUTH = "https://issuer.test/.well-known/oauth-authorization-server";
const OPENID = "https://issuer.test/.well-known/openid-configuration";
const JWKS = "https://keys.test/jwks";

async function discover(documents: Record<string, object | number>, issuer = ISSUER) {
  const { net, asked } = netOf(documents);
  return { found: await discoverJwksUri(issuer, net, 1_000, new AbortController().signal), asked };
}

describe("finding an issuer's keys", () => {
  test("the metadata stands between host and path, or after the path (RFC 8414 §3, OpenID Connect Discovery §4)", () => {
    assert.deepEqual(metadataUrls("https://a.test/b/c/"), [
      "https://a.test/.well-known/oauth-authorization-server/b/c",
      "https://a.test/b/c/.well-known/openid-configuration",
    ]);
    assert.deepEqual(metadataUrls("https://a.test"), [
      "https://a.test/.well-known/oauth-authorization-server",
      "https://a.test/.well-known/openid-configuration",
    ]);
  });

  test("takes the OAuth metadata where it is, and OpenID's where it is not", async () => {
    const document = { issuer: ISSUER, jwks_uri: JWKS };
    const first = await discover({ [OAUTH]: document });
    assert.deepEqual(first.found, { ok: true, jwksUri: JWKS });
    assert.deepEqual(first.asked, [OAUTH]);
    const second = await discover({ [OPENID]: document });
    assert.deepEqual(second.found, { ok: true, jwksUri: JWKS });
    assert.deepEqual(second.asked, [OAUTH, OPENID]);
  });

  test("metadata of another issuer is refused, however alike (RFC 8414 §3.3), and not searched for elsewhere", async () => {
    for (const issuer of [
      "https://evil.test",
      "https://issuer.test/",
      "HTTPS://issuer.test",
      null,
      undefined,
      [ISSUER],
    ]) {
      const { found, asked } = await discover({
        [OAUTH]: { issuer, jwks_uri: JWKS },
        [OPENID]: { issuer: ISSUER, jwks_uri: JWKS },
      });
      assert.equal(found.ok, false, String(issuer));
      assert.deepEqual(asked, [OAUTH]);
    }
  });

  test("keys are not fetched over http from metadata that came over https", async () => {
    for (const uri of [
      "http://issuer.test/jwks",
      "http://127.0.0.1/jwks",
      "file:///etc/passwd",
      "jwks.json",
      5,
      undefined,
    ]) {
      const { found } = await discover({ [OAUTH]: { issuer: ISSUER, jwks_uri: uri } });
      assert.equal(found.ok, false, String(uri));
    }
  });

  test("an issuer on loopback may have its keys there", async () => {
    const issuer = "http://localhost:4000";
    const { found } = await discover(
      { [`${issuer}/.well-known/oauth-authorization-server`]: { issuer, jwks_uri: `${issuer}/jwks` } },
      issuer,
    );
    assert.deepEqual(found, { ok: true, jwksUri: `${issuer}/jwks` });
  });

  test("an outage at the first place is not taken for the absence of the document", async () => {
    const { found, asked } = await discover({ [OAUTH]: 503, [OPENID]: { issuer: ISSUER, jwks_uri: JWKS } });
    assert.equal(found.ok, false);
    assert.deepEqual(asked, [OAUTH]);
  });
});
