/**
 * Every command that changes or shows something, through the real program: beside a running server, which it must go
 * through, and without one, over the file. The story is the same, since it is one implementation.
 */
import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { z } from "zod";
import { type Running, startLoginServer, temporaryFolder } from "../processes.ts";
import { documents, mapae, type RunOptions } from "./mapae.ts";

const PASSWORD = "seven grey herons at noon";
const NEXT_PASSWORD = "eight white cranes at dawn";
const BCRYPT = "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW";

const user = z.looseObject({ user: z.looseObject({ id: z.string(), roles: z.array(z.string()), state: z.string() }) });
const key = z.looseObject({ kid: z.string(), state: z.string() });
const signed = z.looseObject({ access_token: z.string(), expires_in: z.number() });

/** Runs a command that must succeed, and gives its JSON. */
async function done(folder: string, args: readonly string[], options: RunOptions = {}): Promise<readonly unknown[]> {
  const ran = await mapae(folder, [...args, "--json"], options);
  assert.equal(ran.code, 0, `mapae ${args.join(" ")}: ${ran.stderr}`);
  return documents(ran);
}

async function one<T>(
  schema: z.ZodType<T>,
  folder: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<T> {
  const found = await done(folder, args, options);
  assert.equal(found.length, 1, `one document of ${args.join(" ")}`);
  return schema.parse(found[0]);
}

function logIn(server: Running, password: string): Promise<Response> {
  return fetch(`${server.url}/v1/sessions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ identifier: "kim@example.com", password }),
  });
}

/** Accounts, from the first administrator to the last. @param refusals also what is refused */
async function accounts(folder: string, refusals: boolean): Promise<void> {
  const make = ["users", "create", "Kim@Example.com", "--name", "김", "--role", "admin", "--password-stdin"];
  const made = await one(user, folder, make, { stdin: `${PASSWORD}\n` });
  assert.deepEqual(made.user.roles, ["admin"]);
  if (refusals) {
    const taken = await mapae(folder, ["users", "create", "kim@example.com", "--password-stdin"], { stdin: PASSWORD });
    assert.equal(taken.code, 1);
    assert.match(taken.stderr, /^mapae: There is an account with this identifier\.\n$/);
    assert.equal((await mapae(folder, ["users", "show", "nobody@example.com"])).code, 3);
  }

  assert.equal((await one(user, folder, ["users", "show", "kim@example.com"])).user.id, made.user.id);
  const roles = await one(user, folder, ["users", "roles", made.user.id, "editor", "admin"]);
  assert.deepEqual(roles.user.roles, ["editor", "admin"]);
  assert.equal((await one(user, folder, ["users", "disable", "kim@example.com"])).user.state, "disabled");
  assert.equal((await one(user, folder, ["users", "enable", "kim@example.com"])).user.state, "active");
  await done(folder, ["users", "password", "kim@example.com", "--password-stdin"], { stdin: NEXT_PASSWORD });

  const table = await mapae(folder, ["users", "list"]);
  assert.match(
    table.stdout,
    /^ID +IDENTIFIER +NAME +STATE +ROLES +CREATED\nusr_\S+ +Kim@Example\.com +김 +active +editor admin/,
  );
}

/** An import of which one line is bad, tried first and then done, twice. */
async function imports(folder: string): Promise<void> {
  const lines = [
    { identifier: "lee@example.com", name: "Lee", roles: ["editor"], password_hash: BCRYPT },
    { identifier: "park@example.com", password_hash: "$1$abc$def", created_at: "2024-05-01T09:00:00+09:00" },
    { identifier: "choi@example.com" },
  ].map((line) => JSON.stringify(line));
  const file = join(folder, "users.jsonl");
  writeFileSync(file, `${lines.join("\n")}\n\n{"identifier": oh no}\n`);
  const tried = await mapae(folder, ["users", "import", file, "--dry-run"]);
  assert.equal(tried.code, 1);
  assert.match(
    tried.stdout,
    /^line 2: MD5-crypt cannot be imported: too weak to keep\.\nline 5: The line is not JSON\.\n$/,
  );
  assert.match(tried.stderr, /2 accounts would be taken over, 2 lines refused/);

  const ran = await mapae(folder, ["users", "import", "-", "--json"], {
    stdin: lines.join("\n"),
    settings: { MAPAE_LOGIN_FLOOR: "1ms" },
  });
  assert.equal(ran.code, 1);
  assert.deepEqual(
    z
      .array(z.looseObject({ line: z.number(), refusal: z.unknown() }))
      .parse(documents(ran))
      .map(({ line, refusal }) => [line, refusal === null]),
    [
      [1, true],
      [2, false],
      [3, true],
    ],
  );
  const again = await mapae(folder, ["users", "import", "-"], { stdin: lines[0] ?? "" });
  assert.match(again.stdout, /^line 1: There is an account with this identifier\.\n$/);
  await done(folder, ["users", "delete", "choi@example.com", "--yes"]);
}

async function clients(folder: string, refusals: boolean): Promise<void> {
  const made = await mapae(folder, ["clients", "create", "orders-api", "--audience", "https://orders.example.com"]);
  assert.match(made.stdout, /^orders-api was made \(resource_server\)\nsecret, shown this once:\n[\w-]{43}\n$/);
  const all = z.array(z.looseObject({ id: z.string() })).parse(await done(folder, ["clients", "list"]));
  assert.ok(all.some(({ id }) => id === "orders-api"));
  if (refusals) {
    const unsure = await mapae(folder, ["clients", "delete", "orders-api"]);
    assert.equal(unsure.code, 2);
    assert.match(unsure.stderr, /--yes/);
    assert.equal((await mapae(folder, ["clients", "delete", "other-api", "--yes"])).code, 3);
  }
  await done(folder, ["clients", "delete", "orders-api", "--yes"]);
}

/** Keys are rotated, retired and revoked; a token that a revoked key signed verifies nowhere. */
async function keys(folder: string, refusals: boolean): Promise<void> {
  const records = async () => z.array(key).parse(await done(folder, ["keys", "list"]));
  const active = async () => (await records()).find(({ state }) => state === "active")?.kid ?? "";
  const first = await active();
  const token = await one(signed, folder, ["token", "sign", "--sub", "kim@example.com", "--ttl", "1m"]);
  assert.equal(token.expires_in, 60);
  await done(folder, ["keys", "rotate", "--now"]);
  const second = await active();
  assert.notEqual(second, first);
  await done(folder, ["keys", "retire", second, "--now"]);
  if (refusals) assert.equal((await mapae(folder, ["keys", "revoke", first])).code, 2, "asks first");
  await done(folder, ["keys", "revoke", first, "--yes"]);
  assert.equal((await records()).find(({ kid }) => kid === first)?.state, "revoked");
  const pepper = await one(z.object({ pepper: z.looseObject({ moved: z.number() }) }), folder, [
    "keys",
    "rotate-pepper",
  ]);
  assert.ok(pepper.pepper.moved >= 2);
}

// Side by side: most of the time is programs starting.
describe("every command", { concurrency: true }, () => {
  test("beside a running server, every command goes through it", async (t) => {
    const folder = temporaryFolder((task) => t.after(task));
    const server = await startLoginServer(folder, { MAPAE_LOGIN_FLOOR: "1ms" });
    t.after(() => server.stop());
    assert.equal(statSync(join(folder, "data/mapae.sock")).mode & 0o777, 0o600);
    await accounts(folder, true);
    await t.test("a password that was set logs in, and the one before does not", async () => {
      assert.equal((await logIn(server, PASSWORD)).status, 401);
      assert.equal((await logIn(server, NEXT_PASSWORD)).status, 201);
    });
    await t.test("revoking a session refuses its token at once", async () => {
      const answer = z.object({ access_token: z.string(), session: z.looseObject({ id: z.string() }) });
      const { access_token, session } = answer.parse(await (await logIn(server, NEXT_PASSWORD)).json());
      const me = () => fetch(`${server.url}/v1/me`, { headers: { authorization: `Bearer ${access_token}` } });
      assert.equal((await me()).status, 200);
      const listed = await done(folder, ["sessions", "list", "--user", "kim@example.com", "--live"]);
      assert.equal(listed.length, 2);
      await done(folder, ["sessions", "revoke", session.id]);
      assert.equal((await me()).status, 401);
      assert.equal((await mapae(folder, ["sessions", "revoke", "ses_unknown"])).code, 3);
      assert.deepEqual(await done(folder, ["sessions", "revoke", "--user", "kim@example.com"]), [{ ended: 1 }]);
      assert.equal((await mapae(folder, ["sessions", "revoke", "--all"])).code, 2, "asks first");
      assert.deepEqual(await done(folder, ["sessions", "revoke", "--all", "--yes"]), [{ ended: 0 }]);
    });
    await t.test(
      "a hash that outlasts the floor is named, since its time would tell that the account exists",
      async () => {
        const line = JSON.stringify({ identifier: "slow@example.com", password_hash: BCRYPT });
        const ran = await mapae(folder, ["users", "import", "-"], { stdin: line });
        assert.match(ran.stderr, /warning: 1 hash of bcrypt .* longer than MAPAE_LOGIN_FLOOR \(1 ms\)/);
        await done(folder, ["users", "delete", "slow@example.com", "--yes"]);
      },
    );
    await imports(folder);
    await clients(folder, true);
    await keys(folder, true);
    await t.test(
      "a signed token verifies by discovery, its claims are explained, and what it lacks is named",
      async () => {
        const sign = ["token", "sign", "--sub", "kim@example.com", "--scope", "read"];
        const token = (await one(signed, folder, sign)).access_token;
        const valid = await mapae(folder, ["token", "verify", "--issuer", server.url, "--audience", server.url], {
          stdin: token,
        });
        assert.equal(valid.code, 0, valid.stdout);
        const other = await mapae(folder, ["token", "verify", "--issuer", server.url, "--audience", "other"], {
          stdin: token,
        });
        assert.equal(other.code, 1);
        assert.match(other.stdout, /NOT VALID {2}invalid_audience/);
        const me = await fetch(`${server.url}/v1/me`, { headers: { authorization: `Bearer ${token}` } });
        assert.equal(me.status, 401, "a token without a session is for resource servers, not for the account");
        const explained = await mapae(folder, ["token", "inspect"], { stdin: token });
        assert.match(explained.stdout, /scope +"read" +public: what it allows/);
        const long = await mapae(folder, [...sign, "--ttl", "1h"]);
        assert.equal(long.code, 1);
        assert.match(long.stderr, /MAPAE_ACCESS_TTL/);
      },
    );
    await t.test("the doctor finds server, files and keys well", async () => {
      const healthy = z.looseObject({
        healthy: z.literal(true),
        checks: z.array(z.looseObject({ check: z.string() })),
      });
      await one(healthy, folder, ["doctor"]);
    });
  });

  test("without a server, every command works on the database itself", async (t) => {
    const folder = temporaryFolder((task) => t.after(task));
    const early = await mapae(folder, ["users", "list"]);
    assert.equal(early.code, 1);
    assert.match(early.stderr, /^mapae: there is no database at .+: start the server once, or set --data\n$/);
    await accounts(folder, false);
    await imports(folder);
    await clients(folder, false);
    await keys(folder, false);
    assert.deepEqual(await done(folder, ["sessions", "revoke", "--all", "--yes"]), [{ ended: 0 }]);
    await t.test("commands at the same time wait for each other instead of writing at once", async () => {
      const names = ["one", "two"].map((name) => `${name}@example.com`);
      await Promise.all(
        names.map((name) => done(folder, ["users", "create", name, "--password-stdin"], { stdin: PASSWORD })),
      );
      assert.equal((await done(folder, ["users", "list"])).length, 4);
    });
    await t.test("the doctor reads without a server, and fails on a secret that others can read", async () => {
      assert.equal((await mapae(folder, ["doctor"])).code, 0);
      const secret = join(folder, "data/secrets/mapae.secret");
      const other = { MAPAE_SECRET: "a-secret-that-is-not-the-one-of-this-database" };
      const wrong = await mapae(folder, ["doctor"], { settings: other });
      assert.equal(wrong.code, 1);
      assert.match(wrong.stdout, /fail +opening +MAPAE_SECRET does not open this database/);
      assert.ok(!wrong.stdout.includes(readFileSync(secret, "utf8").trim()));
    });
  });
});
