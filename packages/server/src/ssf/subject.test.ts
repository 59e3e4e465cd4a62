import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { readSubject, sessionSubject, tenantSubject, userSubject } from "./subject.ts";

const iss_sub = { format: "iss_sub", iss: "https://login.example", sub: "usr_a" };
const email = { format: "email", email: "kim@example.com" };

test("what is written is read again", () => {
  assert.deepEqual(readSubject(userSubject("https://login.example", "usr_a", null)), iss_sub);
  assert.deepEqual(readSubject(userSubject("https://login.example", "usr_a", "kim@example.com")), email);
  const session = readSubject(sessionSubject(email, "ses_a"));
  assert.ok(session?.format === "complex");
  assert.deepEqual(Object.fromEntries(session.members), { user: email, session: { format: "opaque", id: "ses_a" } });
  const tenant = readSubject(tenantSubject("https://login.example"));
  assert.ok(tenant?.format === "complex");
  assert.deepEqual([...tenant.members.keys()], ["tenant"]);
});

test("a format that is not known here is a subject all the same, and members that it may have are passed over", () => {
  assert.deepEqual(readSubject({ format: "phone_number", phone_number: "+12065550100" }), { format: "other" });
  assert.deepEqual(readSubject({ ...email, more: 1 }), email);
  const aliases = readSubject({ format: "aliases", identifiers: [email, { format: "did", url: "did:example:1" }] });
  assert.deepEqual(aliases, { format: "aliases", identifiers: [email, { format: "other" }] });
});

test("what lacks a member, nests what may not be nested, or is too large is no subject", () => {
  const none: readonly unknown[] = [
    null,
    "kim",
    [],
    {},
    { format: "" },
    { format: 7 },
    { format: "email" },
    { format: "email", email: "" },
    { format: "email", email: ["kim@example.com"] },
    { format: "iss_sub", iss: "https://login.example" },
    { format: "opaque", id: "x".repeat(1001) },
    { format: "aliases", identifiers: [] },
    { format: "aliases", identifiers: [{ format: "aliases", identifiers: [email] }] },
    { format: "aliases", identifiers: Array.from({ length: 21 }, () => email) },
    { format: "complex" },
    { format: "complex", user: "kim" },
    { format: "complex", user: { format: "complex", user: email } },
    Object.fromEntries([["format", "complex"], ...Array.from({ length: 21 }, (_, index) => [`m${index}`, email])]),
  ];
  for (const value of none) assert.equal(readSubject(value), null, JSON.stringify(value));
});

test("whatever comes is read, or refused, without throwing, and names no more than it says", () => {
  const leaf = fc.constantFrom<unknown>(iss_sub, email, { format: "opaque", id: "__proto__" }, null, 7, "x");
  const subjects = fc.oneof(
    fc.jsonValue({ maxDepth: 4 }),
    fc.record({
      format: fc.constantFrom("complex", "aliases", "email"),
      user: leaf,
      __proto__: leaf,
      identifiers: leaf,
    }),
    fc.dictionary(fc.constantFrom("format", "user", "session", "constructor"), fc.oneof(leaf, fc.constant("complex"))),
  );
  fc.assert(
    fc.property(subjects, (value) => {
      const read = readSubject(value);
      if (read?.format !== "complex") return;
      for (const name of read.members.keys()) assert.ok(Object.hasOwn(value as object, name));
    }),
  );
});
