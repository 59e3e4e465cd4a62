import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createAddressReader, isLoopbackAddress, isNetwork, networkOf } from "./address.ts";

const forwarded = (value: string) => new Headers({ "x-forwarded-for": value });
const none = new Headers();
const behindProxy = createAddressReader(["10.0.0.0/8", "::1", "fd00::/8"]);

test("without trusted proxies the header counts for nothing", () => {
  const reader = createAddressReader([]);
  assert.equal(reader.clientOf("203.0.113.9", forwarded("198.51.100.1")), "203.0.113.9");
  assert.equal(reader.clientOf("127.0.0.1", forwarded("198.51.100.1")), "127.0.0.1");
});

test("a stranger's header counts for nothing", () => {
  assert.equal(behindProxy.clientOf("203.0.113.9", forwarded("198.51.100.1")), "203.0.113.9");
});

const CHAINS: readonly (readonly [string, string, string])[] = [
  ["one hop", "198.51.100.1", "198.51.100.1"],
  ["what the client wrote itself stands left, and is not reached", "1.1.1.1, 198.51.100.1", "198.51.100.1"],
  ["two proxies of ours", "198.51.100.1, 10.0.0.2", "198.51.100.1"],
  ["a forged hop left of two proxies", "127.0.0.1, 198.51.100.1, 10.0.0.2", "198.51.100.1"],
  ["a client inside our networks", "10.0.0.7", "10.0.0.7"],
  ["IPv6", "2001:db8::1", "2001:db8::1"],
  ["IPv6 in brackets with a port", "[2001:db8::1]:4711", "2001:db8::1"],
  ["an IPv4 address in IPv6 form", "::ffff:198.51.100.1", "198.51.100.1"],
  ["nonsense nearest to us", "198.51.100.1, unknown", "10.0.0.1"],
  ["nonsense behind a hop", "unknown, 198.51.100.1", "198.51.100.1"],
  ["an empty header", "", "10.0.0.1"],
  ["commas only", ",,,", "10.0.0.1"],
];
for (const [what, header, expected] of CHAINS) {
  test(`through a trusted proxy, ${what}`, () => {
    assert.equal(behindProxy.clientOf("10.0.0.1", forwarded(header)), expected);
  });
}

test("a trusted proxy that says nothing is the client", () => {
  assert.equal(behindProxy.clientOf("10.0.0.1", none), "10.0.0.1");
  assert.equal(behindProxy.clientOf("::ffff:10.0.0.1", none), "10.0.0.1");
});

test("an unknown peer stays unknown, whatever it says", () => {
  assert.equal(behindProxy.clientOf(null, forwarded("198.51.100.1")), null);
});

test("reading never throws, whatever the header", () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.ipV6(), fc.string({ unit: fc.constantFrom(..."0123456789abf.:,[]% ") })),
      (text) => {
        const found = behindProxy.clientOf("10.0.0.1", { get: () => text });
        assert.ok(found !== null);
        networkOf(found);
      },
    ),
  );
});

test("limits count an IPv4 address, and of IPv6 the /64 that one subscriber has", () => {
  assert.equal(networkOf("198.51.100.1"), "198.51.100.1");
  const cases = [
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:DB8:1:2::9", "2001:db8:1:2::/64"],
    ["2001:0db8:0001:0002:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"],
    ["2001:db8::1", "2001:db8:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
    ["64:ff9b::198.51.100.1", "64:ff9b:0:0::/64"],
  ];
  for (const [address = "", network] of cases) assert.equal(networkOf(address), network);
});

test("every address of one /64 is one network", () => {
  const group = fc.nat(0xffff).map((value) => value.toString(16));
  fc.assert(
    fc.property(fc.tuple(group, group, group, group), fc.array(group, { minLength: 4, maxLength: 4 }), (head, tail) => {
      const network = networkOf([...head, "0", "0", "0", "1"].join(":"));
      assert.equal(networkOf([...head, ...tail].join(":")), network);
    }),
  );
});

test("loopback is 127.0.0.0/8 and ::1, and no name or number that looks like it", () => {
  for (const address of ["127.0.0.1", "127.8.9.1", "::1"]) assert.ok(isLoopbackAddress(address));
  for (const address of [null, "", "128.0.0.1", "::2", "10.127.0.1", "::"])
    assert.equal(isLoopbackAddress(address), false);
});

test("a network is an address, or one with as many bits as it may have", () => {
  for (const text of ["10.0.0.1", "10.0.0.0/8", "0.0.0.0/0", "::1", "fd00::/8", "::/128"]) assert.ok(isNetwork(text));
  for (const text of [
    "",
    "10.0.0.0/33",
    "::/129",
    "10.0.0.0/",
    "10.0.0.0/a",
    "a/8",
    "10.0.0/8",
    "fe80::1%eth0",
    "1.1.1.1/8/8",
  ]) {
    assert.equal(isNetwork(text), false, text);
  }
});
