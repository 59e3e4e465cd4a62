/**
 * The server as it is run, over a real primary with replicas and Sentinels: people log in, refresh and log out; then the
 * primary is killed, and then its successor after its replication was cut. An outage is a 503 and never a log-out; a
 * failover goes on by itself; and a replica that never heard of a log-out, promoted, lets nobody in again.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { needsRedis, type RedisServer, SENTINEL_NAME, startReplicated, until } from "../components/redis.ts";
import { type Running, startLoginServer, temporaryFolder } from "../processes.ts";
import { type Answer, answerOf, list, object, text } from "../stage.ts";

const PASSWORD = "one horse, two batteries";
const COOKIE = "__Host-mapae_session";

/** One person's device: tokens and a session cookie, of a log-in each. */
interface Device {
  readonly session: string;
  readonly cookie: string;
  refresh: string;
  readonly access: string;
}

function peopleOf({ url }: Running) {
  const call = async (method: string, path: string, headers: Record<string, string>, body?: unknown): Promise<Answer> =>
    answerOf(
      await fetch(url + path, {
        method,
        headers: { ...headers, ...(body === undefined ? {} : { "content-type": "application/json" }) },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    );
  const logIn = async (identifier: string): Promise<Device> => {
    const body = { identifier, password: PASSWORD };
    const tokens = await call("POST", "/v1/sessions?mode=json", {}, body);
    const cookie = await call("POST", "/v1/sessions?mode=session", {}, body);
    assert.deepEqual([tokens.status, cookie.status], [201, 201], tokens.text + cookie.text);
    return {
      session: text(object(tokens.body.session).id),
      cookie: `${COOKIE}=${cookie.cookies.get(COOKIE)?.value}`,
      refresh: text(tokens.body.refresh_token),
      access: text(tokens.body.access_token),
    };
  };
  return {
    signUp: async (identifier: string): Promise<Device> => {
      assert.equal((await call("POST", "/v1/users", {}, { identifier, password: PASSWORD })).status, 201);
      return logIn(identifier);
    },
    logIn,
    refresh: async (device: Device): Promise<Answer> => {
      const answer = await call("POST", "/v1/sessions/refresh", {}, { refresh_token: device.refresh });
      if (answer.status === 200) device.refresh = text(answer.body.refresh_token);
      return answer;
    },
    me: (device: Device) => call("GET", "/v1/me", { cookie: device.cookie }),
    sessions: async (device: Device) => {
      const answer = await call("GET", "/v1/sessions", { authorization: `Bearer ${device.access}` });
      return list(answer.body.sessions).length;
    },
    logOutEverywhere: (device: Device) => call("DELETE", "/v1/sessions", { authorization: `Bearer ${device.access}` }),
  };
}

/**
 * A no to a log-in that was ended, by its token and by its cookie; and by nothing else than its end. While a store is being
 * replaced the answer may be 503 first; a yes it never is.
 */
async function refusedAsEnded(people: ReturnType<typeof peopleOf>, device: Device, when: string): Promise<void> {
  for (const ask of [people.refresh, people.me]) {
    await until(`${when}: a no`, async () => {
      const { status, body } = await ask(device);
      if (status === 503) return false;
      assert.deepEqual([status, body.code, body.reason], [401, "session_ended", "logout"], when);
      return true;
    });
  }
}

/** Asks until it is a yes. Before it only 503 with `Retry-After` may be answered. @returns how many of those there were */
async function untilAnswered(what: string, ask: () => Promise<Answer>): Promise<number> {
  let away = 0;
  await until(
    what,
    async () => {
      const { status, headers, text: said } = await ask();
      if (status === 200) return true;
      assert.equal(status, 503, said);
      assert.ok(Number(headers.get("retry-after")) >= 1);
      away += 1;
      return false;
    },
    30_000,
  );
  return away;
}

for (const strategy of ["central", "replicated", "token"] as const) {
  test(
    `strategy ${strategy}: a killed primary logs nobody out, and its replica revives nobody`,
    needsRedis,
    async (t) => {
      const store = await startReplicated(t, { replicas: 3 });
      const at = store.sentinels.map(({ port }) => `127.0.0.1:${port}`).join();
      const settings = {
        MAPAE_STRATEGY: strategy,
        MAPAE_VALKEY_URL: `redis+sentinel://${at}/${SENTINEL_NAME}`,
        MAPAE_RATE_LIMIT: "off",
      };
      const server = await startLoginServer(
        temporaryFolder((task) => t.after(task)),
        settings,
      );
      t.after(() => server.stop());
      const people = peopleOf(server);
      const [kim, lee, park] = [await people.signUp("kim"), await people.signUp("lee"), await people.signUp("park")];
      for (const device of [kim, lee, park]) assert.equal((await people.refresh(device)).status, 200);
      assert.equal(await people.sessions(kim), 2);
      assert.equal((await people.logOutEverywhere(lee)).status, 204);
      await refusedAsEnded(people, lee, "before anything failed");

      const first = await store.primary();
      await heardBy(first, 3);
      await first.kill();
      assert.equal((await people.refresh(kim)).status, 503);
      assert.equal((await people.me(kim)).status, strategy === "replicated" ? 200 : 503);
      assert.ok((await untilAnswered("the next primary", () => people.refresh(kim))) > 0);
      await untilAnswered("the cookie", () => people.me(kim));
      const second = await store.failedOver(first);
      await refusedAsEnded(people, lee, "after a failover");

      // From here on no replica hears of anything.
      await heardBy(second, 1);
      await store.cut(second);
      assert.equal((await people.logOutEverywhere(park)).status, 204);
      // The log has the end; the mark follows at the next chance.
      await until("the mark", async () => (await second.ask("HEXISTS", `mapae:s:${park.session}`, "e")) === 1);
      for (const replica of store.servers.filter((each) => each !== first && each !== second)) {
        assert.equal(await replica.ask("HEXISTS", `mapae:s:${park.session}`, "e"), 0, "the replica knows it as live");
      }
      await second.kill();
      const third = await store.failedOver(second);
      await untilAnswered("the third primary", () => people.refresh(kim));
      await refusedAsEnded(people, park, "after the promotion of a replica that never heard of it");
      await refusedAsEnded(people, lee, "after two failovers");
      assert.equal((await people.me(kim)).status, 200);
      // And the promoted one is told what it did not hear.
      await until("the end", async () => (await third.ask("HEXISTS", `mapae:s:${park.session}`, "e")) === 1);
    },
  );
}

/** So many replicas have what the primary has. */
function heardBy(primary: RedisServer, replicas: number): Promise<void> {
  return until("the replicas", async () => {
    const { master_repl_offset: offset, ...info } = await primary.info("replication");
    const heard = Object.entries(info).filter(([name]) => /^slave\d+$/.test(name));
    const up = heard.filter(([, says]) => Number(/offset=(\d+)/.exec(says)?.[1]) >= Number(offset));
    return up.length >= replicas;
  });
}
