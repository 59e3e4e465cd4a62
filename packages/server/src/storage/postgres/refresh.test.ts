/** The one statement of a refresh beside the rule: whatever is presented to whatever there is, both answer the same. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import fc from "fast-check";
import { startPostgres, withoutPostgres } from "../../../../../test/components/postgres.ts";
import { asId } from "../../prelude/ids.ts";
import { systemWorld } from "../../prelude/world.ts";
import { SEED_BYTES } from "../../status/slot.ts";
import { CAUSE, DAY, FIRST_PAGE, OWN_CLIENT, SECOND, SETTINGS, Stage, TestClock } from "../contract/stage.ts";
import { openMemory } from "../memory/memory.ts";
import type { Storage } from "../storage.ts";
import { openPostgres } from "./postgres.ts";

const CASE = fc.record({
  generation: fc.constantFrom(1, 1, 1, 2, 5),
  presented: fc.constantFrom(0, 0, 0, 0, 0, -1, 1),
  rotates: fc.constantFrom(true, true, true, true, true, false),
  replayEnds: fc.constantFrom("session" as const, "grant" as const),
  client: fc.constantFrom("own", "own", "own", "own", "own", "other"),
  role: fc.constantFrom(null, null, null, null, "admin"),
  roles: fc.constantFrom<readonly string[]>([], ["admin"]),
  listed: fc.boolean(),
  before: fc.constantFrom(
    "nothing",
    "nothing",
    "nothing",
    "session ended",
    "user disabled",
    "refreshed",
    "another grant",
  ),
  waits: fc.constantFrom(0, 1, SETTINGS.graceMs, DAY, SETTINGS.idleMs - 1, SETTINGS.idleMs, 95 * DAY, -SECOND),
  idleMs: fc.constantFrom(SETTINGS.idleMs, DAY),
  twice: fc.boolean(),
});

const skip = withoutPostgres();
describe("a refresh in one statement", { skip }, async () => {
  if (skip !== false) return;
  const postgres = await startPostgres({ settings: { fsync: "off" } });
  if (postgres === null) throw new Error("PostgreSQL did not start");
  after(() => postgres.remove());

  test("answers as the rule does, and leaves the same behind", async () => {
    const clock = new TestClock();
    const world = { clock, random: systemWorld.random };
    const settings = { password: null, connections: 4, timeoutMs: 20_000, clock };
    const stores: readonly Storage[] = [
      openMemory(world),
      await openPostgres({ url: await postgres.schema(), ...settings }, world),
    ];
    const [stage, other] = stores.map((store) => new Stage(store, clock)) as [Stage, Stage];
    for (const store of stores) {
      await store.clients.create(OWN_CLIENT, []);
    }
    /** The same call on both; the same answer from both. */
    const both = async <T>(call: (store: Storage) => Promise<T>): Promise<T> => {
      const [expected, actual] = (await Promise.all(stores.map(call))) as [T, T];
      assert.deepEqual(actual, expected);
      return expected;
    };
    const rotated = { plain: 0, other: 0 };

    await fc.assert(
      fc.asyncProperty(CASE, async (given) => {
        const user = stage.newUser({ roles: given.roles });
        await both((store) => store.users.create(user, []));
        const listSeed = given.listed ? Buffer.alloc(SEED_BYTES, 1) : null;
        const policy = { rotates: given.rotates, replayEnds: given.replayEnds };
        const logIn = stage.newLogIn(user.id, { grant: { generation: given.generation, policy }, logIn: { listSeed } });
        const opened = await both((store) => store.grants.open(logIn));
        assert.equal(opened.kind, "opened");
        if (given.before === "session ended") {
          await both((store) => store.sessions.end({ session: logIn.session.id }, "logout", CAUSE));
        }
        if (given.before === "user disabled")
          await both((store) => store.users.change(user.id, { kind: "disable" }, CAUSE));
        const { grant } = logIn;
        const presented = stage.presented(grant, {
          generation: Math.max(1, grant.generation + given.presented),
          client: given.client === "own" ? grant.client : asId("client", "cli_other"),
          requiredRole: given.role,
          proof: Buffer.alloc(32, 7),
          macKey: 9,
          listSeed,
        });
        if (given.before === "refreshed") await both((store) => store.grants.use(presented, SETTINGS, CAUSE));
        clock.advance(given.waits);
        for (let times = given.twice ? 2 : 1; times > 0; times -= 1) {
          const used = await both((store) => store.grants.use(presented, { ...SETTINGS, idleMs: given.idleMs }, CAUSE));
          rotated[used.allow && used.how === "rotated" ? "plain" : "other"] += 1;
        }
        await both((store) => store.grants.find(grant.secretId));
        await both((store) => store.sessions.find(logIn.session.id));
        assert.deepEqual(other.heard, stage.heard);
      }),
      { numRuns: 500 },
    );
    await both(async (store) => (await store.audit.list({}, FIRST_PAGE)).items.map(({ id: _, ...event }) => event));
    assert(rotated.plain > 50 && rotated.other > 50, JSON.stringify(rotated));
    for (const store of stores) await store.close();
  });
});
