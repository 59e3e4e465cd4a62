import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DEVICE_CLASSES } from "../sessions/session.ts";
import { describeDevice } from "./device.ts";

const PHONE =
  "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1";
const PC =
  "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36";
const TABLET =
  "Mozilla/5.0 (iPad; CPU OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Mobile/15E148 Safari/604.1";

test("a device is called what its browser says, and classed by it", () => {
  assert.deepEqual(describeDevice(PHONE, null), { name: "Safari on iOS", class: "mobile" });
  assert.deepEqual(describeDevice(PC, null), { name: "Chrome on Windows", class: "desktop" });
  assert.equal(describeDevice(TABLET, null).class, "tablet");
});

test("the name that the user chose wins; the class is the browser's", () => {
  assert.deepEqual(describeDevice(PC, "Work"), { name: "Work", class: "desktop" });
  assert.deepEqual(describeDevice(null, "Kiosk"), { name: "Kiosk", class: "other" });
});

test("who says nothing is an unknown device", () => {
  for (const agent of [null, "", "\u0000", "   "]) assert.equal(describeDevice(agent, null).name, "Unknown device");
  assert.equal(describeDevice("curl/8.5.0", "  ").name, "curl");
});

test("a name is one short line without control or formatting characters, whatever is sent", () => {
  const text = fc.oneof(fc.string({ unit: "binary", maxLength: 300 }), fc.constantFrom(PHONE, PC));
  fc.assert(
    fc.property(fc.option(text), fc.option(text), (agent, given) => {
      const { name, class: kind } = describeDevice(agent, given);
      assert.ok(name !== "" && [...name].length <= 100);
      assert.doesNotMatch(name, /\p{C}/u);
      assert.ok(DEVICE_CLASSES.includes(kind));
    }),
  );
});
