/**
 * The client in Chromium: five tabs of one page, with the browser's own locks, channels, IndexedDB and cookies, against
 * the real server. Tokens are spent by moving the clock of the pages; the server's grace is 0.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { createClient } from "@mapae/client";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { type Origin, startOrigin } from "./origin.ts";

const CHROMIUM = "/usr/bin/chromium";
const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const TABS = 5;
const PASSWORD = "tessellated-harbour-quince-42";
const JUMP_MS = 301_000;

type Library = typeof import("@mapae/client");
interface AppWindow {
  library: Library;
  client: ReturnType<Library["createClient"]>;
  endings: unknown[];
  arrivals: string[];
}
declare global {
  /** What the page under test keeps between two looks of the test. */
  var app: AppWindow;
}

const skip = existsSync(CHROMIUM) || process.env.CI ? false : `Chromium is not installed at ${CHROMIUM}`;

describe("five tabs in Chromium", { skip }, () => {
  let origin: Origin;
  let browser: Browser;
  let users = 0;
  before(async () => {
    origin = await startOrigin({ refreshGrace: "0s" });
    browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
  });
  after(async () => {
    await browser.close();
    await origin.close();
  });

  const refreshes = () => origin.log.filter((line) => line === "POST /v1/sessions/refresh").length;

  /** Opens the page and makes its client. `jump` moves its wall clock ahead. */
  async function openTab(context: BrowserContext, mode: "tokens" | "cookie", jump = 0): Promise<Page> {
    const page = await context.newPage();
    await page.goto(`${origin.url}/page`);
    await start(page, mode, jump);
    return page;
  }

  async function start(page: Page, mode: "tokens" | "cookie", jump: number): Promise<void> {
    await page.evaluate(
      async ([mode, jump]) => {
        const path = "/client/index.ts";
        const library: Library = await import(path);
        const endings: unknown[] = [];
        const arrivals: string[] = [];
        const client = library.createClient({
          server: location.origin,
          mode,
          storage: library.browserStorage(),
          clock: { ...library.systemClock, now: () => Date.now() + jump },
          onSignedOut: (ended) => endings.push(ended),
        });
        client.on("signedIn", ({ session }) => arrivals.push(session.id));
        globalThis.app = { library, client, endings, arrivals };
      },
      [mode, jump] as const,
    );
  }

  async function signUp(): Promise<{ identifier: string; password: string }> {
    const kim = { identifier: `user${++users}@example.com`, password: PASSWORD };
    const client = createClient({ server: origin.url });
    assert.equal((await client.signUp(kim)).ok, true);
    client.close();
    return kim;
  }

  async function signedIn(mode: "tokens" | "cookie") {
    const kim = await signUp();
    const context = await browser.newContext();
    const tabs: Page[] = [];
    for (let tab = 0; tab < TABS; tab += 1) tabs.push(await openTab(context, mode));
    const [first] = tabs;
    assert.ok(first);
    const session = await first.evaluate(async (kim) => {
      const result = await globalThis.app.client.signIn(kim);
      return result.ok ? result.session.id : result.code;
    }, kim);
    return { kim, context, tabs, first, session };
  }

  /** Loads every tab anew, with a clock on which the token they had is long spent. */
  async function reload(tabs: readonly Page[], mode: "tokens" | "cookie", jump: number): Promise<void> {
    await Promise.all(
      tabs.map(async (page) => {
        await page.reload();
        await start(page, mode, jump);
      }),
    );
  }

  const statusOfMe = (page: Page, times: number) =>
    page.evaluate(
      async (times) =>
        Promise.all(Array.from({ length: times }, async () => (await globalThis.app.client.fetch("/v1/me")).status)),
      times,
    );

  async function eventually(tabs: readonly Page[], expected: unknown): Promise<void> {
    for (const tab of tabs)
      await tab.waitForFunction(() => globalThis.app.endings.length > 0, null, { timeout: 5_000 });
    // What would be told twice has had its time.
    await new Promise((resolve) => setTimeout(resolve, 300));
    for (const tab of tabs) assert.deepEqual(await tab.evaluate(() => globalThis.app.endings), [expected]);
  }

  for (const mode of ["tokens", "cookie"] as const) {
    it(`100 fetches in five tabs with a spent token make one refresh (${mode})`, async () => {
      const { context, tabs } = await signedIn(mode);
      for (let round = 1; round <= 3; round += 1) {
        await reload(tabs, mode, round * JUMP_MS);
        const before = refreshes();
        const statuses = (await Promise.all(tabs.map((tab) => statusOfMe(tab, 20)))).flat();
        assert.deepEqual(new Set(statuses), new Set([200]));
        assert.equal(refreshes() - before, 1, `round ${round}`);
      }
      await context.close();
    });

    it(`a new tab asks its siblings for a token, and the server for none (${mode})`, async () => {
      const { context, first } = await signedIn(mode);
      const before = refreshes();
      const tab = await openTab(context, mode);
      const take = () => globalThis.app.client.accessToken();
      assert.deepEqual(await tab.evaluate(take), await first.evaluate(take));
      assert.equal(refreshes(), before);
      await context.close();
    });

    it(`signing in signs in every tab, signing out signs out every tab, each told once (${mode})`, async () => {
      const { context, tabs, session } = await signedIn(mode);
      for (const tab of tabs) {
        await tab.waitForFunction(() => globalThis.app.arrivals.length > 0);
        assert.deepEqual(await tab.evaluate(() => globalThis.app.arrivals), [session]);
      }
      assert.deepEqual(await tabs[2]?.evaluate(() => globalThis.app.client.signOut()), { ok: true, server: "ended" });
      await eventually(tabs, { session, code: "session_ended", reason: "logout" });
      await context.close();
    });

    it(`a session that another device ended: every tab learns once why (${mode})`, async () => {
      const { context, tabs, session, kim } = await signedIn(mode);
      for (const tab of tabs) assert.deepEqual(await statusOfMe(tab, 1), [200]);
      const phone = createClient({ server: origin.url });
      assert.equal((await phone.signIn(kim)).ok, true);
      const change = { currentPassword: PASSWORD, newPassword: "another-lighthouse-entirely-7" };
      assert.deepEqual(await phone.changePassword(change), { ok: true });
      phone.close();
      await Promise.all(tabs.slice(1, 4).map((tab) => statusOfMe(tab, 5).catch(() => {})));
      await eventually(tabs, { session, code: "session_ended", reason: "password_changed" });
      await context.close();
    });

    it(`replies are lost and all tabs crash: the session is kept, long after the grace (${mode})`, async () => {
      const { context, tabs, first } = await signedIn(mode);
      for (let round = 1; round <= 3; round += 1) {
        origin.loseReplies(1);
        await reload(tabs, mode, round * JUMP_MS);
        await first.evaluate(() => void globalThis.app.client.accessToken().catch(() => {}));
        await new Promise((resolve) => setTimeout(resolve, 150));
        await reload(tabs, mode, round * JUMP_MS + 3_600_000);
        const statuses = (await Promise.all(tabs.map((tab) => statusOfMe(tab, 2)))).flat();
        assert.deepEqual(new Set(statuses), new Set([200]));
        assert.equal(origin.lossesLeft(), 0);
      }
      for (const tab of tabs) assert.deepEqual(await tab.evaluate(() => globalThis.app.endings), []);
      await context.close();
    });
  }

  it("in cookie mode no script of the page can read what signs it in", async () => {
    const { context, first } = await signedIn("cookie");
    const cookies = await context.cookies(`${origin.url}/v1/sessions/refresh`);
    const refresh = cookies.find((cookie) => cookie.name === "__Secure-mapae_refresh");
    assert.ok(refresh?.httpOnly && refresh.secure && refresh.sameSite === "Strict");
    const readable = await first.evaluate(async () => {
      const text = await globalThis.app.library.browserStorage().read(`${location.origin}/`);
      return `${document.cookie} ${JSON.stringify(localStorage)} ${JSON.stringify(sessionStorage)} ${text}`;
    });
    for (const cookie of cookies) assert.ok(!readable.includes(cookie.value));
    await context.close();
  });

  it("IndexedDB as storage: changes of five tabs at once are all there, and survive a reload", async () => {
    const context = await browser.newContext();
    const tabs = await Promise.all(Array.from({ length: TABS }, () => openTab(context, "tokens")));
    const count = (tab: Page) =>
      tab.evaluate(async () => {
        const storage = globalThis.app.library.browserStorage("contract");
        const add = () => storage.change("n", (text) => String(Number(text ?? 0) + 1));
        await Promise.all(Array.from({ length: 50 }, add));
      });
    await Promise.all(tabs.map(count));
    await reload(tabs, "tokens", 0);
    const read = () => globalThis.app.library.browserStorage("contract").read("n");
    assert.equal(await tabs[0]?.evaluate(read), String(50 * TABS));
    const failing = await tabs[0]?.evaluate(async () => {
      const storage = globalThis.app.library.browserStorage("contract");
      const no = () => {
        throw new Error("no");
      };
      return storage.change("n", no).catch((fault) => fault.code);
    });
    assert.equal(failing, "storage_failed");
    assert.equal(await tabs[1]?.evaluate(read), String(50 * TABS));
    await context.close();
  });

  it("a redirect, whose target a browser does not show, is refused, and a stranger never sees the token", async () => {
    const { context, first } = await signedIn("tokens");
    const codes = await first.evaluate(async (stranger) => {
      const code = (fault: unknown) =>
        fault instanceof globalThis.app.library.ClientFault ? fault.code : String(fault);
      const redirected = await globalThis.app.client.fetch("/leads-away").then(() => "followed", code);
      const direct = (await globalThis.app.client.fetch(`${stranger}/direct`)).status;
      return [redirected, direct];
    }, origin.stranger.url);
    assert.deepEqual(codes, ["redirect_refused", 200]);
    assert.deepEqual(origin.stranger.tokens, []);
    await context.close();
  });
});
