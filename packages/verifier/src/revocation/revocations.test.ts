/** The verifier with its feed, over real sockets, against the test issuer. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as after } from "node:timers/promises";
import { nodeEngine } from "../engine.ts";
import { resolveOptions, type VerifierOptions } from "../options.ts";
import { createTestIssuer, type TestIssuer, type TestIssuerOptions } from "../testing.ts";
import type { Verdict } from "../verdict.ts";
import { createVerifier, type Verifier, verifierOn } from "../verifier.ts";
import type { RevocationKind } from "./entry.ts";
import { AUDIENCE, at, entry, ISSUER, N, settled, setupWith } from "./feed.test-support.ts";
import { encodeRev } from "./rev.ts";
import { followRevocations } from "./revocations.ts";
import type { RevocationOptions } from "./stale-policy.ts";
import { type FeedWorld, platformWorld } from "./world.ts";

const TOKENS = { issuer: ISSUER, audience: [AUDIENCE] };

function codeOf(verdict: Verdict): string {
  return verdict.ok ? "ok" : verdict.code;
}

interface Setting {
  readonly issuer: TestIssuer;
  readonly verifier: Verifier;
}

/** A listening issuer and a verifier that follows it; both gone afterwards. */
async function following(
  use: (setting: Setting) => Promise<void>,
  revocation: RevocationOptions = {},
  options: { issuer?: TestIssuerOptions; verifier?: Partial<VerifierOptions> } = {},
): Promise<void> {
  const issuer = createTestIssuer(options.issuer);
  await issuer.listen();
  const { credentials } = issuer.feedOptions;
  const verifier = createVerifier({
    ...issuer.verifierOptions,
    ...(credentials === undefined ? {} : { credentials }),
    revocation,
    ...options.verifier,
  });
  try {
    await verifier.ready();
    await use({ issuer, verifier });
  } finally {
    verifier.close();
    await issuer.close();
  }
}

/** Waits until something is so; the test's own timeout is the bound. */
async function until(is: () => boolean): Promise<void> {
  while (!is()) await after(5);
}

const MEETS: Record<RevocationKind, string> = {
  token: "jti-1",
  session: "test-session",
  grant: "test-grant",
  key: "",
  user: "test-user",
  client: "test-client",
  all: "",
};

describe("a verifier that follows the revocations", { timeout: 60_000 }, () => {
  for (const [via, webSocket, kinds] of [
    ["a stream", undefined, Object.keys(MEETS) as RevocationKind[]],
    ["polling", false, ["session", "all"] as RevocationKind[]],
  ] as const) {
    for (const kind of kinds) {
      test(`refuses what an entry of kind ${kind} names, with the reason, by ${via}, remembered or not`, async () => {
        for (const cache of [false, { entries: 10 }] as const) {
          await following(
            async ({ issuer, verifier }) => {
              const token = issuer.token({ jti: "jti-1" });
              assert.equal(codeOf(verifier.verify(token)), "ok");
              const kid = issuer.jwks.keys[0]?.kid ?? "";
              await issuer.revoke(kind, kind === "key" ? kid : MEETS[kind], "evicted");
              if (via === "polling") await until(() => verifier.status()?.entries === 1);
              for (const verdict of [verifier.verify(token), await verifier.check(token)]) {
                assert.ok(verdict.ok === false && verdict.code === "token_revoked", codeOf(verdict));
                assert.equal(verdict.reason, "evicted");
                assert.deepEqual(verdict.revocation?.kind, kind);
                assert.equal(verdict.revocation?.position.seq, 1);
              }
              const again = issuer.token({ jti: "jti-2", sid: "another", gid: "another" });
              assert.equal(codeOf(verifier.verify(again)), kind === "key" ? "token_revoked" : "ok");
            },
            webSocket === undefined ? {} : { webSocket },
            { verifier: { cache } },
          );
        }
      });
    }
  }

  test("says where it stands, and that its lease renews itself", async () => {
    await following(async ({ issuer, verifier }) => {
      await issuer.revoke("session", "s-9");
      await until(() => verifier.status()?.head === verifier.status()?.position);
      const status = verifier.status();
      assert.equal(status?.trust, "live");
      assert.equal(status?.entries, 1);
      assert.equal(status?.lag, 0);
      assert.equal(status?.via, "stream");
      assert.equal(status?.trouble, null);
      assert.ok((status?.leaseLeft ?? 0) > 0);
      assert.match(status?.instance ?? "", /^ins_/);
    });
  });

  test("calls when the token of an open connection is revoked, once, and not for others", async () => {
    await following(async ({ issuer, verifier }) => {
      const calls: string[] = [];
      const mine = verifier.verifyOrThrow(issuer.token({ sid: "s-1" }));
      const other = verifier.verifyOrThrow(issuer.token({ sid: "s-2" }));
      verifier.onRevoked(mine, ({ reason }) => calls.push(`mine ${reason}`));
      verifier.onRevoked(other, () => calls.push("other"))();
      await issuer.revoke("session", "s-2", "logout");
      await issuer.revoke("session", "s-1", "evicted");
      await issuer.revoke("user", "test-user", "admin");
      await until(() => calls.length > 0);
      assert.deepEqual(calls, ["mine evicted"]);
      verifier.onRevoked(other, ({ reason }) => calls.push(`late ${reason}`));
      await until(() => calls.length > 1);
      assert.deepEqual(calls[1], "late logout");
      assert.throws(() => verifier.onRevoked({ ...mine }, () => undefined), TypeError);
    });
  });

  test("loses no revocation over an outage of the server, and trusts its copy again afterwards", async () => {
    await following(
      async ({ issuer, verifier }) => {
        const token = issuer.token();
        assert.equal(codeOf(verifier.verify(token)), "ok");
        issuer.outage(true);
        await until(() => verifier.status()?.trust === "stale");
        assert.equal(codeOf(verifier.verify(token)), "revocation_unknown");
        assert.equal(codeOf(await verifier.check(token)), "revocation_unknown");
        await issuer.revoke("session", "test-session");
        issuer.outage(false);
        await until(() => verifier.status()?.trust === "live");
        assert.equal(codeOf(verifier.verify(token)), "token_revoked");
        assert.equal(codeOf(verifier.verify(issuer.token({ sid: "s-2" }))), "ok");
      },
      { onStale: "reject", maxStaleness: 1 },
    );
  });

  test("asks about single tokens while it does not follow, and refuses what it knows to be revoked all the same", async () => {
    const issuer = createTestIssuer();
    await issuer.listen();
    const { credentials } = issuer.feedOptions;
    const options = resolveOptions({
      ...issuer.verifierOptions,
      ...(credentials === undefined ? {} : { credentials }),
      revocation: { onStale: "introspect", acceptFor: 3_600, maxStaleness: 1 },
    });
    let cut = false;
    let asked = 0;
    const platform = platformWorld({
      now: options.clock,
      after: (ms, run) => {
        const timer = setTimeout(run, ms);
        return () => clearTimeout(timer);
      },
      fetch: async (url, init) => {
        if (cut && url.includes("/v1/revocations")) throw new TypeError("cut");
        asked += url.endsWith("/introspect") ? 1 : 0;
        return fetch(url, init);
      },
    });
    const connect = (url: string, protocol: string) => {
      if (cut || platform.connect === null) throw new TypeError("cut");
      return platform.connect(url, protocol);
    };
    const verifier = verifierOn(nodeEngine, options, { ...platform, connect });
    await verifier.ready();
    const tokenOf = (sid: string) => issuer.token({ sid });
    const [good, gone, unseen, known] = [tokenOf("s-1"), tokenOf("s-2"), tokenOf("s-2"), tokenOf("s-3")];
    await issuer.revoke("session", "s-3");
    cut = true;
    issuer.outage(true);
    issuer.outage(false);
    await until(() => verifier.status()?.trust !== "live");
    await issuer.revoke("session", "s-2");
    assert.equal(codeOf(verifier.verify(good)), "revocation_unknown");
    assert.equal(codeOf(await verifier.check(good)), "ok");
    assert.equal(codeOf(await verifier.check(gone)), "token_revoked");
    assert.equal(codeOf(await verifier.check(good, { onStale: "reject" })), "revocation_unknown");
    assert.equal(codeOf(verifier.verify(unseen, { onStale: "accept" })), "ok");
    // Nothing is un-revoked, least of all what the issuer said a moment ago.
    assert.equal(codeOf(verifier.verify(gone, { onStale: "accept" })), "token_revoked");
    assert.equal(codeOf(verifier.verify(known, { onStale: "accept" })), "token_revoked");
    assert.equal(codeOf(verifier.verify(known)), "token_revoked");
    const { decisions } = verifier.status() ?? assert.fail();
    assert.deepEqual(decisions, {
      revoked: 4,
      stale_accepted: 1,
      stale_rejected: 2,
      introspected: 1,
      introspection_failed: 0,
    });
    const before = asked;
    for (let again = 0; again < 20; again++) assert.equal(codeOf(await verifier.check(gone)), "token_revoked");
    assert.equal(asked, before);
    verifier.close();
    await issuer.close();
  });

  test("with wrong credentials is not ready, says why, and accepts nothing", async () => {
    const issuer = createTestIssuer();
    await issuer.listen();
    const credentials = { clientId: "test-api", clientSecret: "a guess" };
    const verifier = createVerifier({ ...issuer.verifierOptions, credentials, revocation: { onStale: "reject" } });
    await assert.rejects(verifier.ready(), /refused the credentials/);
    assert.equal(codeOf(await verifier.check(issuer.token())), "revocation_unknown");
    verifier.close();
    assert.equal(codeOf(verifier.verify(issuer.token())), "verifier_closed");
    await issuer.close();
  });
});

describe("an answer of the introspection", () => {
  test("that a token is inactive stands when a lease comes that was asked for before, and its entry has not", async () => {
    const questions: ((answer: Response) => void)[] = [];
    const it = setupWith(
      (options, world) => {
        const fetch: FeedWorld["fetch"] = (url, init) => {
          if (!url.endsWith("/introspect")) return world.fetch(url, init);
          return new Promise((resolve) => questions.push(resolve));
        };
        const { keep, ...rest } = options;
        const resolved = { ...rest, keep, onStale: "introspect" as const, webSocket: undefined };
        const introspectionUrl = `${ISSUER}/oauth2/introspect`;
        return followRevocations({ ...resolved, introspectionUrl }, TOKENS, options.readSigned, { ...world, fetch });
      },
      (revocations) => revocations.status().trust,
    );
    await it.live();
    const claims = { iss: ISSUER, sub: "u", aud: "a", exp: 0, iat: 0, jti: "j", client_id: "c", sid: "s-1" };
    const prints = it.feed.prints(claims, "k");
    it.clock.wall += N;
    const asked = it.feed.settleLater("token", { ok: true, claims }, prints, undefined, it.clock.wall);
    await settled();
    questions[0]?.(Response.json({ active: false }));
    assert.equal(codeOf(await asked), "token_revoked");
    it.clock.wall -= N;
    assert.equal(it.feed.status().trust, "live");
    assert.equal(codeOf(it.feed.settle({ ok: true, claims }, undefined, it.clock.wall)), "token_revoked");
    const other = { ...claims, jti: "k" };
    assert.equal(codeOf(it.feed.settle({ ok: true, claims: other }, undefined, it.clock.wall)), "ok");
  });

  test("does not outweigh an entry that came in while it was under way, and may be acknowledged by now", async () => {
    for (const [news, expected] of [
      ["s-1", "token_revoked"],
      ["s-2", "ok"],
    ] as const) {
      const questions: ((answer: Response) => void)[] = [];
      const it = setupWith(
        (options, world) => {
          const fetch: FeedWorld["fetch"] = (url, init) => {
            if (!url.endsWith("/introspect")) return world.fetch(url, init);
            return new Promise((resolve) => questions.push(resolve));
          };
          const { keep, ...rest } = options;
          const resolved = { ...rest, keep, onStale: "introspect" as const, webSocket: undefined };
          const introspectionUrl = `${ISSUER}/oauth2/introspect`;
          return followRevocations({ ...resolved, introspectionUrl }, TOKENS, options.readSigned, { ...world, fetch });
        },
        (revocations) => revocations.status().trust,
      );
      await it.live();
      const claims = { iss: ISSUER, sub: "u", aud: "a", exp: 0, iat: 0, jti: "j", client_id: "c", sid: "s-1" };
      const prints = it.feed.prints(claims, "k");
      assert.equal(it.feed.judge(prints), null);
      it.clock.wall += N;
      const asked = it.feed.settleLater("token", { ok: true, claims }, prints, undefined, it.clock.wall);
      await settled();
      it.socket.hear(encodeRev(at(10), at(11), [entry(11, "session", news)]));
      it.socket.hear({ type: "ask", position: at(11) });
      assert.deepEqual(it.socket.last, { type: "ack", position: at(11) });
      questions[0]?.(Response.json({ active: true }));
      assert.equal(codeOf(await asked), expected);
    }
  });
});
