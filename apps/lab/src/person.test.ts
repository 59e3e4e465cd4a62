/** What a device's ledger makes of answers, and of those that did not come. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Door, Reply } from "./http.ts";
import { personOf } from "./person.ts";

/** A server that answers each request as it is told to. */
function door(answers: readonly Partial<Reply>[]): Door & { readonly cookies: (string | undefined)[] } {
  const left = [...answers];
  const cookies: (string | undefined)[] = [];
  return {
    port: 0,
    close: () => {},
    cookies,
    ask: async (_method, _path, sending) => {
      cookies.push(sending?.headers?.cookie);
      const now = performance.now();
      const reply = { status: 0, body: {}, cookies: [], sent: now, received: now, ...left.shift() };
      await new Promise((wake) => setTimeout(wake, 2));
      return { ...reply, received: performance.now() };
    },
  };
}

const IN: Partial<Reply> = { status: 201, cookies: ["session=one; Path=/"] };
const kim = () =>
  personOf(
    "kim",
    () => {},
    () => "attempt",
  );

test("a log-out everywhere that a server refused has ended nothing", async () => {
  const person = kim();
  const at = door([IN, { status: 401 }, { status: 200, body: { user: { identifier: "kim" } } }]);
  await person.logIn(at, "desktop");
  const login = person.logins.get("desktop");
  assert.ok(login !== undefined);
  assert.equal(await person.logOutEverywhere(at, login), false);
  assert.equal((await person.poll(at, login)).verdict, "right");
});

test("a log-out without an answer leaves everything open, until another log-in replaces it", async () => {
  const person = kim();
  const at = door([IN, { status: 0 }, { status: 401 }, IN]);
  await person.logIn(at, "desktop");
  const login = person.logins.get("desktop");
  assert.ok(login !== undefined);
  await person.logOutEverywhere(at, login);
  assert.equal((await person.poll(at, login)).verdict, "uncertain");
  await person.logIn(at, "desktop");
  assert.deepEqual([login.entitled.cause, person.ended], ["evicted", [login]]);
});

test("whoever has a copy of a cookie shows it after the log-out too", async () => {
  const person = kim();
  const at = door([IN, { status: 204, cookies: ["session=; Max-Age=0"] }, { status: 401 }]);
  await person.logIn(at, "desktop");
  await person.logOut(at, "desktop");
  const [login] = person.ended;
  assert.ok(login !== undefined);
  assert.equal(login.entitled.cause, "logout");
  await person.poll(at, login);
  assert.deepEqual(at.cookies, [undefined, "session=one", "session=one"]);
});
