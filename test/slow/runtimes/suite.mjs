/**
 * What the built libraries must do on every runtime: plain JavaScript, run by Node 20, 22, 24, 26 and by Chromium alike.
 *
 * The fixture carries tokens with the verdicts that the pinned runtime gave. Another runtime must give the same ones:
 * whatever accepts a token that the others refuse is a hole, whatever refuses one is an outage.
 */
import { createVerifier, requireScope } from "@mapae/verifier";
import { bearer } from "@mapae/verifier/fetch";
import { bindKeyAsync, KeyRefused, verifyJwsAsync } from "@mapae/verifier/jose";
import {
  bindPrivateKeys,
  bindPublicKeys,
  makeReceipt,
  octetsOf,
  openDocument,
  openFile,
  publicHalves,
  sealDocument,
  sealFile,
  seekableBlob,
  verifyReceipt,
} from "@mapae/verifier/seal";

function equal(actual, expected, what) {
  if (actual !== expected) throw new Error(`${what}: ${String(actual)} instead of ${String(expected)}`);
}

const code = (verdict) => (verdict.ok ? "ok" : verdict.code);
const octets = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));

/** The keys of a case, as JSON can carry them. */
function keysOf({ jwks, secret, alg, kid }) {
  return secret === undefined ? { jwks } : { secret: octets(secret), alg, kid };
}

/** ML-DSA is where the runtime has it, and a runtime may only say so. */
function isMissing(alg, error) {
  return alg.startsWith("ML-DSA") && error instanceof KeyRefused && error.code === "key_algorithm_unavailable";
}

async function verdictsAgree({ issuers, issuer, audience, now }) {
  let compared = 0;
  for (const { alg, keys, cases } of issuers) {
    let verifier;
    try {
      verifier = createVerifier({ issuer, audience, keys: keysOf(keys), clock: () => now });
      await verifier.ready();
    } catch (error) {
      // A JWKS whose only key this runtime cannot use says so as the reason of having none.
      if (alg.startsWith("ML-DSA") && String(error.message).includes("key_algorithm_unavailable")) continue;
      throw error;
    }
    for (const { token, verdict } of cases) {
      const at = `${alg}, case ${compared}`;
      const first = code(verifier.verify(token));
      if (first !== "check_required") equal(first, verdict, at);
      equal(code(await verifier.check(token)), verdict, at);
      equal(code(await verifier.check(token)), verdict, `${at}, again`);
      compared += 1;
    }
    verifier.close();
  }
  return `${compared} access tokens`;
}

async function vectorsAgree({ vectors }) {
  let compared = 0;
  for (const { jwk, alg, cases } of vectors) {
    let key;
    let refusal = null;
    try {
      key = await bindKeyAsync(jwk, { alg });
    } catch (error) {
      if (isMissing(alg, error)) continue;
      if (!(error instanceof KeyRefused)) throw error;
      refusal = error.code;
    }
    for (const { token, verdict } of cases) {
      const actual = refusal ?? code(await verifyJwsAsync(token, ({ kid }) => (kid === key.kid ? key : undefined)));
      equal(actual, verdict, `${alg}: ${token.slice(0, 40)}`);
      compared += 1;
    }
  }
  return `${compared} published signatures`;
}

async function keysComeOverHttp({ issuer, audience, now, live }, base) {
  let time = now;
  const verifier = createVerifier({ issuer, audience, keys: { jwksUri: `${base}/jwks.json` }, clock: () => time });
  equal(code(verifier.verify(live.good)), "keys_unavailable", "before the keys are there");
  const verdicts = await Promise.all(Array.from({ length: 100 }, () => verifier.check(live.good)));
  for (const verdict of verdicts) equal(code(verdict), "ok", "with the keys");
  equal(await verifier.check(live.good), verifier.verify(live.good), "a token that was verified is remembered");
  equal(Object.isFrozen(verdicts[0].claims), true, "claims are frozen");
  equal(code(await verifier.check(live.unknown)), "unknown_key", "a key that does not exist");
  time = now + 301_000;
  equal(code(await verifier.check(live.good)), "token_expired", "after its time");
  verifier.close();
  equal(code(await verifier.check(live.good)), "verifier_closed", "after close()");
  return "JWKS over HTTP, cache, expiry";
}

async function outageIsNotRefusal({ issuer, audience, now, live }, base) {
  const verifier = createVerifier({ issuer, audience, keys: { jwksUri: `${base}/down` }, clock: () => now });
  let failed = false;
  await verifier.ready().catch(() => {
    failed = true;
  });
  equal(failed, true, "ready() fails");
  const reply = await bearer(verifier)()(() => new Response("in"))(request(live.good));
  equal(reply.status, 503, "an outage");
  equal(reply.headers.has("retry-after"), true, "Retry-After");
  verifier.close();
  return "an outage is 503";
}

function request(token) {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return new Request("https://api.test/orders", { headers });
}

async function handlersAreGuarded({ issuer, audience, now, live, issuers }) {
  const [{ keys }] = issuers;
  const verifier = createVerifier({ issuer, audience, keys: keysOf(keys), clock: () => now });
  await verifier.ready();
  const protect = bearer(verifier);
  const handler = protect()((_, claims) => new Response(claims.sub));
  const accepted = await handler(request(live.first));
  equal(accepted.status, 200, "a good token");
  equal(await accepted.text(), "test-user", "its subject");
  const refused = await handler(request());
  equal(refused.status, 401, "no token");
  equal(refused.headers.get("www-authenticate"), `Bearer realm="${audience}"`, "its challenge");
  const guarded = protect(requireScope("orders:read"))(() => new Response("in"));
  equal((await guarded(request(live.first))).status, 403, "a missing scope");
  verifier.close();
  return "handlers behind fetch";
}

async function clientSignsIn(_, base) {
  const { createClient } = await import("@mapae/client");
  const endings = [];
  const client = createClient({ server: base, onSignedOut: (ended) => endings.push(ended) });
  const kim = { identifier: `kim-${crypto.randomUUID()}@example.com`, password: "correct horse battery" };
  equal((await client.signUp(kim)).ok, true, "sign up");
  equal((await client.signIn(kim)).ok, true, "sign in");
  const replies = await Promise.all(Array.from({ length: 20 }, () => client.fetch(`${base}/v1/me`)));
  for (const reply of replies) equal(reply.status, 200, "a call with the token");
  await client.signOut();
  equal(await client.session(), null, "signed out");
  equal(endings.length, 1, "told once");
  client.close();
  return "the client signs in, calls and signs out";
}

/** By the platform's WebSocket where there is one, else by polling; the token goes within a poll. */
async function revocationsAreFollowed(_, base) {
  const sid = crypto.randomUUID();
  const { token, jwks, ...options } = await (await fetch(`${base}/feed?sid=${sid}`)).json();
  const verifier = createVerifier({ ...options, keys: { jwks } });
  await verifier.ready();
  const via = typeof WebSocket === "undefined" ? "poll" : "stream";
  equal(verifier.status().via, via, "how it follows");
  const verdict = await verifier.check(token);
  equal(code(verdict), "ok", "before");
  let told = "";
  verifier.onRevoked(verdict.claims, ({ reason }) => {
    told = reason;
  });
  await fetch(`${base}/revoke?sid=${sid}`);
  for (let tries = 0; (await verifier.check(token)).ok && tries < 300; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const refused = await verifier.check(token);
  equal(code(refused), "token_revoked", "afterwards");
  equal(refused.reason, "evicted", "the reason");
  equal(code(verifier.verify(token)) === "ok", false, "without waiting");
  await new Promise((resolve) => setTimeout(resolve, 10));
  equal(told, "evicted", "onRevoked");
  equal(verifier.status().trust, "live", "the lease");
  verifier.close();
  return `revocations by ${via}`;
}

const party = async ({ keys }) => ({
  own: await bindPrivateKeys(keys),
  published: await bindPublicKeys(publicHalves(keys)),
});

/** What Node sealed is opened here, with its receipts, and what is to be discarded is discarded. */
async function publishedEnvelopesOpen(_, base) {
  const sets = await (await fetch(`${base}/envelopes.json`)).json();
  let opened = 0;
  for (const { kind, keys, documents, files, discarded } of sets) {
    const [a, b, c] = await Promise.all([party(keys.a), party(keys.b), party(keys.c)]);
    for (const { what, document, envelope, receipt } of documents) {
      const told = await openDocument(envelope, { from: a.published, to: b.own });
      equal(told.ok && new TextDecoder().decode(told.document), document, `${kind}: ${what}`);
      equal((await verifyReceipt(receipt, envelope, { from: b.published, to: a.published })).ok, true, "its receipt");
      opened += 1;
    }
    for (const { what, length, file, receipt } of files) {
      const source = seekableBlob(new Blob([Uint8Array.from(atob(file), (char) => char.charCodeAt(0))]));
      let octets = 0;
      const write = (piece) => {
        for (const octet of piece) equal(octet, (octets++ * 7) & 0xff, `octet ${octets}`);
      };
      equal((await openFile(source, write, { from: a.published, to: b.own })).ok, true, `${kind}: ${what}`);
      equal(octets, length, "octets");
      equal((await verifyReceipt(receipt, source, { from: b.published, to: a.published })).ok, true, "its receipt");
      opened += 1;
    }
    for (const { what, from, envelope, outcome } of discarded) {
      const told = await openDocument(envelope, { from: { a, c }[from].published, to: b.own });
      equal(told.code, outcome, `${kind}: ${what}`);
    }
  }
  return `${opened} published envelopes`;
}

/** What is sealed here is opened by Node, and its receipts count here; what Node acknowledges of it too. */
async function envelopesTravel(_, base) {
  const sets = await (await fetch(`${base}/envelopes.json`)).json();
  const plan = crypto.getRandomValues(new Uint8Array(60_000));
  const large = new Blob(Array.from({ length: 50 }, () => plan));
  const hex = (buffer) => Array.from(new Uint8Array(buffer), (octet) => octet.toString(16).padStart(2, "0")).join("");
  for (const [index, { kind, keys }] of sets.entries()) {
    const [a, b, c] = await Promise.all([party(keys.a), party(keys.b), party(keys.c)]);
    const options = { from: a.own, to: b.published };
    const parts = [];
    for await (const part of sealFile(octetsOf(seekableBlob(large)), options)) parts.push(part);
    const sealed = { document: await sealDocument(plan, options), file: seekableBlob(new Blob(parts)) };
    const sent = { document: new Blob([sealed.document]), file: new Blob(parts) };
    const hash = {
      document: hex(await crypto.subtle.digest("SHA-256", plan)),
      file: hex(await crypto.subtle.digest("SHA-256", await large.arrayBuffer())),
    };
    for (const format of ["document", "file"]) {
      const at = `${base}/open?set=${index}&format=${format}`;
      const answer = await (await fetch(at, { method: "POST", body: sent[format] })).json();
      equal(answer.hash, hash[format], `${kind}: ${format}`);
      const known = await verifyReceipt(answer.receipt, sealed[format], { from: b.published, to: a.published });
      equal(known.ok, true, "the receipt of Node");
      const other = await verifyReceipt(answer.receipt, sealed[format], { from: c.published, to: a.published });
      equal(other.code, "not_from_sender", "a receipt under another's name");
    }
    const told = await openDocument(sealed.document, { from: a.published, to: b.own });
    const receipt = await makeReceipt(told, { from: b.own });
    equal(
      (await verifyReceipt(receipt, sealed.document, { from: b.published, to: a.published })).ok,
      true,
      "a receipt",
    );
    const stolen = await openDocument(sealed.document, { from: a.published, to: c.own });
    equal(stolen.code, "not_for_me", "C reads");
    const altered = await openFile(seekableBlob(new Blob([...parts.slice(0, -2), ...parts.slice(-1)])), () => {}, {
      from: a.published,
      to: b.own,
    });
    equal(altered.ok, false, "C alters");
  }
  return `${sets.length} kinds of keys, sealed, opened elsewhere and acknowledged`;
}

async function encryptedTokensOpen({ issuer, audience, now, encrypted }) {
  for (const { what, keys, token, decryptionKeys } of encrypted) {
    const options = { issuer, audience, keys: keysOf(keys), clock: () => now, warn: () => undefined };
    const verifier = createVerifier({ ...options, decryptionKeys });
    equal(code(await verifier.check(token)), "ok", what);
    equal(code(verifier.verify(token)), "ok", `${what}, remembered`);
    equal(code(await verifier.check(`${token.slice(0, -6)}AAAAAA`)), "not_decryptable", `${what}, altered`);
    equal(code(await createVerifier(options).check(token)), "not_decryptable", `${what}, without a key`);
  }
  return `${encrypted.length} encrypted tokens`;
}

const STEPS = [
  verdictsAgree,
  vectorsAgree,
  keysComeOverHttp,
  outageIsNotRefusal,
  handlersAreGuarded,
  revocationsAreFollowed,
  publishedEnvelopesOpen,
  envelopesTravel,
  encryptedTokensOpen,
  clientSignsIn,
];

/**
 * @param {string} base address of the host that serves the fixture
 * @returns {Promise<{ step: string, failure: string | null, says: string }[]>}
 */
export async function run(base) {
  const fixture = await (await fetch(`${base}/fixture.json`)).json();
  const results = [];
  for (const step of STEPS) {
    try {
      results.push({ step: step.name, failure: null, says: await step(fixture, base) });
    } catch (error) {
      results.push({ step: step.name, failure: String(error?.stack ?? error), says: "" });
    }
  }
  return results;
}
