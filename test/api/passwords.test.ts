/** Passwords through the API: which may be set, and that the one that was set is the only one that works (ASVS 6.2). */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { type Answer, openStage, PASSWORD, type Stage } from "../stage.ts";

let stage: Stage;
let users = 0;
before(async () => {
  stage = await openStage({ settings: { loginFloor: "0", passwordWords: "acme,Weltfrieden" } });
});
after(() => stage.close());

const enter = (identifier: string, password: string): Promise<Answer> =>
  stage.call("POST", "/v1/sessions", { body: { identifier, password } });

async function set(password: string): Promise<{ name: string; answer: Answer }> {
  users += 1;
  const name = `person-${users}`;
  return { name, answer: await stage.call("POST", "/v1/users", { body: { identifier: name, password } }) };
}

const ACCEPTED: readonly (readonly [string, string])[] = [
  ["eight characters", "qz7#kwpv"],
  ["lower case only", "gravelly onion marathon"],
  ["Hangul", "말은달리고비는온다"],
  ["emoji", "🐎🌧🥁🪁🧭🪵🫖🧶"],
  ["64 characters", "ab cd-ef".repeat(8)],
  ["128 characters", "xy_z 9!q".repeat(16)],
];
for (const [what, password] of ACCEPTED) {
  test(`a password of ${what} is accepted and works`, async () => {
    const { name, answer } = await set(password);
    assert.equal(answer.status, 201, answer.text);
    assert.equal((await enter(name, password)).status, 201);
  });
}

const REFUSED: readonly (readonly [string, string, string])[] = [
  ["seven characters", "qz7#kwp", "too_short"],
  ["a word of the operator's", "my ACME password 1", "contains_context_word"],
  ["the server's own host name", "login.example 123", "contains_context_word"],
  ["one of the most common", "iloveyou1", "common"],
];
for (const [what, password, reason] of REFUSED) {
  test(`a password with ${what} is refused at sign-up and at a change`, async () => {
    const { answer } = await set(password);
    assert.deepEqual(
      [answer.status, answer.body.code, answer.body.reason],
      [422, "weak_password", reason],
      answer.text,
    );
    const { name } = await set(PASSWORD);
    const { access } = await stage.logIn(name);
    const body = { current_password: PASSWORD, new_password: password };
    const changed = await stage.call("POST", "/v1/me/password", { token: access, body });
    assert.deepEqual([changed.status, changed.body.reason], [422, reason]);
    assert.equal((await enter(name, PASSWORD)).status, 201, "and the one before still works");
  });
}

test("a password is verified exactly as it was set: no case, no space, no accent, no cut (ASVS 6.2.8)", async () => {
  const password = `Caf\u00e9 ${"long and long and ".repeat(5)}end`;
  const { name } = await set(password);
  const near = [
    password.toLowerCase(),
    `${password} `,
    ` ${password}`,
    password.normalize("NFD"),
    password.slice(0, 72),
    password.slice(0, -1),
    `${password.slice(0, -1)}D`,
  ];
  for (const other of near) assert.equal((await enter(name, other)).status, 401, JSON.stringify(other));
  assert.equal((await enter(name, password)).status, 201);
});

test("a password does not expire: after 400 days it still works (ASVS 6.2.10)", async () => {
  const { name } = await set(PASSWORD);
  stage.advance(400 * 86_400_000);
  assert.equal((await enter(name, PASSWORD)).status, 201);
});

test("changing the password asks for the current one (ASVS 6.2.3)", async () => {
  const { name } = await set(PASSWORD);
  const { access } = await stage.logIn(name);
  const next = "another horse, three batteries";
  const change = (body: object) => stage.call("POST", "/v1/me/password", { token: access, body });
  assert.equal((await change({ new_password: next })).status, 422);
  assert.equal((await change({ current_password: "", new_password: next })).status, 422);
  assert.equal((await change({ current_password: next, new_password: next })).status, 401);
  assert.equal((await change({ current_password: PASSWORD, new_password: next })).status, 204);
  assert.equal((await enter(name, PASSWORD)).status, 401);
  assert.equal((await enter(name, next)).status, 201);
});
