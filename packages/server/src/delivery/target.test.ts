import assert from "node:assert/strict";
import { test } from "node:test";
import { createReach, faultOfTarget } from "./target.ts";

const PRIVATE = [
  ...["127.0.0.1", "127.255.0.9", "0.0.0.0", "10.0.0.5", "172.16.0.1", "172.31.255.255", "192.168.1.1"],
  // Metadata services: AWS and most others, Alibaba; carrier-grade NAT is the second's network.
  ...["169.254.169.254", "100.100.100.200", "100.64.0.1", "fd00:ec2::254"],
  ...["192.0.0.192", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "255.255.255.255"],
  ...["::", "::1", "fe80::1", "fc00::1", "fd12:3456::1", "ff02::1", "2001:db8::1", "64:ff9b::a00:1", "64:ff9b:1::1"],
  ...["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:8.8.8.8", "::7f00:1", "2002:7f00:1::", "2001:0:4136:e378::"],
  ...["not an address", ""],
];
const PUBLIC = ["8.8.8.8", "172.32.0.1", "172.15.0.1", "100.128.0.1", "1.1.1.1", "2606:4700::1111", "2a00:1450:4001::"];

test("addresses of no public network are not reached, in whatever spelling", () => {
  const mayReach = createReach([]);
  assert.deepEqual(PRIVATE.filter(mayReach), []);
  assert.deepEqual(
    PUBLIC.filter((address) => !mayReach(address)),
    [],
  );
});

test("what the operator names is reached, and nothing beside it", () => {
  const mayReach = createReach(["10.1.0.0/16", "127.0.0.1", "fd00::/8"]);
  assert.deepEqual(["10.1.2.3", "127.0.0.1", "fd00::1", "10.2.0.1", "127.0.0.2", "169.254.169.254"].map(mayReach), [
    true,
    true,
    true,
    false,
    false,
    false,
  ]);
});

test("an address is https:, without a user, and not a private literal", () => {
  const mayReach = createReach([]);
  const faults: readonly (readonly [string, RegExp | null])[] = [
    ["https://hooks.example.com/in?tenant=7", null],
    ["https://8.8.8.8:8443/", null],
    ["https://localhost/", null], // resolved and judged when it is connected to
    ["hooks.example.com", /absolute/],
    ["", /absolute/],
    ["http://hooks.example.com/", /https/],
    ["http://10.0.0.1/", /https/],
    ["ftp://hooks.example.com/", /https/],
    ["file:///etc/passwd", /https/],
    ["javascript:alert(1)", /https/],
    ["https://kim:secret@hooks.example.com/", /user/],
    ["https://hooks.example.com/#a", /fragment/],
    ["https://169.254.169.254/latest/meta-data", /private/],
    ["https://[::1]/", /private/],
    ["https://[::ffff:10.0.0.1]/", /private/],
    // Spellings that a URL parser reads as 127.0.0.1.
    ["https://2130706433/", /private/],
    ["https://0x7f.1/", /private/],
    ["https://0177.0.0.1/", /private/],
    ["http://127.0.0.1/", /private/],
  ];
  for (const [url, fault] of faults) {
    const found = faultOfTarget(url, mayReach);
    if (fault === null) assert.equal(found, null, url);
    else assert.match(found ?? "", fault, url);
  }
  assert.equal(faultOfTarget("http://127.0.0.1:9000/", createReach(["127.0.0.1"])), null);
});
