import assert from "node:assert/strict";
import { test } from "node:test";
import type { Verdict } from "./ledger.ts";
import { rowsOf } from "./measure.ts";
import type { Sighting } from "./person.ts";
import { pageOf } from "./report/page.ts";
import type { Row } from "./row.ts";
import type { Act, Told } from "./story.ts";

const SETTING = { servers: 3, users: 300 };

function seen(verdict: Verdict, count: number, action: Sighting["action"] = "me"): Sighting[] {
  return Array.from({ length: count }, (_, index) => ({
    ...{ user: `user${index}`, action, verdict, status: verdict === "right" ? 200 : 401, because: "" },
    ...{ sent: 10 + index, received: 12 + index },
  }));
}

function told(strategy: Told["strategy"], act: Partial<Act>): Told {
  const audit = { live: 300, held: 300, lost: 0, known: [100, 100, 100], undone: 0 };
  const base: Act = { fault: "none", began: 0, ended: 5_000, sightings: [], audit, forced: [], cpuSeconds: 1 };
  return { strategy, acts: [{ ...base, ...act }], logInBytes: 0, residentMb: 0 };
}

function row(rows: readonly Row[], metric: Row["metric"]): Row {
  const found = rows.find((each) => each.metric === metric);
  assert.ok(found);
  return found;
}

test("what is promised to be none is broken by one", () => {
  for (const [metric, verdict] of [
    ["wrong_user", "wrong_user"],
    ["zombies", "zombie"],
    ["devices_kept", "kept_device"],
    ["wrong_refusals", "wrong_refusal"],
  ] as const) {
    const good = rowsOf(told("token", { sightings: seen("right", 100) }), SETTING, 1);
    assert.deepEqual([row(good, metric).kept, row(good, metric).promised], [true, "0"]);
    const bad = rowsOf(told("token", { sightings: [...seen("right", 100), ...seen(verdict, 1)] }), SETTING, 1);
    assert.equal(row(bad, metric).kept, false, metric);
  }
});

test("a strategy that keeps log-ins on one server is to lose as many as theory says, no more and no fewer", () => {
  const lost = (count: number): boolean | null => {
    const audit = { live: 300, held: 300, lost: count, known: [100, 0, 100], undone: 0 };
    return row(rowsOf(told("sticky", { fault: "kill_server", audit }), SETTING, 1), "sessions_lost").kept;
  };
  assert.deepEqual([lost(100), lost(110), lost(0), lost(200)], [true, true, false, false]);
});

test("an error is never counted as a refusal", () => {
  const rows = rowsOf(told("token", { sightings: [...seen("right", 50), ...seen("error", 50)] }), SETTING, 1);
  assert.deepEqual([row(rows, "wrong_refusals").value, row(rows, "errors").value], [0, 0.5]);
});

test("polls of single servers are no requests of users", () => {
  const rows = rowsOf(told("memory", { sightings: seen("wrong_refusal", 50, "poll") }), SETTING, 1);
  assert.equal(row(rows, "wrong_refusals").value, 0);
});

test("the report is one page that loads nothing, in both languages, and names what was broken", () => {
  const rows = rowsOf(told("token", { sightings: seen("zombie", 1) }), SETTING, 1);
  const page = pageOf({ rows, timelines: [], circumstances: [["machine", "<two> cores"]], command: "npm run lab" });
  assert.doesNotMatch(page, /(?:src|href)="?https?:/);
  assert.match(page, /&lt;two&gt; cores/);
  assert.match(page, /<tr class="broken"><th>token<\/th><td>nothing happens<\/td><td>zombies<\/td>/);
  assert.match(page, /서버 세 대, 로그인은 어디에 사는가/);
});
