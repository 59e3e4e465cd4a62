import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { COOKIES, clearCookie, deviceCookie, readCookie, setCookie } from "./cookies.ts";

const NAME = COOKIES.refresh.name;
const read = (cookie: string | null) => readCookie({ get: () => cookie }, "refresh");

test("a cookie is read from among others", () => {
  assert.equal(read(`a=1; ${NAME}=token; b=2`), "token");
  assert.equal(read(`${NAME}=token`), "token");
  assert.equal(read(`a=1;${NAME}=token`), "token");
});

test("a cookie that is not there is none", () => {
  for (const header of [null, "", "a=1", `x${NAME}=token`, `${NAME}`, `${NAME.toLowerCase()}x=1`, `a=${NAME}=token`]) {
    assert.equal(read(header), null);
  }
});

test("a name in other letters is another cookie: only the prefix in its own spelling is protected by browsers", () => {
  assert.equal(read(`${NAME.toUpperCase()}=token`), null);
});

test("two cookies of one name are none, since one may have been planted", () => {
  assert.equal(read(`${NAME}=planted; ${NAME}=token`), null);
  assert.equal(read(`${NAME}=token; ${NAME}=token`), null);
});

test("every cookie is out of reach for scripts, other sites and plain http, and goes to the session routes only", () => {
  const made = [setCookie("refresh", "", "v", 60), deviceCookie("v", ""), clearCookie("refresh", "")];
  for (const cookie of made) {
    const [pair = "", ...attributes] = cookie.split("; ");
    assert.match(pair, /^__Secure-mapae_(refresh|device)=/);
    for (const attribute of ["Path=/v1/sessions", "HttpOnly", "Secure", "SameSite=Strict"]) {
      assert.ok(attributes.includes(attribute));
    }
    assert.ok(!attributes.some((attribute) => attribute.startsWith("Domain")));
  }
});

test("a cookie lies under the path where the server is mounted", () => {
  assert.match(setCookie("refresh", "/auth", "v", 60), /; Path=\/auth\/v1\/sessions;/);
});

test("a cookie lives as long as what it holds, whole seconds, at most 400 days and never less than none", () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true }), (seconds) => {
      const age = Number(/Max-Age=(-?[^;]+)/.exec(setCookie("refresh", "", "v", seconds))?.[1]);
      assert.ok(Number.isSafeInteger(age) && age >= 0 && age <= 400 * 86_400);
    }),
  );
  assert.match(clearCookie("refresh", ""), /=; .*Max-Age=0;/);
});

test("reading never throws, and what is found stood in the header", () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.string(), fc.constantFrom(`${NAME}=a`, `${NAME}=`, ";", " ; "))), (parts) => {
      const header = parts.join(";");
      const found = read(header);
      assert.ok(found === null || header.includes(found));
    }),
  );
});
