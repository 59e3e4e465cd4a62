import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { type Answer, noAnswer, readAnswer } from "./answer.ts";
import { testClock } from "./clock.test-support.ts";
import { type Document, emptyDocument, opened, readDocument, writeDocument } from "./document.ts";
import { type CookieJar, modelServer } from "./model-server.test-support.ts";
import { backoffMs, type RefreshOutcome, readRefresh, settle } from "./refresh.ts";
import { createWire, type Fetch, type Mode } from "./wire.ts";

const problemAnswer = (status: number, code: string, more: object = {}): Answer => ({
  status,
  body: null,
  problem: { code, ...more },
  retryAfterMs: null,
});
const tokens = { access_token: "a", token_type: "Bearer", expires_in: 300, refresh_token: "r2" };
const jsonAnswer = (status: number, body: Record<string, unknown>): Answer => ({
  status,
  body,
  problem: null,
  retryAfterMs: null,
});

describe("what an answer to a refresh means", () => {
  it("is a refusal only where our own problem says so with 401", () => {
    for (const code of ["invalid_refresh_token", "refresh_token_replayed", "session_ended"]) {
      assert.equal(readRefresh(problemAnswer(401, code)).kind, "refused");
      assert.equal(readRefresh(problemAnswer(503, code)).kind, "outage");
    }
    assert.deepEqual(readRefresh(problemAnswer(401, "session_ended", { reason: "evicted" })), {
      kind: "refused",
      code: "session_ended",
      reason: "evicted",
    });
  });

  it("is an outage for a proxy's 401, 403 and 404 pages, for 5xx, 408, 425 and 429, and for no answer at all", async () => {
    const page = async (status: number) =>
      readAnswer(new Response("<h1>no</h1>", { status, headers: { "content-type": "text/html" } }), 0);
    for (const status of [200, 401, 403, 404, 500, 502, 503])
      assert.equal(readRefresh(await page(status)).kind, "outage");
    for (const status of [408, 425, 429, 500, 503]) {
      assert.equal(readRefresh(problemAnswer(status, "rate_limited")).kind, "outage");
    }
    assert.equal(readRefresh(problemAnswer(401, "invalid_client")).kind, "outage");
    assert.equal(readRefresh(noAnswer(new TypeError("fetch failed"))).kind, "outage");
  });

  it("is an outage for a hotel's sign-in page that answers 200 with JSON of its own", () => {
    const wrong = [
      {},
      { ...tokens, access_token: "" },
      { ...tokens, token_type: "mac" },
      { ...tokens, expires_in: "300" },
      { ...tokens, expires_in: -1 },
      { ...tokens, expires_in: Number.NaN },
      { ...tokens, refresh_token: 7 },
    ];
    for (const body of wrong) assert.equal(readRefresh(jsonAnswer(200, body)).kind, "outage");
    assert.equal(readRefresh(jsonAnswer(200, tokens)).kind, "renewed");
  });

  it("never throws and never ends a session on arbitrary answers that are not 401 problems", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 599 }),
        fc.option(fc.dictionary(fc.string(), fc.jsonValue()), { nil: null }),
        fc.option(fc.string(), { nil: null }),
        (status, body, code) => {
          const problem = code === null ? null : { code };
          const outcome = readRefresh({ status, body, problem, retryAfterMs: null });
          if (status !== 401) assert.notEqual(outcome.kind, "refused");
        },
      ),
    );
  });
});

describe("Retry-After and backoff", () => {
  it("reads seconds and dates, and ignores what is neither", async () => {
    const at = Date.UTC(2026, 0, 1);
    const read = async (value: string) =>
      (await readAnswer(new Response("", { status: 503, headers: { "retry-after": value } }), at)).retryAfterMs;
    assert.equal(await read("7"), 7000);
    assert.equal(await read("Thu, 01 Jan 2026 00:01:00 GMT"), 60_000);
    assert.equal(await read("Thu, 01 Jan 2020 00:01:00 GMT"), 0);
    assert.equal(await read("soon"), null);
  });

  it("grows, stays bounded, spreads, and never comes back before the server asked", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 10_000 }),
        fc.option(fc.integer({ min: 0, max: 300_000 }), { nil: null }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (failures, retryAfterMs, fraction) => {
          const wait = backoffMs(failures, retryAfterMs, fraction);
          assert.ok(wait >= (retryAfterMs ?? 250) && wait <= 330_000);
        },
      ),
    );
    assert.ok(backoffMs(3, null, 0.9) > backoffMs(3, null, 0.1));
    assert.ok(backoffMs(1, 1e12, 0) <= 300_500);
  });
});

/** One place that several programs share, and what each of them has under way. The steps are those of the keeper. */
function world(mode: Mode) {
  const clock = testClock();
  const server = modelServer({ now: clock.now });
  const jar: CookieJar = new Map();
  let text: string | null = null;
  let serial = 0;
  const change = (step: (document: Document) => Document) => {
    text = writeDocument(step(readDocument(text)), clock.now());
  };
  const wireOver = (fetch: Fetch) =>
    createWire({ server: new URL("https://login.example/"), mode, clientId: null, fetch, clock, timeoutMs: 10_000 });

  async function signIn(): Promise<void> {
    const send = server.connect(jar);
    const post = (path: string) =>
      send(`https://login.example/${path}`, {
        method: "POST",
        body: JSON.stringify({ identifier: "kim", password: "p" }),
      });
    await post("v1/users");
    const reply = await (await post(mode === "cookie" ? "v1/sessions?mode=cookie" : "v1/sessions")).json();
    const held = { session: reply.session, user: reply.user, refreshToken: reply.refresh_token ?? null, key: "key-0" };
    change((document) => opened(document, held, null));
  }

  /** Sends what is stored now. The reply arrives, or is lost before the browser, or after the browser took its cookie. */
  async function send(fate: "arrives" | "lost_request" | "lost_reply" | "lost_after_cookie") {
    const { held } = readDocument(text);
    if (held === null) return null;
    const before = new Map(jar);
    const fetch: Fetch = async (input, init) => {
      if (fate === "lost_request") throw new TypeError("fetch failed");
      const response = await server.connect(jar)(input, init);
      if (fate === "arrives") return response;
      if (fate === "lost_reply") for (const [name, value] of before) jar.set(name, value);
      throw new TypeError("fetch failed");
    };
    return { key: held.key, outcome: readRefresh(await wireOver(fetch).refresh(held, "")) };
  }

  function store(sent: { key: string; outcome: RefreshOutcome } | null): void {
    if (sent !== null) change((document) => settle(document, sent.key, sent.outcome, `key-${++serial}`));
  }

  return { clock, server, jar, signIn, send, store, document: () => readDocument(text) };
}

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant("refresh" as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("lost_request" as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("lost_reply" as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("lost_after_cookie" as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("crash_before_store" as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 7_200_000 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("together" as const), programs: fc.integer({ min: 2, max: 5 }) }),
  },
);

describe("a session under any mixture of lost requests, lost replies, crashes, waits and parallel programs", () => {
  for (const mode of ["tokens", "cookie"] as const) {
    it(`stays signed in, and is never called a thief (${mode})`, async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
          const { clock, server, signIn, send, store, document } = world(mode);
          await signIn();
          for (const step of steps) {
            if (step.do === "refresh") store(await send("arrives"));
            else if (step.do === "crash_before_store") await send("arrives");
            else if (step.do === "wait") clock.advance(step.ms);
            // Without any lock: all read the storage before one of them stores.
            else if (step.do === "together") {
              const sent = await Promise.all(Array.from({ length: step.programs }, () => send("arrives")));
              for (const one of sent) store(one);
            } else store(await send(step.do));
            assert.deepEqual(
              [...server.sessions.values()].map((session) => session.ended),
              [null],
              JSON.stringify(step),
            );
            assert.notEqual(document().held, null);
          }
          store(await send("arrives"));
          const [grant] = server.grants.values();
          if (mode === "tokens") assert.equal(document().held?.refreshToken, `rt.${grant?.id}.${grant?.generation}`);
        }),
        { numRuns: 150 },
      );
    });
  }

  it("a token with another key than its own would be called a replay: the proof is what saves it", async () => {
    const { clock, server, signIn, send } = world("tokens");
    await signIn();
    await send("lost_reply");
    clock.advance(3_600_000);
    const stolen = await server.connect()("https://login.example/v1/sessions/refresh", {
      method: "POST",
      headers: { "idempotency-key": "the thief's" },
      body: JSON.stringify({ refresh_token: [...server.grants.values()].map((grant) => `rt.${grant.id}.1`)[0] }),
    });
    assert.equal((await stolen.json()).code, "refresh_token_replayed");
  });
});

describe("settling a rotation", () => {
  const held = { session: { id: "s" }, user: { id: "u" }, refreshToken: "r1", key: "k1" };
  const document = opened(emptyDocument, held, null);
  const renewed: RefreshOutcome = {
    kind: "renewed",
    accessToken: "a",
    lifetimeMs: 1,
    refreshToken: "r2",
    session: null,
  };

  it("stores the successor and a new key in one step", () => {
    assert.deepEqual(settle(document, "k1", renewed, "k2").held, { ...held, refreshToken: "r2", key: "k2" });
  });

  it("leaves what another tab stored first, so that each token keeps one key", () => {
    const first = settle(document, "k1", renewed, "k2");
    assert.deepEqual(settle(first, "k1", renewed, "k3"), first);
  });

  it("a refusal of a token that nobody holds any more ends nothing", () => {
    const first = settle(document, "k1", renewed, "k2");
    const refused: RefreshOutcome = { kind: "refused", code: "refresh_token_replayed", reason: "replayed" };
    assert.equal(settle(first, "k1", refused, "k3").held?.refreshToken, "r2");
    assert.deepEqual(settle(document, "k1", refused, "k3").ended, {
      session: "s",
      code: "refresh_token_replayed",
      reason: "replayed",
    });
  });

  it("a token that did not rotate keeps its key", () => {
    assert.deepEqual(settle(document, "k1", { ...renewed, refreshToken: null }, "k2").held, held);
  });

  it("an outage changes nothing", () => {
    assert.equal(settle(document, "k1", { kind: "outage", answer: noAnswer(null) }, "k2"), document);
  });
});

describe("the stored document", () => {
  it("reads back what was written, and takes anything else for nothing", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        const read = readDocument(text);
        assert.equal(read.version, 1);
      }),
    );
    const document = opened(
      emptyDocument,
      { session: { id: "s" }, user: { id: "u" }, refreshToken: null, key: "k" },
      "d",
    );
    const text = writeDocument(document, 0);
    assert.deepEqual(readDocument(text), { ...document, turn: 1 });
  });
});
