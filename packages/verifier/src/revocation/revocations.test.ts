/** The verifier with its feed, over real sockets, against the test issuer. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { setTimeout as after } from "node:timers/promises";
import type { VerifierOptions } from "../options.ts";
import { createTestIssuer, type TestIssuer, type TestIssuerOptions } from "../testing.ts";
import type { Verdict } from "../verdict.ts";
import { createVerifier, type Verifier } from "../verifier.ts";
import type { RevocationKind } from "./entry.ts";
import type { RevocationOptions } from "./stale-policy.ts";

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
  for (const [via, webSocket] of [
    ["a stream", undefined],
    ["polling", false],
  ] as const) {
    for (const kind of Object.keys(MEETS) as RevocationKind[]) {
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
    await following(
      async ({ issuer, verifier }) => {
        const [good, gone, known] = ["s-1", "s-2", "s-3"].map((sid) => issuer.token({ sid })) as [
          string,
          string,
          string,
        ];
        await issuer.revoke("session", "s-3");
        // The stream alone fails: the verifier's own WebSocket does not come through any more.
        blocked = true;
        issuer.outage(true);
        issuer.outage(false);
        await until(() => verifier.status()?.trust === "stale");
        await issuer.revoke("session", "s-2");
        assert.equal(codeOf(verifier.verify(good)), "revocation_unknown");
        assert.equal(codeOf(await verifier.check(good)), "ok");
        assert.equal(codeOf(await verifier.check(gone)), "token_revoked");
        assert.equal(codeOf(verifier.verify(known)), "token_revoked");
        assert.equal(codeOf(await verifier.check(good, { onStale: "reject" })), "revocation_unknown");
        const requests = issuer.requests;
        for (let again = 0; again < 20; again++) assert.equal(codeOf(await verifier.check(gone)), "token_revoked");
        assert.equal(issuer.requests, requests);
        assert.ok((verifier.status()?.decisions.introspected ?? 0) > 0);
      },
      { onStale: "introspect", maxStaleness: 1, webSocket: Blockable },
    );
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

let blocked = false;

/** The platform's WebSocket, until it is blocked; then what tries to connect waits for ever. */
class Blockable extends WebSocket {
  constructor(url: string, protocol: string) {
    super(blocked ? url.replace("/stream", "/nowhere") : url, protocol);
  }
}
