/** Guessing: which accounts there are, what their passwords are, and locking people out by trying. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { SYSTEM } from "../../packages/server/src/audit/event.ts";
import { asId } from "../../packages/server/src/prelude/ids.ts";
import type { Storage } from "../../packages/server/src/storage/storage.ts";
import { LIMITS } from "../../packages/server/src/throttle/limits.ts";
import { type Answer, openStage, PASSWORD, type Stage, type Tokens } from "../stage.ts";

const PER_ACCOUNT = LIMITS.login_failures_of_account;
const PER_ADDRESS = LIMITS.login_failures_of_address;

const calls: string[] = [];
/** Notes which operations of the store a log-in takes, in order. */
function noted(storage: Storage): Storage {
  const note = <Port extends object>(room: string, port: Port): Port =>
    new Proxy(port, {
      get(target, name, receiver) {
        const member: unknown = Reflect.get(target, name, receiver);
        if (typeof member !== "function") return member;
        return (...args: unknown[]) => {
          calls.push(`${room}.${String(name)}`);
          return member.apply(target, args);
        };
      },
    });
  return {
    ...storage,
    users: note("users", storage.users),
    sessions: note("sessions", storage.sessions),
    grants: note("grants", storage.grants),
    clients: note("clients", storage.clients),
    audit: note("audit", storage.audit),
  };
}

let stage: Stage;
let addresses = 0;
/** An address that nobody else in this file uses. */
function elsewhere(): string {
  addresses += 1;
  return `10.${addresses >> 8}.${addresses & 255}.1`;
}

const guess = (identifier: string, more: { password?: string; from?: string; device?: string } = {}) =>
  stage.call("POST", "/v1/sessions", {
    body: {
      identifier,
      password: more.password ?? "not the password",
      ...(more.device === undefined ? {} : { device: { token: more.device } }),
    },
    from: more.from ?? elsewhere(),
  });

before(async () => {
  stage = await openStage({ over: noted });
  for (const name of ["known", "disabled", "gone"]) await stage.signUp(name);
  const { users } = stage.storage;
  for (const [name, kind] of [
    ["disabled", "disable"],
    ["gone", "delete"],
  ] as const) {
    const user = await users.findByIdentifier(name);
    await users.change(user?.id ?? asId("user", ""), { kind }, SYSTEM);
  }
});
after(() => stage.close());

function told({ status, body, headers }: Answer): unknown {
  const names = [...headers.keys()].filter((name) => name !== "x-request-id");
  return [status, body, names.map((name) => [name, headers.get(name)])];
}

const STRANGERS: readonly (readonly [string, string, string])[] = [
  ["an account that there is not", "nobody-of-this-name", "not the password"],
  ["a disabled account", "disabled", "not the password"],
  ["a disabled account with its password", "disabled", PASSWORD],
  ["a deleted account with its password", "gone", PASSWORD],
  ["what is no identifier", "no/identifier", "not the password"],
  ["a mixed-script look-alike", "kn\u043ewn", "not the password"],
];
for (const [index, [who, identifier, password]] of STRANGERS.entries()) {
  test(`enumeration: ${who} is answered as a wrong password is, to the letter`, async () => {
    await stage.signUp(`known-${index}`);
    assert.deepEqual(told(await guess(identifier, { password })), told(await guess(`known-${index}`)));
  });

  test(`enumeration by time: ${who} takes the same work, and waits for the same floor`, async () => {
    const work = async (name: string, secret: string): Promise<unknown> => {
      calls.length = 0;
      const sleeps = stage.slept.length;
      await guess(name, { password: secret });
      // What is no identifier need not be looked for; the floor covers the microseconds.
      return [calls.filter((call) => call !== "users.findByIdentifier"), stage.slept.slice(sleeps)];
    };
    const expected = [["clients.find", "audit.append"], [300]];
    assert.deepEqual(await work(identifier, password), expected);
    assert.deepEqual(await work(`known-${index}`, "not the password"), expected);
  });
}

test("a throttled account is throttled alike whether it exists or not", async () => {
  const exhaust = async (identifier: string): Promise<Answer> => {
    for (let failure = 0; failure < PER_ACCOUNT.capacity; failure += 1) await guess(identifier);
    return guess(identifier);
  };
  await stage.signUp("exists");
  const [exists, not] = [await exhaust("exists"), await exhaust("exists-not")];
  assert.equal(exists.status, 429);
  assert.deepEqual(told(exists), told(not));
});

test("lock-out: guessing at a victim's account does not stop the devices the victim has used", async () => {
  await stage.signUp("victim");
  const before: Tokens = await stage.logIn("victim", { from: elsewhere() });
  for (let failure = 0; failure <= PER_ACCOUNT.capacity; failure += 1) await guess("victim");
  assert.equal((await guess("victim", { password: PASSWORD })).status, 429, "a device nobody knows waits");
  assert.equal((await guess("victim", { password: PASSWORD, device: before.device })).status, 201);
  assert.equal((await stage.refresh(before.refresh)).status, 200, "and who is logged in stays so");
});

test("a known device's token is good for its own account only, and cannot guess for ever either", async () => {
  await stage.signUp("mallory");
  const { device } = await stage.logIn("mallory", { from: elsewhere() });
  for (let failure = 0; failure <= PER_ACCOUNT.capacity; failure += 1) await guess("target", { device });
  assert.equal((await guess("target", { device })).status, 429);
  for (let failure = 0; failure < PER_ACCOUNT.capacity; failure += 1) await guess("mallory", { device });
  assert.equal((await guess("mallory", { device })).status, 429);
});

test("the throttle gives one try back for every refill, and no more", async () => {
  for (let failure = 0; failure <= PER_ACCOUNT.capacity; failure += 1) await guess("patient");
  stage.advance(PER_ACCOUNT.refillMs);
  assert.equal((await guess("patient")).status, 401);
  assert.equal((await guess("patient")).status, 429);
});

test("a successful log-in does not count against its account", async () => {
  await stage.signUp("frequent");
  for (let time = 0; time < PER_ACCOUNT.capacity + 2; time += 1) {
    assert.equal((await guess("frequent", { password: PASSWORD })).status, 201);
  }
});

test("spelling the name differently is the same account", async () => {
  for (let failure = 0; failure < PER_ACCOUNT.capacity; failure += 1)
    await guess(failure % 2 === 0 ? "Spelled" : " spelled");
  assert.equal((await guess("ＳＰＥＬＬＥＤ")).status, 429);
});

test("credential stuffing: many accounts from one address run into its limit, whatever it says it forwards", async () => {
  const from = "203.0.113.50";
  const answers = [];
  for (let account = 0; account <= PER_ADDRESS.capacity; account += 1)
    answers.push(await guess(`stuffed-${account}`, { from }));
  assert.ok(answers.slice(0, -1).every(({ status }) => status === 401));
  const last = answers.at(-1);
  assert.equal(last?.status, 429);
  assert.equal(last?.headers.get("retry-after"), String(PER_ADDRESS.refillMs / 1000));
  assert.equal((await guess("stuffed-elsewhere")).status, 401, "others go on");
  // X-Forwarded-For from a stranger buys no new address.
  for (const headers of [
    { "x-forwarded-for": "198.18.0.1" },
    { forwarded: "for=198.18.0.1" },
    { "x-real-ip": "198.18.0.1" },
  ]) {
    const body = { identifier: "spoofed", password: "not the password" };
    assert.equal((await stage.call("POST", "/v1/sessions", { body, from, headers })).status, 429);
  }
});

test("credential stuffing over the addresses of one IPv6 network counts as one", async () => {
  let last = 0;
  for (let host = 0; host <= PER_ADDRESS.capacity; host += 1) {
    last = (await guess(`v6-${host}`, { from: `2001:db8:0:7::${host.toString(16)}` })).status;
  }
  assert.equal(last, 429);
  assert.equal((await guess("v6-next", { from: "2001:db8:0:8::1" })).status, 401);
});

test("parallel guesses at one account are checked no more often than the limit says", async () => {
  const answers = await Promise.all(Array.from({ length: 60 }, () => guess("parallel")));
  assert.equal(answers.filter(({ status }) => status === 401).length, PER_ACCOUNT.capacity);
  assert.equal(answers.filter(({ status }) => status === 429).length, 60 - PER_ACCOUNT.capacity);
});

test("many honest log-ins at once to one account are all let in", async () => {
  await stage.signUp("popular");
  const answers = await Promise.all(Array.from({ length: 40 }, () => guess("popular", { password: PASSWORD })));
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([201]));
});

test("guessing the current password with a stolen access token runs into a limit of its own", async () => {
  await stage.signUp("stolen");
  const { access } = await stage.logIn("stolen", { from: elsewhere() });
  const { capacity } = LIMITS.password_checks_of_account;
  const body = { current_password: "not the password", new_password: "another horse, three batteries" };
  const answers = [];
  for (let time = 0; time <= capacity; time += 1) {
    answers.push((await stage.call("POST", "/v1/me/password", { token: access, body, from: elsewhere() })).status);
  }
  assert.deepEqual(answers, [...Array<number>(capacity).fill(401), 429]);
});

test("asking sign-up which names are taken is limited by address", async () => {
  const { capacity } = LIMITS.sign_ups_of_address;
  let last = 0;
  for (let time = 0; time <= capacity; time += 1) {
    const body = { identifier: "known", password: "short" };
    last = (await stage.call("POST", "/v1/users", { body, from: "203.0.113.70" })).status;
  }
  assert.equal(last, 429);
});

test("filling the disk: the audit tells of a throttled account once a minute, not once a try", async () => {
  for (let attempt = 0; attempt < PER_ACCOUNT.capacity + 20; attempt += 1) await guess("flooded");
  const told = async (): Promise<number> => {
    const page = await stage.storage.audit.list({ name: "login.throttled" }, { limit: 200, after: null });
    return page.items.length;
  };
  const before = await told();
  for (let attempt = 0; attempt < 20; attempt += 1) assert.equal((await guess("flooded")).status, 429);
  assert.equal(await told(), before);
  stage.advance(60_000);
  await guess("flooded");
  assert.equal(await told(), before + 1);
});

test("a fresh server has no account that anyone could guess", async () => {
  const fresh = await openStage();
  const { items } = await fresh.storage.users.list({}, { limit: 10, after: null });
  assert.deepEqual(items, []);
  for (const identifier of ["admin", "root", "sa", "administrator", "mapae"]) {
    const answer = await fresh.call("POST", "/v1/sessions", { body: { identifier, password: identifier } });
    assert.equal(answer.status, 401);
  }
  await fresh.close();
});
