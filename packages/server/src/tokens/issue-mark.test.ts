import assert from "node:assert/strict";
import { test } from "node:test";
import type { AccessTokenClaims } from "@mapae/verifier";
import { Secret } from "../prelude/secret.ts";
import { systemWorld } from "../prelude/world.ts";
import { openMemory } from "../storage/memory/memory.ts";
import { openVault } from "../vault/vault.ts";
import { bearsMark, type MarkedClaims, markedId } from "./issue-mark.ts";

const vault = await openVault(
  openMemory(systemWorld).vault,
  [new Secret("a secret that wraps, of 32 characters or more")],
  systemWorld,
);
const issued: MarkedClaims = {
  iss: "https://login.example",
  sub: "usr_1",
  aud: "https://api.example",
  exp: 2000,
  iat: 1000,
  client_id: "mapae",
  sid: "ses_1",
  gid: "grt_1",
  rsq: [1, 2],
  scope: "account",
  roles: ["editor"],
  auth_time: 900,
  amr: ["pwd"],
};
const marked: AccessTokenClaims = { ...issued, jti: markedId(issued, vault, systemWorld.random) };

test("a token that this server issued bears its mark, as the claims come back from JSON", () => {
  assert.ok(bearsMark(JSON.parse(JSON.stringify(marked)), vault));
  const { roles: _, scope: __, ...bare } = issued;
  assert.ok(bearsMark({ ...bare, jti: markedId(bare, vault, systemWorld.random) }, vault));
});

test("a mark is good for its own claims only", () => {
  const others: Partial<AccessTokenClaims>[] = [
    { sub: "usr_2" },
    { sid: "ses_2" },
    { gid: "grt_2" },
    { aud: "https://login.example/admin" },
    { aud: ["https://api.example"] },
    { exp: 3000 },
    { iat: 1001 },
    { client_id: "other" },
    { rsq: [1, 3] },
    { scope: "account admin" },
    { roles: ["editor", "admin"] },
    { auth_time: 1000 },
    { amr: ["pwd", "otp"] },
    { iss: "https://evil.example" },
  ];
  for (const other of others) assert.equal(bearsMark({ ...marked, ...other }, vault), false, JSON.stringify(other));
});

test("no other text is a mark", () => {
  for (let at = 0; at < marked.jti.length; at += 1) {
    const letter = marked.jti[at] === "A" ? "B" : "A";
    const jti = marked.jti.slice(0, at) + letter + marked.jti.slice(at + 1);
    assert.equal(bearsMark({ ...marked, jti }, vault), false);
  }
  for (const jti of ["", "x", marked.jti.slice(1), `${marked.jti}A`])
    assert.equal(bearsMark({ ...marked, jti }, vault), false);
});

test("two tokens with the same claims have different ids", () => {
  assert.notEqual(markedId(issued, vault, systemWorld.random), markedId(issued, vault, systemWorld.random));
});
