/** One meaning of a session in every strategy: the same story through the same HTTP API, whatever the app carries. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { systemSleep, type World } from "../../packages/server/src/prelude/world.ts";
import { STRATEGIES, STRATEGY_NAMES, type StrategyName } from "../../packages/server/src/sessions/strategy.ts";
import { SESSION_MS } from "../../packages/server/src/storage/contract/stage.ts";
import { withLive } from "../../packages/server/src/storage/live/compose.ts";
import { openMemory } from "../../packages/server/src/storage/memory/memory.ts";
import type { Storage } from "../../packages/server/src/storage/storage.ts";
import { needsRedis, startRedis } from "../components/redis.ts";
import { beside, openLive } from "../live/stage.ts";
import { type Answer, list, object, openStage, PASSWORD, type Stage, type StageOptions, text } from "../stage.ts";

const MINUTE = 60_000;
const COOKIE = "__Host-mapae_session";

interface Device {
  readonly session: string;
  ask(method: string, path: string, body?: unknown): Promise<Answer>;
}

/** Logs in as an app does that says nothing of what it wants to carry. */
async function logIn(stage: Stage, identifier: string, name: string): Promise<Device> {
  const body = { identifier, password: PASSWORD, device: { name } };
  const answer = await stage.call("POST", "/v1/sessions", { body });
  assert.equal(answer.status, 201, answer.text);
  const { access_token } = answer.body;
  const cookie = answer.cookies.get(COOKIE)?.value;
  const carried =
    typeof access_token === "string" ? { token: access_token } : { headers: { cookie: `${COOKIE}=${cookie}` } };
  return {
    session: text(object(answer.body.session).id),
    ask: (method, path, sent) =>
      stage.call(method, path, { ...carried, ...(sent === undefined ? {} : { body: sent }) }),
  };
}

async function refusedWith(device: Device, reason: string): Promise<void> {
  const { status, body } = await device.ask("GET", "/v1/me");
  assert.deepEqual([status, body.code, body.reason], [401, "session_ended", reason]);
}

type Open = (url: string, world: World) => Promise<Storage>;

/** Sessions in a real Valkey or Redis, asked each time. */
const asked: Open = (url, world) => beside(openMemory(world), url, world, { time: world.clock });
/** The same with a copy of every log-in in this process. */
const copied: Open = async (url, world) => {
  const truth = openMemory(world);
  const { replicate } = await openLive(url, truth, world, { time: world.clock });
  const { live } = await replicate(systemSleep);
  return withLive(truth, live, { clock: world.clock, leaseMs: 5000, sessionMs: SESSION_MS });
};

/** Each strategy where it runs by itself, and each that can have its log-ins in Valkey or Redis, there. */
const PLACES: readonly { readonly strategy: StrategyName; readonly on: Open | null }[] = [
  ...STRATEGY_NAMES.filter((name) => STRATEGIES[name].needs !== "Valkey or Redis").map((strategy) => ({
    strategy,
    on: null,
  })),
  { strategy: "replicated", on: copied },
  { strategy: "central", on: asked },
  { strategy: "token", on: asked },
];

async function openIn(on: Open | null, settings: StageOptions["settings"]): Promise<Stage> {
  if (on === null) return openStage({ settings: settings ?? {} });
  const redis = await startRedis({ after: (task) => after(() => task()) });
  return openStage({ settings: settings ?? {}, open: (world) => on(redis.url, world) });
}

test("every strategy is held to the story", () => {
  const held = new Set(PLACES.map(({ strategy }) => strategy));
  assert.deepEqual([...held].sort(), [...STRATEGY_NAMES].sort());
});

for (const { strategy, on } of PLACES) {
  const title = `strategy ${strategy}${on === null ? "" : ", log-ins in Valkey or Redis"}`;
  describe(title, on === null ? {} : needsRedis, async () => {
    const settings = { sessionLimit: "2", refreshIdle: "30m", sessionTtl: "2h", accessTtl: "5m" };
    const stage = await openIn(on, { strategy, ...settings });
    after(() => stage.close());

    test("a log-in carries what the strategy says, and opens the account", async () => {
      const kim = await stage.signUp("kim");
      const answer = await stage.call("POST", "/v1/sessions", { body: { identifier: "kim", password: PASSWORD } });
      const tokens = STRATEGIES[strategy].carries === "tokens";
      assert.equal(typeof answer.body.access_token === "string", tokens);
      assert.equal(answer.cookies.has(COOKIE), !tokens);
      const device = await logIn(stage, "kim", "PC");
      const me = await device.ask("GET", "/v1/me");
      assert.equal(object(me.body.user).id, kim);
      assert.equal(object(me.body.session).id, device.session);
    });

    test("every mode can be asked for", async () => {
      await stage.signUp("any");
      for (const mode of ["json", "cookie", "session"]) {
        const body = { identifier: "any", password: PASSWORD };
        assert.equal((await stage.call("POST", `/v1/sessions?mode=${mode}`, { body })).status, 201);
      }
      const tokens = await stage.logIn("any");
      const refreshed = await stage.refresh(tokens.refresh);
      assert.equal(refreshed.status, 200, refreshed.text);
      assert.notEqual(refreshed.body.refresh_token, tokens.refresh);
    });

    test("a log-in above the limit ends the oldest, at once and with its reason", async () => {
      await stage.signUp("lee");
      const devices: Device[] = [];
      for (const name of ["PC", "Phone", "Tablet"]) {
        devices.push(await logIn(stage, "lee", name));
        stage.advance(1_000);
      }
      const [pc, phone, tablet] = devices;
      assert.ok(pc && phone && tablet);
      await refusedWith(pc, "evicted");
      const sessions = list((await tablet.ask("GET", "/v1/sessions")).body.sessions);
      assert.deepEqual(
        sessions.map((each) => object(each.device).name),
        ["Tablet", "Phone"],
      );
    });

    test("a hundred log-ins at once leave as many sessions as the limit allows", async () => {
      await stage.signUp("many");
      const body = { identifier: "many", password: PASSWORD };
      await Promise.all(Array.from({ length: 20 }, () => stage.call("POST", "/v1/sessions", { body })));
      const device = await logIn(stage, "many", "last");
      assert.equal(list((await device.ask("GET", "/v1/sessions")).body.sessions).length, 2);
    });

    test("logging out here, there and everywhere", async () => {
      await stage.signUp("park");
      const pc = await logIn(stage, "park", "PC");
      const phone = await logIn(stage, "park", "Phone");
      assert.equal((await pc.ask("DELETE", `/v1/sessions/${phone.session}`)).status, 204);
      await refusedWith(phone, "logout");
      const tablet = await logIn(stage, "park", "Tablet");
      assert.equal((await tablet.ask("DELETE", "/v1/sessions")).status, 204);
      await refusedWith(pc, "logout");
      await refusedWith(tablet, "logout");
      const again = await logIn(stage, "park", "PC");
      assert.equal((await again.ask("GET", "/v1/me")).status, 200, "logging in again works");
    });

    test("a changed password ends the other sessions, and a disabled account all", async () => {
      const id = await stage.signUp("choi");
      const pc = await logIn(stage, "choi", "PC");
      const phone = await logIn(stage, "choi", "Phone");
      const change = { current_password: PASSWORD, new_password: "a horse of nine posts" };
      assert.equal((await pc.ask("POST", "/v1/me/password", change)).status, 204);
      await refusedWith(phone, "password_changed");
      assert.equal((await pc.ask("GET", "/v1/me")).status, 200);
      const token = await stage.admin();
      await stage.call("PATCH", `/v1/admin/users/${id}`, { token, body: { state: "disabled" } });
      await refusedWith(pc, "user_disabled");
    });

    test("an administrator ends a session, and the device is told", async () => {
      await stage.signUp("jung");
      const pc = await logIn(stage, "jung", "PC");
      const token = await stage.admin("boss");
      assert.equal((await stage.call("DELETE", `/v1/admin/sessions/${pc.session}`, { token })).status, 204);
      await refusedWith(pc, "admin");
    });

    test("what is not used goes idle", async () => {
      await stage.signUp("yoon");
      const tokens = await stage.call("POST", "/v1/sessions?mode=session", {
        body: { identifier: "yoon", password: PASSWORD },
      });
      const cookie = `${COOKIE}=${tokens.cookies.get(COOKIE)?.value}`;
      stage.advance(31 * MINUTE);
      const answer = await stage.call("GET", "/v1/me", { headers: { cookie } });
      assert.deepEqual([answer.status, answer.body.reason], [401, "expired"]);
    });
  });
}
