import assert from "node:assert/strict";
import { test } from "node:test";
import { Secret } from "../../prelude/secret.ts";
import { readAddress } from "./address.ts";

const refused = (url: string, says: RegExp, password: Secret | null = null) =>
  assert.throws(() => readAddress(url, password), says, url);

test("over a network the connection is encrypted and the server checked, unless somebody says so in an alarming word", () => {
  const far = "postgres://mapae:p@db.example/mapae";
  for (const mode of ["", "?sslmode=verify-full", "?sslmode=verify-ca", "?sslmode=require"]) {
    const { client, warning } = readAddress(`${far}${mode}`, null);
    assert.deepEqual([client.ssl, warning], [{ rejectUnauthorized: true }, null], mode);
  }
  refused(`${far}?sslmode=disable`, /sslmode=disable is for this machine alone/);
  for (const mode of ["prefer", "allow", "none", ""]) refused(`${far}?sslmode=${mode}`, /is not offered/);
  const plain = readAddress(`${far}?sslmode=dangerously-disable`, null);
  assert.equal(plain.client.ssl, false);
  assert.match(plain.warning ?? "", /not encrypted/);
  const anybody = readAddress(`${far}?sslmode=dangerously-no-verify`, null);
  assert.deepEqual(anybody.client.ssl, { rejectUnauthorized: false });
  assert.match(anybody.warning ?? "", /whoever stands between/);
});

test("on this machine it is not, unless the address says so", () => {
  for (const host of ["localhost", "127.0.0.1", "127.8.8.8", "[::1]"]) {
    for (const mode of ["", "?sslmode=disable"]) {
      const { client, warning } = readAddress(`postgres://mapae@${host}/mapae${mode}`, null);
      assert.deepEqual([client.ssl, warning], [false, null]);
    }
    assert.deepEqual(readAddress(`postgres://mapae@${host}/mapae?sslmode=verify-full`, null).client.ssl, {
      rejectUnauthorized: true,
    });
  }
  assert.equal(
    readAddress("postgres://mapae@localhost/mapae?host=/run/postgresql", null).client.host,
    "/run/postgresql",
  );
});

test("an address that is not whole, or says what nobody knows, is refused in one line without the password", () => {
  const secret = "hunter2";
  for (const [url, says] of [
    ["postgres://", /names no|not an address/],
    [`postgres://mapae:${secret}@db.example/`, /names no database/],
    [`postgres://:${secret}@db.example/mapae`, /names no user/],
    [`postgres://mapae:${secret}@db.example/mapae?sslmod=disable`, /sslmod is not known/],
    [`postgres://mapae:${secret}@db.example/mapae?sslrootcert=/nowhere/ca.pem`, /nowhere\/ca.pem.*cannot be read/],
    [`postgres://mapae:${secret}%zz@db.example/mapae`, /a % in it/],
  ] as const) {
    refused(url, says);
    assert.throws(
      () => readAddress(url, null),
      ({ message }: Error) => !message.includes(secret) && !message.includes("\n"),
    );
  }
  refused("postgres://mapae:a@db.example/mapae", /holds a password, and MAPAE_DATABASE_PASSWORD/, new Secret("b"));
});

test("what it says of itself holds no password, and neither does what it prints as", async () => {
  const { client, says } = readAddress("postgres://mapae:hunter2@db.example:6543/mapae", null);
  assert.equal(says, "db.example:6543/mapae");
  assert.doesNotMatch(JSON.stringify(client), /hunter2/);
  assert.equal(typeof client.password === "function" ? await client.password() : null, "hunter2");
});
