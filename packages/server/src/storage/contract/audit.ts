/** The contract of the audit log, and of paging in every list. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Cause, draft } from "../../audit/event.ts";
import type { Page, PageRequest } from "../../prelude/page.ts";
import { CAUSE, FIRST_PAGE, type Open, SECOND, Stage } from "./stage.ts";

export function describeAuditStore(open: Open): void {
  describe("audit", () => {
    test("an event is kept whole, with its time and a number that grows", async () => {
      const stage = await Stage.open(open);
      const user = await stage.user();
      const cause: Cause = { actor: { kind: "administrator", id: user.id }, address: null, requestId: null };
      const about = { user: user.id, session: "ses_x", client: "cli_x" };
      const full = draft("login.failed", cause, about, { n: 1, ok: false, why: "\u0000'\"김" });
      await stage.store.audit.append([full, draft("login.throttled", CAUSE)]);
      const { items } = await stage.store.audit.list({}, FIRST_PAGE);
      const [second, first] = items;
      assert(first !== undefined && second !== undefined);
      assert.deepEqual(first, { ...full, id: first.id, at: stage.clock.now() });
      assert.equal(second.name, "login.throttled");
      assert(second.id > first.id);
      await stage.store.audit.append([]);
      await stage.store.close();
    });

    test("lists by user and by name", async () => {
      const stage = await Stage.open(open);
      await stage.store.audit.append([
        draft("login.failed", CAUSE, { user: "a" }),
        draft("login.failed", CAUSE, { user: "b" }),
        draft("login.throttled", CAUSE, { user: "a" }),
      ]);
      const names = async (filter: Parameters<typeof stage.store.audit.list>[0]) =>
        (await stage.store.audit.list(filter, FIRST_PAGE)).items.map(({ name, user }) => `${name} ${user}`);
      assert.deepEqual(await names({ user: "a" }), ["login.throttled a", "login.failed a"]);
      assert.deepEqual(await names({ name: "login.failed" }), ["login.failed b", "login.failed a"]);
      assert.deepEqual(await names({ user: "b", name: "login.throttled" }), []);
      await stage.store.close();
    });

    test("pruning removes what is older than the retention and never reuses a number", async () => {
      const stage = await Stage.open(open);
      await stage.store.audit.append(Array.from({ length: 1100 }, () => draft("login.failed", CAUSE)));
      const before = (await stage.store.audit.list({}, { limit: 1, after: null })).items[0]?.id ?? 0;
      stage.clock.advance(SECOND);
      assert.equal(await stage.store.audit.prune(stage.clock.now() - SECOND), 0);
      assert.equal(await stage.store.audit.prune(stage.clock.now()), 1100);
      await stage.store.audit.append([draft("login.failed", CAUSE)]);
      const { items } = await stage.store.audit.list({}, FIRST_PAGE);
      assert.deepEqual(
        items.map(({ id }) => id),
        [before + 1],
      );
      await stage.store.close();
    });
  });

  describe("paging", () => {
    /** Reads a list to its end in pages of three, doing something between the pages. */
    async function walk<T>(
      list: (page: PageRequest) => Promise<Page<T>>,
      between: () => Promise<unknown>,
    ): Promise<T[]> {
      const seen: T[] = [];
      let after: string | null = null;
      do {
        const page: Page<T> = await list({ limit: 3, after });
        assert(page.items.length <= 3);
        seen.push(...page.items);
        after = page.next;
        await between();
      } while (after !== null);
      return seen;
    }

    test("every row that stays is seen exactly once while others come and go, in the same millisecond too", async () => {
      const stage = await Stage.open(open);
      const before = [];
      for (let index = 0; index < 10; index += 1) {
        before.push(await stage.user());
        if (index % 3 === 0) stage.clock.advance(1);
      }
      const goes = await stage.user();
      const users = await walk(
        (page) => stage.store.users.list({}, page),
        async () => {
          await stage.store.users.change(goes.id, { kind: "delete" }, CAUSE);
          if (before.length < 14) before.push(await stage.user());
        },
      );
      assert.deepEqual([...new Set(users.map(({ id }) => id))].length, users.length);
      for (const user of before.slice(0, 10)) assert(users.some(({ id }) => id === user.id));

      const owner = before[0];
      assert(owner !== undefined);
      const sessions: string[] = [];
      for (let index = 0; index < 10; index += 1) {
        sessions.push((await stage.logIn(owner.id)).standing.session.id);
        if (index % 4 === 0) stage.clock.advance(1);
      }
      const listed = await walk(
        (page) => stage.store.sessions.list({}, page),
        () => stage.logIn(owner.id),
      );
      assert.deepEqual(listed.map(({ id }) => id).sort(), sessions.sort());

      const count = (await stage.store.audit.list({}, FIRST_PAGE)).items.length;
      const events = await walk(
        (page) => stage.store.audit.list({}, page),
        () => stage.store.audit.append([draft("login.failed", CAUSE)]),
      );
      assert.equal(events.length, count);
      await stage.store.close();
    });

    test("a last page that is full says that it is the last", async () => {
      const stage = await Stage.open(open);
      for (let index = 0; index < 3; index += 1) await stage.user();
      const page = await stage.store.users.list({}, { limit: 3, after: null });
      assert.equal(page.items.length, 3);
      assert.equal(page.next, null);
      await stage.store.close();
    });

    test("a cursor that nobody gave is refused, not read as the first page", async () => {
      const stage = await Stage.open(open);
      await assert.rejects(stage.store.users.list({}, { limit: 3, after: "made up" }), RangeError);
      await assert.rejects(stage.store.sessions.list({}, { limit: 3, after: "" }), RangeError);
      await assert.rejects(stage.store.audit.list({}, { limit: 3, after: "W10" }), RangeError);
      await stage.store.close();
    });
  });
}
